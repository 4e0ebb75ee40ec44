from __future__ import annotations

import tomllib

from tests.config.tree import HEAD, LUN, Tree
from tgtd.config.document import Document
from tgtd.config.merged import DEFAULT, MergedRow, merged, toml
from tgtd.config.schema import TARGETS, Schema


def _rows(text: str) -> dict[str, tuple[object, str]]:
    parts = merged(Document("a.toml", text.encode(), 0o600), Schema(TARGETS).tree)
    return {".".join(map(str, part.path)): (part.value, part.origin) for part in parts if isinstance(part, MergedRow)}


def test_every_value_has_an_origin() -> None:
    rows = _rows(HEAD + LUN)
    assert rows["target.0.name"][1] == "a.toml:2:8"
    assert rows["target.0.portals"] == (["0.0.0.0:3260", "[::]:3260"], DEFAULT)
    assert rows["target.0.lun.0.medium.size"] == ("1 MiB", "a.toml:7:34")
    assert rows["target.0.lun.0.write_cache"] == (True, DEFAULT)
    assert rows["target.0.iscsi.queue_depth"] == (128, DEFAULT)


def test_what_makes_no_sense_is_left_out() -> None:
    assert "target.0.lun.0.medium.create" not in _rows(HEAD + LUN)
    assert "target.0.lun.0.medium.create" in _rows(HEAD + LUN.replace('"null"', '"file", path = "/x"'))


def test_inline_secrets_are_not_shown() -> None:
    rows = _rows(HEAD.replace("anyone = true", 'chap = [{ user = "u", secret = "long enough it is" }]'))
    assert rows["target.0.access.chap.0.secret"][0] == "(inline secret)"


def test_the_result_says_the_same(tree: Tree) -> None:
    text = HEAD + LUN + '[[target.map]]\ninitiators = ["iqn.a"]\nluns = [{ lun = 1, as = 0 }]\n'
    original = tree.target(text)
    parts = merged(Document("a.toml", text.encode(), 0o600), Schema(TARGETS).tree)
    again = "\n".join(
        f"{part.path[-1]} = {toml(part.value)}" if isinstance(part, MergedRow) else part.header for part in parts
    )
    assert tree.target(again) == original


def test_a_target_on_a_fabric_of_the_kernel_has_its_keys_only(tree: Tree) -> None:
    text = (
        '[[target]]\nname = "iqn.2026-11.org.test:a"\ntransport = "loopback"\nport = "naa.5001405000000001"\n'
        "access = { anyone = true }\n"
    )
    parts = list(merged(Document("a.toml", text.encode(), 0o600), Schema(TARGETS).tree))
    again = "\n".join(
        f"{part.path[-1]} = {toml(part.value)}" if isinstance(part, MergedRow) else part.header for part in parts
    )
    assert "cmd_time_out = 30" in again
    assert "portals" not in again
    assert tree.target(again) == tree.target(text)


def test_toml() -> None:
    value = {"a": [1, True, "x" * 100], "b": {"c": "d"}}
    assert tomllib.loads(f"v = {toml(value)}")["v"] == value
