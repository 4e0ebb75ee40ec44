"""What a schema violation means, in words, with what to write instead. One row per JSON Schema keyword."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from jsonschema.exceptions import ValidationError

from tgtd.config.positions import Path
from tgtd.config.problem import Mistake
from tgtd.config.size import out_of_bounds, parse_size


@dataclass(frozen=True, slots=True)
class Complaint:
    """path: of the value at fault. key: the key itself is at fault, not its value. missing: a key that is not there."""

    path: Path
    problem: str
    fix: str
    key: bool = False
    missing: str | None = None


def complaints(error: ValidationError) -> list[Complaint]:
    """What one schema violation amounts to; several unknown keys of one table are several complaints."""
    path: Path = tuple(error.absolute_path)
    if error.validator == "not" and not error.validator_value:
        return [
            Complaint(path, "a medium of this type has none", f"remove {path[-1]}, or choose another type", key=True)
        ]
    if error.validator == "additionalProperties":
        return list(_unknown_keys(path, error))
    if error.validator == "required":
        return list(_missing_keys(path, error))
    if _told_elsewhere(error):
        return []
    row = _ROWS[str(error.validator)]
    problem, fix = row(error.instance, error.validator_value, _schema(error))
    if error.validator == "type" and error.validator_value == "array" and isinstance(error.instance, dict):
        header = ".".join(str(step) for step in path if isinstance(step, str))
        fix = f"write [[{header}]] with double brackets, or {path[-1]} = [{{ ... }}]"
    return [Complaint(path, problem, fix)]


def _told_elsewhere(error: ValidationError) -> bool:
    """A violation that only follows from a value of the wrong type, which is told by itself."""
    instance: Any = error.instance
    if error.validator in ("minimum", "maximum"):
        return isinstance(instance, float) and "number" not in _schema(error).get("type", ())
    return error.validator == "anyOf" and not isinstance(instance.get("anyone", False), bool)


def _schema(error: ValidationError) -> Any:
    """The schema that was violated; typed for reading."""
    return error.schema


def show(value: object, longest: int = 60) -> str:
    """A value as TOML would have it, cut to `longest` characters (0: whole)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        text = "{ " + ", ".join(f"{key} = {show(entry)}" for key, entry in value.items()) + " }" if value else "{}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(map(show, value)) + "]"
    elif isinstance(value, str):
        text = '"' + value.encode("unicode_escape").decode("ascii") + '"' if not value.isprintable() else f'"{value}"'
    elif isinstance(value, int):
        text = str(value) if value.bit_length() < 1000 else "a huge number"
    else:
        text = str(value)
    return text if not longest or len(text) <= longest else text[: longest - 3] + "..."


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    found = difflib.get_close_matches(word.lower().replace("-", "_"), list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def _unknown_keys(path: Path, error: ValidationError) -> Iterable[Complaint]:
    properties = _schema(error)["properties"]
    instance: Any = error.instance
    for key in instance:
        if key in properties:
            continue
        meant = suggestion(key, (name for name in properties if name not in instance))
        if meant:
            fix = f'did you mean "{meant}"?'
        else:
            fix = _HOMES.get(key) or f"remove it; known keys are {', '.join(properties)}"
        yield Complaint((*path, key), "is not a known key", fix, key=True)


_IN_TARGET = "it belongs to the target: write it below [[target]], above [target.access] and [[target.lun]]"
_IN_LUN = "it belongs to a LUN: write it below [[target.lun]]"
_IN_ACCESS = "it says who gets in: write it below [target.access], above [[target.lun]]"
_HOMES = {
    "access": "write [target.access], below its [[target]]",
    "lun": "write [[target.lun]], below its [[target]]",
    "map": "write [[target.map]], below its [[target]]",
    **dict.fromkeys(("name", "alias", "transport", "portals", "redirect", "iscsi", "port", "fabric"), _IN_TARGET),
    **dict.fromkeys(("number", "device", "medium", "write_cache", "block_size", "read_only", "thin"), _IN_LUN),
    **dict.fromkeys(
        ("path", "size", "create", "direct", "sync", "preallocate"),
        'it belongs to the medium: medium = { type = "file", ... }',
    ),
    **dict.fromkeys(("anyone", "initiators", "addresses", "chap", "chap_mutual", "chap_algorithms"), _IN_ACCESS),
    **dict.fromkeys(("limits", "log", "reload", "discovery", "stop_timeout"), "it belongs in tgtd.toml"),
    "target": "it belongs in a file of targets.d",
}
"""Where a key that stands in the wrong place may be."""


def _missing_keys(path: Path, error: ValidationError) -> Iterable[Complaint]:
    """Says nothing about a key that an unknown one was probably meant to be."""
    properties = _schema(error).get("properties", {})
    instance: Any = error.instance
    wanted: Any = error.validator_value
    unknown = [key for key in instance if key not in properties]
    for key in wanted:
        if key in instance or any(suggestion(word, {*properties, key}) == key for word in unknown):
            continue
        fix = _missing_fix(key, error)
        yield Complaint(path, "is missing", fix, missing=key)


def _missing_fix(key: str, error: ValidationError) -> str:
    if key == "access":
        return "add [target.access] with initiators, addresses or chap; anyone = true opens it to everybody"
    if key == "number":
        return "add number = N, 0 to 16383, not used by another lun of the target"
    if key == "medium":
        return 'add medium = { type = "file", path = "/srv/disk.img", size = "10 GiB", create = true }'
    if key == "size":
        return 'add size = "10 GiB": without it nobody knows how large it is to be'
    if key == "path":
        return 'add path = "/..."'
    row = _schema(error).get("properties", {}).get(key, {})
    return f"add {key} = {_example(row)}"


_KINDS = {
    "string": "text in quotes",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "a table",
}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    kinds: tuple[tuple[Any, str], ...] = (
        (str, "text"),
        (int, "a whole number"),
        (float, "a number with a fraction"),
        (list, "an array"),
        (dict, "a table"),
        (datetime | date | time, "a date or time"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "something else")


def _type(value: object, wanted: str | list[str], schema: Mapping[str, Any]) -> tuple[str, str]:
    names = [wanted] if isinstance(wanted, str) else wanted
    problem = f"must be {' or '.join(_KINDS[name] for name in names)}, not {_kind(value)}"
    if isinstance(value, str) and names == ["boolean"] and value.lower() in ("true", "false"):
        return problem, f"write {value.lower()} without quotes"
    if names == ["boolean"]:
        return problem, "write true or false, without quotes"
    if isinstance(value, str) and names in (["integer"], ["number"]) and value.strip().isdecimal():
        return problem, f"write {value.strip()} without quotes"
    if names == ["array"] and schema["items"].get("type") == _toml_type(value):
        return problem, f"write [{show(value)}]"
    return problem, f"for example {_example(schema)}"


def _toml_type(value: object) -> str:
    return {str: "string", dict: "object", int: "integer"}.get(type(value), "")


def _example(schema: Mapping[str, Any]) -> str:
    if "examples" in schema:
        return show(schema["examples"][0], longest=0)
    if "default" in schema:
        return show(schema["default"])
    if "enum" in schema:
        return show(schema["enum"][0])
    return {"integer": str(schema.get("minimum", 1)), "array": "[[...]]", "object": "{ ... }"}.get(
        str(schema.get("type")), '"..."'
    )


def _enum(value: object, allowed: list[object], _: Mapping[str, Any]) -> tuple[str, str]:
    choices = ", ".join(map(show, allowed))
    meant = suggestion(value, [word for word in allowed if isinstance(word, str)]) if isinstance(value, str) else None
    fix = f'did you mean "{meant}"?' if meant else f"write {'one of ' if len(allowed) > 1 else ''}{choices}"
    return f"{show(value)} is not possible here", fix


def _range(value: float, bound: float, schema: Mapping[str, Any]) -> tuple[str, str]:
    side = "more" if value > bound else "less"
    unit = schema.get("x-unit", "")
    if schema.get("x-form") == "a size":
        return out_of_bounds(show(value), value, schema["minimum"], schema["maximum"])
    return f"{show(value)} is {side} than {bound}", f"write {schema['minimum']} to {schema['maximum']} {unit}".rstrip()


def _pattern(value: str, _: str, schema: Mapping[str, Any]) -> tuple[str, str]:
    if schema.get("x-form") == "a size":
        try:
            parse_size(value)
        except Mistake as mistake:
            return str(mistake), mistake.fix
    return f"{show(value)} is not {schema.get('x-form', 'of the right form')}", f"for example {_example(schema)}"


def _length(value: str, bound: int, schema: Mapping[str, Any]) -> tuple[str, str]:
    if schema.get("x-secret"):
        return f"the secret has {len(value)} characters", "write 12 to 255: 96 bits at least (RFC 7143 9.2.1)"
    if not value:
        return "is empty", f"for example {_example(schema)}"
    side = "at most" if len(value) > bound else "at least"
    return f"{show(value)} has {len(value)} characters", f"write {side} {bound}"


def _items(value: list[object], bound: int, schema: Mapping[str, Any]) -> tuple[str, str]:
    if not value:
        return "is an empty array, which lists nothing", f"remove it, or for example {_example(schema)}"
    return f"has {len(value)} entries", f"write {'at most' if len(value) > bound else 'at least'} {bound}"


def _unique(value: list[object], _: bool, __: Mapping[str, Any]) -> tuple[str, str]:
    twice = next((entry for at, entry in enumerate(value) if entry in value[:at]), None)
    return f"{show(twice)} stands in it twice", "remove one of the two"


def _count(_: object, __: int, schema: Mapping[str, Any]) -> tuple[str, str]:
    return "names none or several places", f"write one of {', '.join(schema['properties'])}"


def _nobody(_: object, __: object, ___: Mapping[str, Any]) -> tuple[str, str]:
    return "lets nobody in", "add initiators, addresses or chap; anyone = true opens it to everybody"


def _depends(_: object, rows: Mapping[str, list[str]], __: Mapping[str, Any]) -> tuple[str, str]:
    key, needed = next(iter(rows.items()))
    return f'"{key}" needs "{needed[0]}"', f"add {needed[0]}: initiators must prove themselves before the target does"


def _reserved(value: object, _: object, __: Mapping[str, Any]) -> tuple[str, str]:
    return f"{show(value)} is reserved (SBC-4 6.6.2)", "write 0 (not reported), 1 (solid state) or 1025 to 65534"


_ROWS: Mapping[str, Callable[[Any, Any, Mapping[str, Any]], tuple[str, str]]] = {
    "anyOf": _nobody,
    "dependentRequired": _depends,
    "enum": _enum,
    "maxItems": _items,
    "maxLength": _length,
    "maxProperties": _count,
    "maximum": _range,
    "minItems": _items,
    "minLength": _length,
    "minProperties": _count,
    "minimum": _range,
    "not": _reserved,
    "pattern": _pattern,
    "type": _type,
    "uniqueItems": _unique,
}
