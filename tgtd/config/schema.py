"""The contract: the two JSON Schemas (2020-12), compiled once, with the defaults they declare.

Measured with 10,000 LUNs in 100 files on the 2-core machine this was written on: jsonschema as it comes takes 3.7 s,
as it makes objects for every value. Files that are good are alike, so each distinct value is put to it once per
key, and each distinct shape of a table once: 0.3 s. A document that is not accepted is put to it whole, for its errors.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jsonschema
from jsonschema import validators
from jsonschema.exceptions import ValidationError

TARGETS = "targets.schema.json"
DAEMON = "tgtd.schema.json"
_REMEMBERED = 100_000


def document(name: str) -> dict[str, Any]:
    """A schema as it is written: TARGETS or DAEMON."""
    text = resources.files("tgtd.config").joinpath("schema", name).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the contract. defaults: of the keys that have one. sizes: keys that take a size, with bounds."""

    defaults: Mapping[str, Any]
    sizes: Mapping[str, tuple[int, int]]


class Schema:
    """A compiled schema. Remembers between documents what it has found good; belongs to one loader."""

    def __init__(self, name: str) -> None:
        written = document(name)
        self.tree: dict[str, Any] = _in_place(written, written.get("$defs", {}))
        checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
            {"integer": _is_integer, "number": _is_number}
        )
        extend: Any = validators.extend
        kind = extend(jsonschema.Draft202012Validator, type_checker=checker)
        self._validator = kind(self.tree)
        self._good: set[tuple[object, ...]] = set()
        self._telling: dict[int, tuple[str, ...]] = {}

    def errors(self, data: Mapping[str, Any]) -> list[ValidationError]:
        """What the schema has against a document."""
        if len(self._good) > _REMEMBERED:
            self._good.clear()
        return [] if self._accepts(self.tree, data) else list(self._validator.iter_errors(data))

    def section(self, *path: str) -> Section:
        """The table at a path of keys; arrays of tables count as tables."""
        node = self.tree
        for key in path:
            node = node["properties"][key]
            node = node.get("items", node)
        rows = node["properties"]
        return Section(
            {key: row["default"] for key, row in rows.items() if "default" in row},
            {key: (row["minimum"], row["maximum"]) for key, row in rows.items() if row.get("x-form") == "a size"},
        )

    def _accepts(self, schema: Mapping[str, Any], value: Any) -> bool:
        """Whether jsonschema accepts a value, asking it only about what it has not answered before."""
        if isinstance(value, dict):
            if "properties" not in schema:  # there is to be something else
                return self._validator.evolve(schema=schema).is_valid(value)  # type: ignore[no-any-return]
            return self._accepts_table(schema, value)
        if isinstance(value, list):
            if not _is_plain_array(schema):
                return self._remembered((id(schema), *map(_hashable, value)), schema, value)
            return all(self._accepts(schema["items"], entry) for entry in value)
        return self._remembered((id(schema), type(value), value), schema, value)

    def _accepts_table(self, schema: Mapping[str, Any], value: dict[str, Any]) -> bool:
        """Rules about a table as a whole look at which keys there are, at the telling ones' values, and no further."""
        mark = id(schema)
        telling = self._telling.get(mark)
        if telling is None:
            telling = self._telling[mark] = tuple(sorted(_telling_keys(schema)))
        shape = (mark, *value, *[_hashable(value.get(key)) for key in telling])
        rows = schema["properties"]
        if shape not in self._good:
            probe = {key: [] if _is_plain_array(rows.get(key)) else entry for key, entry in value.items()}
            if any(_is_plain_array(rows.get(key)) and not isinstance(entry, list) for key, entry in value.items()):
                return False
            if not self._remembered(shape, schema, probe):
                return False
        return all(self._accepts(rows[key], entry) for key, entry in value.items())

    def _remembered(self, mark: tuple[object, ...], schema: Mapping[str, Any], value: object) -> bool:
        if mark in self._good:
            return True
        if not self._validator.evolve(schema=schema).is_valid(value):
            return False
        self._good.add(mark)
        return True


def _is_plain_array(schema: Mapping[str, Any] | None) -> bool:
    """Whether a schema asks of an array no more than what its entries are."""
    return schema is not None and schema.get("type") == "array" and not schema.keys() & {"minItems", "uniqueItems"}


def _hashable(value: object) -> object:
    """Something equal for equal values only, of the same types."""
    return repr(value) if isinstance(value, dict | list) else (type(value), value)


def _telling_keys(schema: Any) -> Iterator[str]:
    """Keys whose values the conditions of a table look at."""
    parts = [schema[word] for word in ("if", "then", "else", "not") if word in schema]
    for word in ("allOf", "anyOf", "oneOf"):
        parts += schema.get(word, ())
    parts += schema.get("dependentSchemas", {}).values()
    for part in parts:
        if isinstance(part, dict):
            yield from (key for key, row in part.get("properties", {}).items() if row != {"not": {}})
            yield from _telling_keys(part)


def _is_integer(_: object, value: object) -> bool:
    """TOML tells 1.0 from 1; JSON Schema does not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    """TOML knows nan, which no bound holds."""
    return _is_integer(_, value) or (isinstance(value, float) and not math.isnan(value))


def _in_place(node: Any, defs: Mapping[str, Any]) -> Any:
    """A copy with every local `$ref` replaced by what it names; keys beside the `$ref` win."""
    if isinstance(node, list):
        return [_in_place(entry, defs) for entry in node]
    if not isinstance(node, dict):
        return node
    beside = {key: _in_place(value, defs) for key, value in node.items() if key not in ("$ref", "$defs")}
    if "$ref" not in node:
        return beside
    return {**_in_place(defs[node["$ref"].removeprefix("#/$defs/")], defs), **beside}
