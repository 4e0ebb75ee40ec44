"""tgtd.scsi.sbc.operation: a disk that is busy with itself."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.scsi.sbc.test_write import Noting
from tests.scsi.workbench import TUR, Bench, cdb10, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc import operation
from tgtd.scsi.sbc.operation import Operation, clear, erase, repeat
from tgtd.scsi.sense import MANUAL_INTERVENTION_REQUIRED, SANITIZE_IN_PROGRESS

MIB = 1 << 20


def begun(bench: Bench, disk: Any, *passes: Any) -> list[BaseException | None]:
    """Begin an operation; what it ends with."""
    ended: list[BaseException | None] = []

    def over(error: BaseException | None) -> None:
        disk.settle(None)
        ended.append(error)

    disk.operate(Operation(disk, SANITIZE_IN_PROGRESS, passes, over))
    return ended


def progress(bench: Bench) -> int:
    """Of TEST UNIT READY's sense data."""
    task = bench.run_now(TUR)
    assert sense_of(task) == SANITIZE_IN_PROGRESS[:3]
    assert task.sense[15] == 0x80
    return int.from_bytes(task.sense[16:18], "big")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(operation, "STEP", 256 << 10)
    bench: Any = Bench()
    bench.run_now = bench.start  # what is answered at once; the lane stands still
    return bench


def test_it_goes_on_in_steps_and_tells_how_far_it_is(bench: Any) -> None:
    medium = RamMedium(MIB)
    disk = bench.disk(medium)
    bench.ready()
    ended = begun(bench, disk, repeat(b"\xaa", 512), repeat(b"\x55", 512))
    told = []
    while not ended:
        told.append(progress(bench))
        bench.lane.step()
    assert ended == [None]
    assert told == sorted(told)
    assert told[0] == 0
    assert told[-1] == 65535
    assert len(told) == 10  # four steps and a flush for each pass
    assert bench.good(cdb10(0x28, 0, 8)) == b"\x55" * 4096
    bench.good(TUR)


def test_it_waits_for_what_is_under_way(bench: Any) -> None:
    medium = Noting()
    disk = bench.disk(medium)
    bench.ready()
    write = bench.start(cdb10(0x2A, 0, 1), b"w" * 512)
    ended = begun(bench, disk, clear(False))
    assert len(bench.lane.jobs) == 1
    bench.lane.drain()
    assert write.status == 0
    assert ended == [None]
    assert bench.good(cdb10(0x28, 0, 1)) == bytes(512)


def test_a_medium_that_fails(bench: Any) -> None:
    class Broken(RamMedium):
        def write(self, offset: int, data: Any, durable: bool) -> None:
            raise OSError(errno.EIO, "broken")

    disk = bench.disk(Broken(MIB))
    bench.ready()
    ended = begun(bench, disk, repeat(b"x", 512))
    bench.lane.drain()
    assert [type(error) for error in ended] == [OSError]
    assert not disk.turns.closed


def test_a_medium_that_goes(bench: Any) -> None:
    """The next one is not what somebody wanted to be wiped."""
    disk = bench.disk(RamMedium(MIB))
    bench.ready()
    ended = begun(bench, disk, repeat(b"x", 512))
    bench.lane.step()
    disk.offline()
    bench.lane.drain()
    assert isinstance(ended[0], OSError)
    assert ended[0].errno == errno.ENODEV
    fresh = RamMedium(MIB)
    disk.insert(fresh)
    bench.ready()
    assert bench.good(cdb10(0x28, 0, 8)) == bytes(4096)
    disk.offline()
    assert bench.refused(TUR) == MANUAL_INTERVENTION_REQUIRED[:3]


def test_patterns_are_cut_at_the_end_of_a_block() -> None:
    medium = RamMedium(4096)
    repeat(b"abc", 512)(medium, 0, 1024)
    block = bytearray(1024)
    medium.read(0, memoryview(block))
    assert block == (b"abc" * 171)[:512] * 2


def test_erase_overwrites_before_it_lets_go() -> None:
    class Watched(RamMedium):
        log: list[str]

        def write(self, offset: int, data: Any, durable: bool) -> None:
            self.log.append(f"write {offset} {len(data)} {durable}")

        def discard(self, offset: int, length: int) -> None:
            self.log.append(f"discard {offset} {length}")

        def extents(self, offset: int, length: int) -> Any:
            return iter([(0, 4096, True), (4096, 4096, False)])

    medium = Watched(8192)
    medium.log = []
    erase(medium, 0, 8192)
    assert medium.log == ["write 0 4096 True", "discard 0 8192"]
