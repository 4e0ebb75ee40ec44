"""One configuration file: its text, what a parser made of it, and how to point at a place in it.

Files are read with the library's tomllib. tomlkit, which keeps every blank, takes 30 times as long (20 s instead of
0.65 s for 10,000 LUNs in 100 files), so it is asked only about a file that is broken, for its account of what is wrong;
tomllib's verdict counts. Places are looked up only when somebody asks (see positions.py).
"""

from __future__ import annotations

import codecs
import re
import tomllib
from functools import cached_property
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from tgtd.config.model import Origin
from tgtd.config.positions import Path, Positions
from tgtd.config.problem import ERROR, Problem
from tgtd.config.secrets import Reference, Resolution

_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DEEPEST = 32
"""Levels of arrays and tables. No schema takes as many; what goes through data calls itself for each."""
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*target(?:[ \t]*\.[ \t]*lun)?[ \t]*\]\]", re.MULTILINE)


class Document:
    """A file as it was read. Complaints about it gather in `problems`."""

    def __init__(self, name: str, content: bytes, mode: int) -> None:
        """name: as messages are to show it. mode: the file's mode bits."""
        self.name = name
        self.mode = mode
        self.problems: list[Problem] = []
        self.secrets: dict[Reference, Resolution] = {}
        """What became of each secret that the file refers to."""
        self.text = self._decode(content)

    def complain(
        self,
        path: Path,
        problem: str,
        fix: str,
        *,
        key: bool = False,
        missing: str | None = None,
        severity: str = ERROR,
    ) -> None:
        """Note what is wrong with the value at `path`, with its key (`key`), or with the table that lacks `missing`."""
        self.problems.append(self.problem(path, problem, fix, key=key, missing=missing, severity=severity))

    def problem(
        self,
        path: Path,
        problem: str,
        fix: str,
        *,
        key: bool = False,
        missing: str | None = None,
        severity: str = ERROR,
    ) -> Problem:
        """What `complain` would note."""
        line, column = self.positions.key(path) if key else self.positions.value(path)
        where, name = self.label(path if missing is None else (*path, missing))
        return Problem(self.name, line, column, where, name, problem, fix, severity)

    @cached_property
    def positions(self) -> Positions:
        """Places in the text."""
        return Positions(self.text)

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the file says; empty when it is no TOML."""
        try:
            data = tomllib.loads(self.text)
            if _depth_within(data, _DEEPEST):
                return data
            self._too_deep()
        except RecursionError:
            self._too_deep()
        except ValueError as error:
            line, column, problem = self._syntax(str(error))
            self._broken(line, column, *self._plainly(line, column, problem))
        return {}

    def shed(self) -> None:
        """Keep the text alone: the rest is made again when somebody asks."""
        self.__dict__.pop("data", None)
        self.__dict__.pop("positions", None)

    def origin(self, path: Path) -> Origin:
        """Where the value at `path` begins."""
        return Origin(self.name, *self.positions.value(path))

    def label(self, path: Path) -> tuple[str, str]:
        """('target "…" lun 1', 'medium.path') for a path."""
        words: list[str] = []
        node: Any = self.data
        at = 0
        for table, key in (("target", "name"), ("lun", "number")):
            if len(path) < at + 2 or path[at] != table or not isinstance(path[at + 1], int):
                break
            index = int(path[at + 1])
            node = node[table][index]
            words.append(f"{table} {_call(node, key, index)}")
            at += 2
        return " ".join(words), _dotted(path[at:])

    def headers(self, expected: int) -> list[tuple[int, int]] | None:
        """Lines and columns of the [[target]] and [[target.lun]] headers, when these are plainly all; else None.

        Spares good files the walk through their text: only a multi-line string could hold such a line without being it.
        """
        if '"""' in self.text or "'''" in self.text:
            return None
        places: list[tuple[int, int]] = []
        line, at = 1, 0
        for found in _HEADER.finditer(self.text):
            line += self.text.count("\n", at, found.start())
            at = found.start()
            places.append((line, found.group().index("[") + 1))
        return places if len(places) == expected else None

    def _decode(self, content: bytes) -> str:
        content = content.removeprefix(codecs.BOM_UTF8)  # some editors for Windows begin every file with it
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            before = content[: error.start].decode()
            line = before.count("\n") + 1
            column = len(before) - (before.rfind("\n") + 1) + 1
            self._broken(line, column, "is not UTF-8 text", "save the file in the encoding UTF-8")
            return ""

    def _too_deep(self) -> None:
        self._broken(1, 1, "nests arrays or tables too deeply", "no key here takes more than four levels")

    def _broken(self, line: int, column: int, problem: str, fix: str) -> None:
        self.problems.append(Problem(self.name, line, column, "", "", problem, fix))

    def _syntax(self, verdict: str) -> tuple[int, int, str]:
        """Line, column and cause of a syntax error."""
        place = _AT.search(verdict)
        cause = verdict[: place.start()] if place else verdict
        if place and place[1]:
            return int(place[1]), int(place[2]), f"is not TOML: {cause}{self._second_account()}"
        lines = self.text.split("\n")
        return len(lines), len(lines[-1]) + 1, f"is not TOML: {cause} before the end of the file"

    def _plainly(self, line: int, column: int, problem: str) -> tuple[str, str]:
        """Problem and fix, in plainer words where the line shows what happened."""
        text = self.text.split("\n")[line - 1]
        before, after = text[: column - 1], text[column - 1 :]
        if text.startswith(("<<<<<<<", "=======", ">>>>>>>")):
            return "is not TOML: a merge conflict was left in it", "keep one of the two sides, and remove the marks"
        if "Illegal character" in problem and not after.rstrip("\r"):
            return "is not TOML: a text in quotes does not end on its line", "write the closing quote"
        if "initial character for a key part" in problem and "{" in before:
            return (
                "is not TOML: a table in braces ends too early, or has a comma at its end",
                "write { ... } on one line, without a comma before the }",
            )
        return problem, _syntax_fix(problem)

    def _second_account(self) -> str:
        """How tomlkit puts it, in brackets: it often names the key or the character."""
        try:
            tomlkit.parse(self.text)
        except ParseError as error:
            return f" ({str(error).rpartition(' at line ')[0] or error})"
        except Exception:
            # On some broken texts tomlkit stumbles over itself. tomllib has said what is wrong; nothing is lost.
            pass
        return ""


