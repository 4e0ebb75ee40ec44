"""libiscsi's conformance suites, against LUNs of every kind. exceptions.toml lists what the tool is to blame for.

The outcome of every run is kept in build/conformance.json.
"""

from __future__ import annotations

import json
import os
import queue
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conformance.luns import LUNS, SLOW, Lun
from tests.conformance.tool import Outcome, names, perform
from tests.daemon import free_port
from tests.initiator import write10
from tests.wire.conftest import Site

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build" / "conformance.json"
TESTS_IN_1_19 = 230
SLOTS = 3 * min(4, os.cpu_count() or 1)
"""How many run at a time, each with a target of its own: they reset it, reserve it and break its connections."""

STATES = ("active/optimized", "active/non-optimized")

LUN_RESET, START_AND_LOAD = 5, bytes((0x1B, 0, 0, 0, 3, 0))

WANTS_ZEROS = "SCSI.MultipathIO.CompareAndWrite"
"""Compares 257 blocks with zeros, of which it has written 256 (test_multipathio_compareandwrite.c, `i <= n`)."""
ZEROS = 512


@dataclass(frozen=True, slots=True)
class Excuse:
    """A row of exceptions.toml."""

    test: str
    notes: frozenset[str]
    luns: tuple[str, ...]
    reason: str

    def covers(self, test: str, lun: str, outcome: Outcome) -> bool:
        """With LUNs it is about failures there, without about what is left out."""
        there = lun in self.luns if outcome.verdict == "failed" else outcome.verdict == "skipped" and not self.luns
        return there and fnmatchcase(test, self.test) and self.notes.issuperset(outcome.notes)


def exceptions() -> list[Excuse]:
    rows = tomllib.loads((HERE / "exceptions.toml").read_text())["exception"]
    return [Excuse(r["test"], frozenset(r["notes"]), tuple(r.get("luns", ())), r["reason"]) for r in rows]


class Range:
    """A site with a target for each slot. Each has two port groups, with a portal and an access state of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.ports = (site.port, free_port())
        self.free: queue.Queue[str] = queue.Queue()
        groups = "".join(
            f'[[target.port_group]]\ntag = {tag}\nportals = ["127.0.0.1:{port}"]\nstate = "{state}"\n'
            for tag, (port, state) in enumerate(zip(self.ports, STATES, strict=True), 1)
        )
        text = ""
        for slot in range(SLOTS):
            name = f"iqn.2026-11.org.test:slot{slot}"
            self.free.put(name)
            text += f'[[target]]\nname = "{name}"\n{groups}[target.access]\nanyone = true\n'
            text += "".join(self.table(number, lun, slot) for number, lun in enumerate(LUNS, 1))
        site.write(text)

    def table(self, number: int, lun: Lun, slot: int) -> str:
        path = self.site.media / f"{lun.name}{slot}.img"
        key = path.with_name(f"{path.name}.key")
        key.touch(mode=0o600)
        key.write_text("a secret of this test\n")
        return self.site.lun(number, more=lun.more, medium=lun.medium.format(path=path, size=lun.size))

    @contextmanager
    def slot(self) -> Iterator[str]:
        name = self.free.get()
        try:
            yield name
        finally:
            self.free.put(name)

    def run(self, job: tuple[str, int]) -> Outcome:
        """One test on the LUN of this number."""
        test, number = job
        with self.slot() as target:
            if test == WANTS_ZEROS:
                self.blank(target, number)
            ports = self.ports[: LUNS[number - 1].paths]
            outcome = perform(test, *(f"iscsi://127.0.0.1:{port}/{target}/{number}" for port in ports))
            if outcome.verdict != "passed":
                self.heal(target, number)
        return outcome

    def blank(self, target: str, number: int) -> None:
        """Zeros at the beginning, whatever the test before has left there."""
        with self.site.login(target=target) as initiator:
            initiator.read(bytes(6), 0, lun=number)
            block = int.from_bytes(initiator.read(bytes((0x25,)) + bytes(9), 8, lun=number).data[4:], "big")
            assert initiator.write(write10(0, ZEROS), bytes(ZEROS * block), lun=number).status == 0

    def heal(self, target: str, number: int) -> None:
        """What a test that broke off leaves behind shall not trouble the next."""
        with self.site.login(target=target) as initiator:
            initiator.task_management(LUN_RESET, number)
            for _ in range(3):
                initiator.read(START_AND_LOAD, 0, lun=number)
            initiator.logout()


def jobs() -> list[tuple[str, int]]:
    """What is to be run, the longest first."""
    found = [(test, number) for test in names() for number, lun in enumerate(LUNS, 1) if lun.runs(test)]
    return sorted(found, key=lambda job: job[0] != SLOW)


Results = dict[str, dict[str, Outcome]]
"""By test, by LUN."""


def keep(results: Results) -> None:
    BUILD.parent.mkdir(exist_ok=True)
    told = {test: {lun: asdict(outcome) for lun, outcome in of.items()} for test, of in results.items()}
    BUILD.write_text(json.dumps(told, indent=1) + "\n")


def complaints(results: Results, allowed: list[Excuse]) -> list[str]:
    """Failures that are not excused, tests that are left out on every LUN without excuse, and needless excuses."""
    found: list[str] = []
    used: set[tuple[Excuse, str]] = set()
    for test, of in results.items():
        answered = False
        for lun, outcome in of.items():
            excuse = next((row for row in allowed if row.covers(test, lun, outcome)), None)
            if excuse is not None:
                used.add((excuse, lun if excuse.luns else ""))
            elif outcome.verdict == "failed":
                found.append(f"{test} on {lun} failed: {'; '.join(outcome.notes)}")
            answered = answered or excuse is not None or outcome.verdict != "skipped"
        if not answered:
            notes = {note for outcome in of.values() for note in outcome.notes}
            found.append(f"{test} is left out everywhere: {'; '.join(sorted(notes))}")
    listed = {(row, lun) for row in allowed for lun in row.luns or ("",)}
    return found + [f"{row.test} {lun}: better than exceptions.toml has it" for row, lun in listed - used]


@pytest.mark.wire
@pytest.mark.slow
def test_suites(site: Site) -> None:
    range_ = Range(site)
    site.start()
    todo = jobs()
    assert len({test for test, _ in todo}) >= TESTS_IN_1_19
    results: Results = {}
    with ThreadPoolExecutor(SLOTS) as pool:
        for (test, number), outcome in zip(todo, pool.map(range_.run, todo), strict=True):
            results.setdefault(test, {})[LUNS[number - 1].name] = outcome
    keep(results)
    assert complaints(results, exceptions()) == []
    assert "Traceback" not in site.log
