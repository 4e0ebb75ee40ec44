"""Runs iscsi-test-cu, libiscsi's conformance suites, one test in a process of its own, and says what came of it."""

from __future__ import annotations

import re
import subprocess
import time
from dataclasses import dataclass

PATIENCE = 150.0
"""Seconds that one test may take."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """verdict: passed, skipped (in part at least) or failed. notes: what failed or was left out, as the tool says."""

    verdict: str
    notes: tuple[str, ...]
    seconds: float


def names() -> tuple[str, ...]:
    """family.suite.test of the two families that hold every test once."""
    listing = subprocess.run(("iscsi-test-cu", "--list"), capture_output=True, text=True, check=True).stdout
    return tuple(n for n in listing.split() if n.count(".") == 2 and n.partition(".")[0] in ("SCSI", "iSCSI"))


def perform(test: str, *urls: str) -> Outcome:
    """Run one test. Data may be lost and disks sanitized."""
    words = ("iscsi-test-cu", "-d", "-S", "-V", "-n", f"--test={test}", *urls)
    began = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return Outcome("failed", (f"no end after {PATIENCE:.0f} s",), PATIENCE)
    output = (done.stdout + done.stderr).decode("latin-1")
    verdict, notes = judge(output, done.returncode)
    return Outcome(verdict, notes, round(time.monotonic() - began, 2))


def judge(output: str, status: int) -> tuple[str, tuple[str, ...]]:
    """Verdict and notes. CUnit counts what the tool leaves out as passed; the tool says so in words alone."""
    counts = re.search(r"^ *tests +(\d+) +(\d+) +(\d+) +(\d+)", output, re.MULTILINE)
    if counts is None:
        return "failed", (f"no result, exit status {status}",)
    failures = re.findall(r"^ +\d+\. [\w.-]+:\d+ +- (.*?)(?:    Send PRIN/READ_KEYS)?$", output, re.MULTILINE)
    if counts.groups() != ("1", "1", "1", "0"):
        return "failed", _once(failures)
    skipped = re.findall(r"\[SKIPP\w+\] *(.*)", output)
    return ("skipped", _once(skipped)) if skipped else ("passed", ())


def _once(notes: list[str]) -> tuple[str, ...]:
    """Each once, with single spaces: the tool's source breaks its strings over lines."""
    return tuple(dict.fromkeys(" ".join(note.replace('" "', "").split()) for note in notes))
