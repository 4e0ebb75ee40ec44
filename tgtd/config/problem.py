"""What is wrong with a configuration, said so that whoever wrote it can mend it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint.

    file as found; line and column from 1 (line 0: the file as a whole). where: 'target "…" lun 1', or empty.
    key: dotted, below `where`, or empty. problem: what is wrong. fix: what to write instead. severity: ERROR, WARNING.
    """

    file: str
    line: int
    column: int
    where: str
    key: str
    problem: str
    fix: str
    severity: str = ERROR

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        mark = "warning: " if self.severity == WARNING else ""
        about = "".join(f"{part}: " for part in (self.where, self.key) if part)
        return f"{place}: {mark}{about}{self.problem}; {self.fix}"

    def as_dict(self) -> dict[str, str | int]:
        """For JSON output."""
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "where": self.where,
            "key": self.key,
            "problem": self.problem,
            "fix": self.fix,
        }


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file and place, each complaint once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file, p.line, p.column, p.key)))


class ConfigErrors(Exception):
    """The configuration cannot be used. `problems` holds every error and warning of every file, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def as_dict(self) -> dict[str, object]:
        """For JSON output."""
        return {"problems": [problem.as_dict() for problem in self.problems]}


class Mistake(ValueError):
    """One value cannot be used; whoever knows where it stands makes a Problem of it. fix: what to write instead."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


def printable(path: str | os.PathLike[str]) -> str:
    """A file name as text that can be printed, whatever bytes it is made of."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
