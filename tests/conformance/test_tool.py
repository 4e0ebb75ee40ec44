"""tests.conformance.tool and the list of exceptions: what the words of iscsi-test-cu mean."""

from __future__ import annotations

import pytest

from tests.conformance.luns import LUNS
from tests.conformance.test_libiscsi import Excuse, complaints, exceptions
from tests.conformance.tool import Outcome, judge

SUMMARY = """
Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      1      1    n/a      0        0
               tests      1      1 {passed:6} {failed:6}        0
             asserts     11     11     10      1      n/a
"""


@pytest.mark.parametrize(
    ("words", "passed", "verdict", "notes"),
    [
        ("    Test it\n", 1, "passed", ()),
        ("    [SKIPPED] No granularity\n    [SKIPPING] More\n    [SKIPPED] No  granularity\n", 1, "skipped", 2),
        ('Test X had failures:\n    1. test_x.c:73  - CU_FAIL("a " "b")    Send PRIN/READ_KEYS\n', 0, "failed", 1),
    ],
)
def test_verdicts(words: str, passed: int, verdict: str, notes: int | tuple[str, ...]) -> None:
    found = judge(words + SUMMARY.format(passed=passed, failed=1 - passed), 0)
    assert found[0] == verdict
    assert len(found[1]) == (notes if isinstance(notes, int) else len(notes))


def test_notes_are_the_tools_words() -> None:
    text = '    1. test_x.c:73  - CU_FAIL("[FAILED] offset " "in first")    Send PRIN/READ_KEYS\n'
    assert judge(text + SUMMARY.format(passed=0, failed=1), 0)[1] == ('CU_FAIL("[FAILED] offset in first")',)
    assert judge("malloc(): corrupted\n", -6) == ("failed", ("no result, exit status -6",))


FAIL = Excuse("A.B.*", frozenset({"f"}), ("one",), "because")
LEFT_OUT = Excuse("A.B.C", frozenset({"s", "t"}), (), "because")


@pytest.mark.parametrize(
    ("of", "allowed", "said"),
    [
        ({"one": ("passed", ()), "two": ("skipped", ("s",))}, [], []),
        ({"one": ("failed", ("f",)), "two": ("passed", ())}, [], ["A.B.C on one failed: f"]),
        ({"one": ("failed", ("f",)), "two": ("passed", ())}, [FAIL], []),
        ({"one": ("failed", ("f", "g")), "two": ("passed", ())}, [FAIL], ["A.B.C on one failed: f; g", "better"]),
        ({"one": ("passed", ()), "two": ("failed", ("f",))}, [FAIL], ["A.B.C on two failed: f", "better"]),
        ({"one": ("skipped", ("s",))}, [], ["A.B.C is left out everywhere: s"]),
        ({"one": ("skipped", ("s",)), "two": ("skipped", ("u",))}, [LEFT_OUT], []),
        ({"one": ("passed", ())}, [LEFT_OUT], ["better"]),
    ],
)
def test_complaints(of: dict[str, tuple[str, tuple[str, ...]]], allowed: list[Excuse], said: list[str]) -> None:
    results = {"A.B.C": {lun: Outcome(verdict, notes, 0.1) for lun, (verdict, notes) in of.items()}}
    found = complaints(results, allowed)
    assert len(found) == len(said)
    for complaint, wanted in zip(found, said, strict=True):
        assert wanted in complaint


def test_exceptions_are_about_luns_that_exist() -> None:
    known = {lun.name for lun in LUNS}
    for row in exceptions():
        assert known.issuperset(row.luns), row.test
        assert len(row.reason) > 20, row.test
