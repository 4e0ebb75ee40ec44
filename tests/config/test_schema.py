from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tgtd.config import model
from tgtd.config.schema import DAEMON, TARGETS, Schema, document

ROOT = Path(__file__).parents[2]

GOOD: dict[str, Any] = {
    "target": [
        {
            "name": "iqn.2026-11.com.example:x",
            "access": {"anyone": True},
            "lun": [
                {"number": 1, "medium": {"type": "file", "path": "/a", "size": "1 GiB", "create": True}},
                {"number": 2, "medium": {"type": "file", "path": "/b", "size": "1 GiB", "create": True}},
                {"number": 3, "medium": {"type": "ram", "size": 512}},
            ],
        }
    ]
}


def _tables(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "properties" in node and node.get("type") not in (None, []):
            yield node
        for value in node.values():
            yield from _tables(value)


@pytest.mark.parametrize("name", [DAEMON, TARGETS])
def test_it_is_a_schema_with_local_references(name: str) -> None:
    written = document(name)
    jsonschema.Draft202012Validator.check_schema(written)
    assert written["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all(text.startswith("#/$defs/") for text in _values(written, "$ref"))


def _values(node: Any, key: str) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from ([node[key]] if key in node else [])
        for value in node.values():
            yield from _values(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from _values(value, key)


@pytest.mark.parametrize("name", [DAEMON, TARGETS])
def test_every_key_is_described_and_typed_and_bounded(name: str) -> None:
    for table in _tables(Schema(name).tree):
        assert table["additionalProperties"] is False
        required = table.get("required", [])
        for key, row in table["properties"].items():
            assert row.get("description"), key
            assert "type" in row or "enum" in row, key
            if row.get("type") in ("integer", "number"):
                assert row["minimum"] <= row["maximum"], key
            if row.get("type") in ("integer", "number", "boolean"):
                assert "default" in row or key in required, key
            if row.get("x-form") == "a size":
                assert row["x-unit"] == "bytes"


@pytest.mark.parametrize("name", [DAEMON, TARGETS])
def test_defaults_and_examples_are_valid(name: str) -> None:
    for table in _tables(Schema(name).tree):
        for key, row in table["properties"].items():
            for value in [*([row["default"]] if "default" in row else []), *row.get("examples", [])]:
                assert jsonschema.Draft202012Validator(row).is_valid(value), (key, value)


def test_the_contract_has_what_the_model_has() -> None:
    schema = Schema(TARGETS)
    known = {field.name for field in dataclasses.fields(model.Lun)} - {"identity", "origin"}
    known |= {field.name for field in dataclasses.fields(model.IdentityWish)}
    assert schema.tree["properties"]["target"]["items"]["properties"]["lun"]["items"]["properties"].keys() == known
    iscsi = schema.tree["properties"]["target"]["items"]["properties"]["iscsi"]["properties"]
    assert iscsi.keys() == {field.name for field in dataclasses.fields(model.Iscsi)}
    limits = Schema(DAEMON).tree["properties"]["limits"]["properties"]
    assert limits.keys() == {field.name for field in dataclasses.fields(model.Limits)}


@pytest.mark.parametrize("name", [DAEMON, TARGETS])
def test_the_examples_point_at_these_schemas(name: str) -> None:
    assert (ROOT / "etc" / name).read_text() == (ROOT / "tgtd/config/schema" / name).read_text()


def test_good() -> None:
    assert Schema(TARGETS).errors(GOOD) == []


WRONG: list[tuple[tuple[Any, ...], Any]] = [
    (("number",), True),
    (("number",), 1.0),
    (("number",), 16384),
    (("medium", "type"), "block"),
    (("medium", "type"), "disc"),
    (("medium", "create"), "yes"),
    (("medium", "path"), "a"),
    (("medium", "path"), "/a\0"),
    (("writecache",), True),
    (("rotation_rate",), 7),
    (("io_timeout",), float("nan")),
    (("io_timeout",), 10**400),
    (("number",), {"a": 1}),
    (("medium", "type"), {}),
    (("medium",), {"type": "ram", "size": "1 GiB", "path": "/a"}),
    (("medium",), {"type": "file", "path": "/a", "create": True}),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=str)
def test_what_it_remembers_makes_it_no_milder(path: tuple[Any, ...], value: Any) -> None:
    schema = Schema(TARGETS)
    for _ in range(2):
        assert schema.errors(GOOD) == []
        for index in range(2):
            bad = copy.deepcopy(GOOD)
            node = bad["target"][0]["lun"][index]
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = value
            assert schema.errors(bad), index


@pytest.mark.parametrize("value", [{"name": "iqn.2026-11.com.example:x"}, {}, "x", 1])
def test_a_table_in_place_of_what_was_good(value: object) -> None:
    """[target] for [[target]]."""
    schema = Schema(TARGETS)
    assert schema.errors(GOOD) == []
    assert [error.validator for error in schema.errors({"target": value})] == ["type"]


def test_sections() -> None:
    section = Schema(TARGETS).section("target", "iscsi")
    assert section.defaults["max_connections"] == 8
    assert section.sizes["max_burst_length"] == (512, 16777215)
    assert Schema(DAEMON).section().defaults == {"stop_timeout": 30, "io_uring": True, "workers": "auto"}
