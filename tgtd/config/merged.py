"""The configuration as it counts: every key of every file, written or default, each with where its value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.config.complaint import show
from tgtd.config.document import Document
from tgtd.config.positions import Path

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class MergedRow:
    """One value. path: of keys and places. value: as in TOML; a secret by reference only. origin: "file:line:column",
    or DEFAULT."""

    path: Path
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class MergedTable:
    """A table header: every entry of an array of tables has its own. path: as in MergedRow. origin: of the header."""

    path: Path
    header: str
    origin: str


def merged(document: Document, schema: Mapping[str, Any]) -> Iterator[MergedRow | MergedTable]:
    """A document in the order of the schema, defaults filled in."""
    yield from _table(document, schema, document.data, (), ())


def _table(
    document: Document, schema: Mapping[str, Any], given: Mapping[str, Any], path: Path, names: tuple[str, ...]
) -> Iterator[MergedRow | MergedTable]:
    """Plain values first: in TOML, what follows a header belongs to it."""
    nested: list[str] = []
    senseless = _senseless(schema, given)
    for key, row in schema["properties"].items():
        if _is_table(row) or _is_tables(row):
            nested.append(key)
        elif key in given:
            yield MergedRow((*path, key), _shown(row, given[key]), str(document.origin((*path, key))))
        elif "default" in row and key not in senseless:
            yield MergedRow((*path, key), row["default"], DEFAULT)
    for key in nested:
        row = schema["properties"][key]
        header = (*names, key)
        if _is_tables(row):
            for index, entry in enumerate(given.get(key, ())):
                yield from _headed(document, row["items"], entry, (*path, key, index), header, "[[{}]]")
        elif key in given or (_all_have_defaults(row) and key not in senseless):
            yield from _headed(document, row, given.get(key, {}), (*path, key), header, "[{}]")


def _senseless(schema: Mapping[str, Any], given: Mapping[str, Any]) -> set[str]:
    """Keys that this table may not have, being of its type (the if, then and else of the schema), or on its transport
    (x-network)."""
    network = given.get("transport", "iscsi") == "iscsi"
    keys = {key for key, row in schema["properties"].items() if row.get("x-network", network) is not network}
    while "if" in schema:
        ((key, test),) = schema["if"]["properties"].items()
        schema = schema["then" if given.get(key) in (test.get("enum") or [test["const"]]) else "else"]
        keys.update(name for name, row in schema.get("properties", {}).items() if row == {"not": {}})
    return keys


def _headed(
    document: Document,
    schema: Mapping[str, Any],
    given: Mapping[str, Any],
    path: Path,
    names: tuple[str, ...],
    brackets: str,
) -> Iterator[MergedRow | MergedTable]:
    origin = str(document.origin(path)) if given else DEFAULT
    yield MergedTable(path, brackets.format(".".join(names)), origin)
    yield from _table(document, schema, given, path, names)


def _is_table(row: Mapping[str, Any]) -> bool:
    return row.get("type") == "object"


def _is_tables(row: Mapping[str, Any]) -> bool:
    return row.get("type") == "array" and _is_table(row["items"])


def _all_have_defaults(row: Mapping[str, Any]) -> bool:
    """Whether a table counts even if nobody writes it."""
    return "required" not in row and "anyOf" not in row


def _shown(row: Mapping[str, Any], value: Any) -> Any:
    return "(inline secret)" if row.get("x-secret") and isinstance(value, str) else value


def toml(value: Any) -> str:
    """A value as TOML, whole."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return show(value, 0)
