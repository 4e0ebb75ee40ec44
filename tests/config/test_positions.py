from __future__ import annotations

import tomllib
from typing import Any

import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from tgtd.config.positions import Path, Positions

TEXT = '''\
# a comment with [[target]] in it
[[target]]
name = "one" # trailing
 portals = [
  "a", # [[x]]
  'b]',
 ]
[target.access]
anyone = true
[[target.lun]]
number = 1
medium = { type = "file", "path" = '/x', sub.key = 3 }
text = """
[[target]]
number = 7 ""quoted"" """""
[[ target . "lun" ]]
number=2
[[target]]
name = "two"
a.b.c = 2026-11-23T06:00:00Z
[ other ]
"quo\\"ted" = [[1, 2], [{ x = 1 }]]
'''


def _find(word: str, nth: int = 1) -> tuple[int, int]:
    at = -1
    for _ in range(nth):
        at = TEXT.index(word, at + 1)
    return TEXT.count("\n", 0, at) + 1, at - TEXT.rfind("\n", 0, at)


def test_values() -> None:
    positions = Positions(TEXT)
    assert positions.value(("target", 0)) == (2, 1)
    assert positions.value(("target", 0, "name")) == _find('"one"')
    assert positions.value(("target", 0, "portals", 1)) == _find("'b]'")
    assert positions.value(("target", 0, "access")) == (8, 1)
    assert positions.value(("target", 0, "lun", 0)) == (10, 1)
    assert positions.value(("target", 0, "lun", 0, "medium", "path")) == _find("'/x'")
    assert positions.value(("target", 0, "lun", 0, "medium", "sub", "key")) == _find("3 }")
    assert positions.value(("target", 0, "lun", 0, "text")) == _find('"""')
    assert positions.value(("target", 0, "lun", 1)) == _find('[[ target . "lun" ]]')
    assert positions.value(("target", 0, "lun", 1, "number")) == (17, 8)
    assert positions.value(("target", 1, "name")) == _find('"two"')
    assert positions.value(("target", 1, "a", "b", "c")) == _find("2026")
    assert positions.value(("other", 'quo"ted', 1, 0, "x")) == _find("1 }]]")


def test_keys() -> None:
    positions = Positions(TEXT)
    assert positions.key(("target", 0, "portals")) == (4, 2)
    assert positions.key(("target", 0, "lun", 0, "medium", "path")) == _find('"path"')
    assert positions.key(("target", 0, "access")) == (8, 9)


def test_what_is_missing_is_looked_for_in_its_table() -> None:
    positions = Positions(TEXT)
    assert positions.value(("target", 0, "lun", 1, "medium", "type")) == _find('[[ target . "lun" ]]')
    assert positions.value(("nothing",)) == (1, 1)


def test_line_ends_of_windows() -> None:
    positions = Positions("[[target]]\r\nname = 'x'\r\n")
    assert positions.value(("target", 0, "name")) == (2, 8)


_KEYS = st.text(min_size=1, max_size=6)
_SCALARS = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(max_size=12))
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=12
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=5))
def test_every_value_is_found_where_it_stands(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    read = tomllib.loads(text)
    positions = Positions(text)
    lines = text.split("\n")
    for path, value in _scalars(read, ()):
        line, column = positions.value(path)
        assert _begins_with(lines[line - 1][column - 1 :], value), (path, text)


def _scalars(node: Any, path: Path) -> list[tuple[Path, Any]]:
    if isinstance(node, dict):
        return [found for key, entry in node.items() for found in _scalars(entry, (*path, key))]
    if isinstance(node, list):
        return [found for index, entry in enumerate(node) for found in _scalars(entry, (*path, index))]
    return [(path, node)]


def _begins_with(text: str, value: object) -> bool:
    """Whether a line's rest, cut somewhere, is the value in TOML."""
    for end in range(len(text), 0, -1):
        try:
            if tomllib.loads(f"v = {text[:end]}")["v"] == value:
                return True
        except tomllib.TOMLDecodeError:
            continue
    return False
