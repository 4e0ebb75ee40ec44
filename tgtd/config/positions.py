"""Where each key and value of a TOML text stands (TOML 1.0).

The parsers give values without places: the library's reader throws them away and tomlkit's items carry none. This walks
the text once and notes offsets. It expects a text that a parser has accepted, so it need not know what is wrong TOML.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BLANK = re.compile(r"[ \t]*")
# Texts are matched in runs: a character at a time, one of ten million holds everybody up for seconds, as re lets no
# other threads run meanwhile.
_KEY = re.compile(r"\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^']*'|[A-Za-z0-9_-]+")
_SCALAR = re.compile(
    r"\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"{3,5}"  # up to two quotes may stand before the closing three
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r"|\"[^\"\\]*(?:\\.[^\"\\]*)*\"|'[^']*'"
    r"|[^,\]}#\r\n]+",
    re.DOTALL,
)


class Positions:
    """Places in one text, by path: ("target", 0, "lun", 3, "number")."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]
        self._values: dict[Path, int] = {}
        self._keys: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        """Tables that were written as [[…]], with how many there are so far."""
        self._walk()

    def value(self, path: Path) -> tuple[int, int]:
        """Line and column of a value; of a table: where it begins; of what is not there: of the table it misses in."""
        while path and path not in self._values:
            path = path[:-1]
        return self.place(self._values.get(path, 0))

    def key(self, path: Path) -> tuple[int, int]:
        """Line and column of a key."""
        found = self._keys.get(path)
        return self.value(path) if found is None else self.place(found)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, from 1, of an offset into the text."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def _walk(self) -> None:
        text = self._text
        table: Path = ()
        at = self._gap(0)
        while at < len(text):
            if text[at] == "[":
                table, at = self._header(at)
            else:
                at = self._pair(table, at)
            at = self._gap(at)

    def _gap(self, at: int) -> int:
        found = _GAP.match(self._text, at)
        return found.end() if found else at

    def _blank(self, at: int) -> int:
        found = _BLANK.match(self._text, at)
        return found.end() if found else at

    def _header(self, at: int) -> tuple[Path, int]:
        """[a.b] or [[a.b]]; the path it opens and where it ends."""
        start = at
        brackets = 2 if self._text.startswith("[[", at) else 1
        names, at = self._dotted(self._blank(at + brackets))
        path: Path = ()
        for name, _ in names[:-1]:
            path = self._latest((*path, name))
            self._values.setdefault(path, start)
        path = (*path, names[-1][0])
        self._keys.setdefault(path, names[-1][1])
        if brackets == 2:
            self._values.setdefault(path, start)
            count = self._tables.get(path, 0)
            self._tables[path] = count + 1
            path = (*path, count)
        self._values[path] = start
        return path, self._blank(at) + brackets

    def _latest(self, path: Path) -> Path:
        count = self._tables.get(path)
        return path if count is None else (*path, count - 1)

    def _dotted(self, at: int) -> tuple[list[tuple[str, int]], int]:
        """A dotted key: each name with its offset, and where the key ends."""
        names: list[tuple[str, int]] = []
        while True:
            found = _KEY.match(self._text, at)
            if found is None:
                return names or [("", at)], at + 1
            names.append((_unquoted(found.group()), at))
            end = found.end()
            at = self._blank(end)
            if not self._text.startswith(".", at):
                return names, end
            at = self._blank(at + 1)

    def _pair(self, table: Path, at: int) -> int:
        """key = value; returns where it ends."""
        names, at = self._dotted(at)
        path = table
        for name, offset in names:
            path = (*path, name)
            self._keys.setdefault(path, offset)
            self._values.setdefault(path, offset)
        at = self._blank(self._blank(at) + 1)
        return self._value(path, at)

    def _value(self, path: Path, at: int) -> int:
        self._values[path] = at
        opening = self._text[at : at + 1]
        if opening == "[":
            return self._array(path, at)
        if opening == "{":
            return self._inline_table(path, at)
        found = _SCALAR.match(self._text, at)
        return found.end() if found else at + 1

    def _array(self, path: Path, at: int) -> int:
        index = 0
        at = self._gap(at + 1)
        while at < len(self._text) and self._text[at] != "]":
            at = self._gap(self._value((*path, index), at))
            index += 1
            if self._text.startswith(",", at):
                at = self._gap(at + 1)
        return at + 1

    def _inline_table(self, path: Path, at: int) -> int:
        at = self._gap(at + 1)
        while at < len(self._text) and self._text[at] != "}":
            at = self._gap(self._pair(path, at))
            if self._text.startswith(",", at):
                at = self._gap(at + 1)
        return at + 1


def _unquoted(key: str) -> str:
    if key.startswith('"'):
        return str(tomllib.loads(f"k = {key}")["k"])
    return key[1:-1] if key.startswith("'") else key
