"""When writes are done at once, and when they are left to the workers."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import GOOD, Bench, cdb10
from tgtd.media.ram import RamMedium
from tgtd.scsi.medium import Buffer
from tgtd.scsi.pace import FIRST_REST, LONGEST_REST, SLOW, Pace

DATA = bytes(4096)


class Clocked(RamMedium):
    """Takes as long for each write as it is told, by a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(1 << 20)
        self.now = 0.0
        self.takes = 0.0
        self.able = True
        monkeypatch.setattr("tgtd.scsi.pace.perf_counter", lambda: self.now)

    def write_now(self, offset: int, data: Buffer) -> bool:
        self.now += self.takes
        return self.able and super().write_now(offset, data)


def rest_after_slow(own: Pace, medium: Clocked) -> int:
    """One slow write, then quick ones: how many the workers get."""
    medium.takes = SLOW * 1.1
    assert own.write(medium, 0, DATA)
    medium.takes = 0
    for count in range(LONGEST_REST + 1):
        if own.write(medium, 0, DATA):
            return count
    raise AssertionError("it never came back")


def test_one_slow_write_sends_the_next_ones_to_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    medium, own = Clocked(monkeypatch), Pace()
    assert own.write(medium, 0, DATA)
    assert rest_after_slow(own, medium) == FIRST_REST


def test_the_rest_doubles_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    medium, own = Clocked(monkeypatch), Pace()
    rests = [rest_after_slow(own, medium) for _ in range(12)]
    assert rests == [min(FIRST_REST * 2**n, LONGEST_REST) for n in range(12)]


def test_quick_writes_make_the_rest_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    medium, own = Clocked(monkeypatch), Pace()
    for _ in range(4):
        rest_after_slow(own, medium)
    for _ in range(FIRST_REST * 16 + 1):
        assert own.write(medium, 0, DATA)
    assert rest_after_slow(own, medium) == FIRST_REST


def test_a_medium_that_cannot_say_is_left_to_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    medium = Clocked(monkeypatch)
    medium.able = False
    assert not Pace().write(medium, 0, DATA)


@pytest.mark.parametrize(("slow", "waiting"), [(False, 0), (True, 1)])
def test_the_disk_asks(monkeypatch: pytest.MonkeyPatch, slow: bool, waiting: int) -> None:
    medium, bench = Clocked(monkeypatch), Bench()
    bench.disk(medium)
    bench.ready()
    medium.takes = SLOW * 2 if slow else 0.0
    assert bench.start(cdb10(0x2A, 0, 8), DATA).status == GOOD
    bench.start(cdb10(0x2A, 0, 8), DATA)
    assert len(bench.lane.jobs) == waiting
    bench.lane.drain()