def _depth_within(data: dict[str, Any], most: int) -> bool:
    """Whether no value is in more than `most` tables and arrays."""
    level: list[Any] = [data]
    for _ in range(most):
        level = [
            entry
            for node in level
            for entry in (node.values() if isinstance(node, dict) else node)
            if isinstance(entry, dict | list)
        ]
        if not level:
            return True
    return False


def _syntax_fix(verdict: str) -> str:
    if "Expected '='" in verdict:
        return "write key = value"
    if "Unclosed inline table (Unexpected" in verdict:
        return "put text in quotes, a comma between two keys, and } at the end"
    if '"target" already exists' in verdict:
        return "write [[target]] before its [[target.lun]], both with double brackets"
    if "Cannot overwrite a value" in verdict or "twice" in verdict or "Cannot declare" in verdict:
        return "remove one of the two"
    if "Invalid value" in verdict:
        return 'text stands in quotes: key = "text"; numbers, true and false without'
    if "after a statement" in verdict:
        return "write one key = value a line"
    if "Unclosed" in verdict or "Unterminated" in verdict or "TOML: Expected" in verdict:
        return "close what was opened"
    return "correct the line; see toml.io"


def _call(node: Any, key: str, index: int) -> str:
    """What to call one of several tables: by its name or number, or by its place when it has none."""
    name = node.get(key) if isinstance(node, dict) else None
    if isinstance(name, str):
        return f'"{name}"'
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else f"#{index + 1}"


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
