from __future__ import annotations

import os

from tgtd.config.problem import WARNING, ConfigErrors, Problem, in_order, printable

ONE = Problem("a.toml", 3, 7, 'target "x" lun 1', "medium.path", "is wrong", "write it right")


def test_one_line() -> None:
    assert str(ONE) == 'a.toml:3:7: target "x" lun 1: medium.path: is wrong; write it right'


def test_a_warning_says_so() -> None:
    warning = Problem("a.toml", 3, 7, "", "log.level", "is odd", "leave it", WARNING)
    assert str(warning) == "a.toml:3:7: warning: log.level: is odd; leave it"


def test_a_whole_file_has_no_line() -> None:
    assert str(Problem("a.toml", 0, 0, "", "", "cannot be read", "mend it")) == "a.toml: cannot be read; mend it"


def test_as_dict() -> None:
    assert ConfigErrors([ONE]).as_dict() == {
        "problems": [
            {
                "severity": "error",
                "file": "a.toml",
                "line": 3,
                "column": 7,
                "where": 'target "x" lun 1',
                "key": "medium.path",
                "problem": "is wrong",
                "fix": "write it right",
            }
        ]
    }


def test_in_order_and_once() -> None:
    later = Problem("a.toml", 10, 1, "", "", "p", "f")
    other = Problem("b.toml", 1, 1, "", "", "p", "f")
    assert in_order([other, later, ONE, later]) == (ONE, later, other)
    assert str(ConfigErrors([other, later])) == "a.toml:10:1: p; f\nb.toml:1:1: p; f"


def test_any_file_name_can_be_printed() -> None:
    assert printable(os.fsdecode(b"/x/\xff.toml")) == "/x/\\xff.toml"
