"""tgtd.scsi.sbc.selftest: the medium is read, what cannot be read is found, and the results are kept."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from tests.scsi.sbc.test_diagnostic import ABORT, BG_EXTENDED, BG_SHORT, FG_EXTENDED, FG_SHORT, SELFTEST, diagnose
from tests.scsi.spc.test_keeping import SlowMemory
from tests.scsi.test_log import parsed, select, sense
from tests.scsi.workbench import TUR, Bench, cdb10, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.selftest import SPOT, SPOTS, STEP
from tgtd.scsi.sense import (
    FAILED_SELF_TEST,
    GOOD,
    INITIALIZING_COMMAND_REQUIRED,
    SELF_TEST_IN_PROGRESS,
    UNABLE_TO_UPDATE_SELF_TEST_LOG,
    UNRECOVERED_READ_ERROR,
)
from tgtd.scsi.target import TaskManagement, encode_lun

SIZE = 16 << 20
NOWHERE = (1 << 64) - 1
REQUEST_SENSE = bytes((3, 0, 0, 0, 252, 0))


class Scratched(RamMedium):
    """Some bytes cannot be read. seen: what was read."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(size)
        self.scratches: set[int] = set()
        self.seen: list[tuple[int, int]] = []

    def read(self, offset: int, into: memoryview) -> None:
        self.seen.append((offset, len(into)))
        if any(offset <= scratch < offset + len(into) for scratch in self.scratches):
            raise OSError(errno.EIO, "scratched")
        super().read(offset, into)


def make(size: int = SIZE) -> tuple[Bench, Scratched, Disk]:
    bench = Bench()
    medium = Scratched(size)
    disk = bench.disk(medium)
    bench.ready()
    return bench, medium, disk


def results(bench: Bench) -> list[tuple[Any, ...]]:
    """(code, result, number, hours, address, key, asc, ascq) of the used parameters of the log page."""
    found = parsed(bench.good(sense(0x10)))
    assert list(found) == list(range(1, 21))
    rows = [struct.unpack(">BBHQBBBx", value) for value in found.values() if any(value)]
    return [(first >> 5, first & 15, *rest) for first, *rest in rows]


def coverage(seen: list[tuple[int, int]]) -> int:
    return sum(length for _, length in seen)


def test_an_extended_one_reads_everything() -> None:
    bench, medium, disk = make(SIZE + 4096)
    bench.good(diagnose(FG_EXTENDED))
    assert medium.seen == [(at, min(STEP, SIZE + 4096 - at)) for at in range(0, SIZE + 4096, STEP)]
    assert results(bench) == [(6, 0, 0, 0, NOWHERE, 0, 0, 0)]
    assert disk.failed_self_test() is None


def test_a_short_one_reads_here_and_there() -> None:
    bench, medium, _ = make()
    bench.good(diagnose(FG_SHORT))
    assert coverage(medium.seen) == SPOTS * SPOT
    assert medium.seen[0][0] == 0
    assert medium.seen[-1] == (SIZE - SPOT, SPOT)
    assert all(offset % 512 == 0 for offset, _ in medium.seen)


def test_a_short_one_of_a_small_disk_reads_everything() -> None:
    bench, medium, _ = make(5 << 20)
    bench.good(diagnose(FG_SHORT))
    assert coverage(medium.seen) == 5 << 20


@pytest.mark.parametrize("code", [FG_EXTENDED, BG_EXTENDED])
@pytest.mark.parametrize("lba", [0, 1, 2047, 2048, 30_001, (SIZE >> 9) - 1])
def test_the_first_block_that_cannot_be_read(code: int, lba: int) -> None:
    bench, medium, disk = make()
    medium.scratches.update({lba * 512 + 77, SIZE - 1})
    task = bench.run(diagnose(code))
    bench.lane.drain()
    if code == FG_EXTENDED:
        assert sense_of(task) == FAILED_SELF_TEST[:3]
    else:
        assert task.status == GOOD
    assert results(bench) == [(code, 5, 1, 0, lba, *UNRECOVERED_READ_ERROR[:3])]
    latest = disk.self_tests.latest()
    assert latest is not None
    assert latest.lba == lba
    assert disk.failed_self_test() == f"an extended self-test could not read block {lba}"
    bench.good(TUR)


def test_a_block_that_was_marked_bad() -> None:
    bench, _, _ = make()
    bench.good(bytes((0x3F, 0x40, 0, 0, 0x10, 0, 0, 0, 0, 0)))
    assert bench.refused(diagnose(FG_EXTENDED)) == FAILED_SELF_TEST[:3]
    assert results(bench) == [(6, 5, 1, 0, 0x1000, 3, 0x11, 0x14)]


def test_what_fails_once_is_no_failure() -> None:
    bench, medium, _ = make()
    medium.scratches.add(0)
    bench.start(diagnose(FG_EXTENDED))
    work, done = bench.lane.jobs.pop(0)
    real = Scratched.read

    def once(offset: int, into: memoryview) -> None:
        medium.scratches.clear()
        medium.read = real.__get__(medium)  # type: ignore[method-assign]
        raise OSError(errno.EIO, "once")

    medium.read = once  # type: ignore[method-assign]
    work()
    done(None)
    bench.lane.drain()
    assert results(bench)[0][:2] == (6, 0)


def test_the_default_one_is_not_in_the_log() -> None:
    bench, medium, _ = make()
    bench.good(diagnose(0, SELFTEST))
    assert medium.seen
    assert results(bench) == []
    medium.scratches.add(0)
    assert bench.refused(diagnose(0, SELFTEST)) == FAILED_SELF_TEST[:3]
    assert results(bench) == []


def test_in_the_background_commands_go_on() -> None:
    bench, _, _ = make()
    assert bench.start(diagnose(BG_EXTENDED)).status == GOOD
    bench.lane.step()
    assert bench.start(cdb10(0x28, 0, 1)).status == GOOD
    assert len(bench.lane.jobs) == 1, "one step at a time"
    bench.lane.drain()
    assert results(bench) == [(2, 0, 0, 0, NOWHERE, 0, 0, 0)]


def polled(bench: Bench) -> tuple[tuple[int, int, int], int]:
    """Sense and progress of REQUEST SENSE, which does not wait for the lane."""
    task = bench.start(REQUEST_SENSE)
    assert task.status == GOOD
    data = bytes(task.data_in or b"")
    return (data[2] & 15, data[12], data[13]), int.from_bytes(data[16:18], "big") if data[15] & 0x80 else -1


def logged(bench: Bench) -> bytes:
    """The first result in the log, without waiting for the lane."""
    task = bench.start(sense(0x10))
    assert task.status == GOOD
    return bytes(task.data_in or b"")[8:24]


def test_progress() -> None:
    bench, _, _ = make()
    bench.start(diagnose(BG_EXTENDED))
    assert polled(bench) == (SELF_TEST_IN_PROGRESS[:3], 0)
    for _ in range(4):
        bench.lane.step()
    assert polled(bench) == (SELF_TEST_IN_PROGRESS[:3], 16384)
    assert logged(bench) == struct.pack(">BBHQ4x", 0x4F, 0, 0, NOWHERE)
    bench.lane.drain()
    assert polled(bench) == ((0, 0, 0), -1)
    assert logged(bench)[0] == 0x40


def test_in_the_foreground_nothing_else_runs() -> None:
    bench, _, _ = make()
    bench.start(diagnose(FG_EXTENDED))
    bench.lane.step()
    for cdb in (TUR, cdb10(0x28, 0, 1), diagnose(ABORT), diagnose(BG_SHORT), sense(0x10)):
        assert sense_of(bench.start(cdb)) == SELF_TEST_IN_PROGRESS[:3]
    assert polled(bench) == (SELF_TEST_IN_PROGRESS[:3], 4096)
    assert bench.start(bytes((0x12, 0, 0, 0, 96, 0))).status == GOOD
    bench.lane.drain()
    bench.good(TUR)


@pytest.mark.parametrize("code", [BG_SHORT, BG_EXTENDED, FG_SHORT, FG_EXTENDED, 0])
def test_one_at_a_time(code: int) -> None:
    bench, _, _ = make()
    bench.start(diagnose(BG_EXTENDED))
    assert sense_of(bench.start(diagnose(code, 0 if code else SELFTEST))) == SELF_TEST_IN_PROGRESS[:3]
    bench.start(diagnose(0))
    assert bench.done[-1].status == GOOD
    bench.lane.drain()
    assert [row[:2] for row in results(bench)] == [(2, 0)]


def test_aborting_one_in_the_background() -> None:
    bench, _, _ = make()
    bench.start(diagnose(BG_EXTENDED))
    bench.lane.step()
    assert bench.start(diagnose(ABORT)).status == GOOD
    bench.lane.drain()
    assert results(bench) == [(2, 1, 0, 0, NOWHERE, 0, 0, 0)]


@pytest.mark.parametrize(
    "function", [TaskManagement.ABORT_TASK, TaskManagement.CLEAR_TASK_SET, TaskManagement.LOGICAL_UNIT_RESET]
)
def test_aborting_one_in_the_foreground(function: TaskManagement) -> None:
    """The disk is free at once, though a worker still reads."""
    bench, _, _ = make()
    task = bench.start(diagnose(FG_EXTENDED))
    bench.lane.step()
    bench.target.manage(function, bench.nexus, encode_lun(0), task.tag)
    assert bench.done == [task]
    bench.ready()
    assert bench.start(TUR).status == GOOD
    bench.lane.drain()
    assert results(bench) == [(6, 2, 0, 0, NOWHERE, 0, 0, 0)]
    assert bench.pool.used == 0


def test_a_lost_nexus_ends_its_own_only() -> None:
    bench, _, _ = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.start(diagnose(BG_EXTENDED))
    bench.target.disconnect(bench.nexus)
    bench.lane.drain()
    bench.nexus = other
    assert results(bench)[0][:2] == (2, 0)
    third = bench.connect("c")
    bench.ready(nexus=third)
    bench.start(diagnose(FG_EXTENDED), nexus=third)
    bench.target.disconnect(third)
    bench.lane.drain()
    assert results(bench)[0][:2] == (6, 2)


@pytest.mark.parametrize("cdb", [bytes((0x1B, 1, 0, 0, 0, 0)), bytes((4, 0, 0, 0, 0, 0))], ids=["stop", "format"])
def test_exception_commands_abort_it(cdb: bytes) -> None:
    """SPC-5 table 105."""
    bench, _, _ = make()
    bench.start(diagnose(BG_EXTENDED))
    bench.start(cdb)
    bench.lane.drain()
    assert results(bench)[0][:2] == (2, 2)


def test_a_reset_aborts_it() -> None:
    bench, _, _ = make()
    bench.start(diagnose(BG_EXTENDED))
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    bench.lane.drain()
    assert results(bench)[0][:2] == (2, 2)


@pytest.mark.parametrize("code", [BG_EXTENDED, FG_EXTENDED])
def test_the_medium_goes_away(code: int) -> None:
    bench, _, disk = make()
    bench.start(diagnose(code))
    disk.offline()
    bench.lane.drain()
    assert results(bench)[0][:2] == (code, 3)
    assert disk.failed_self_test() is None, "nobody knows"
    if code == FG_EXTENDED:
        assert sense_of(bench.done[0]) == FAILED_SELF_TEST[:3]


def test_a_disk_that_is_not_ready_cannot_be_tested() -> None:
    bench, _, _ = make()
    bench.good(bytes((0x1B, 0, 0, 0, 0, 0)))
    for code in (BG_SHORT, FG_SHORT):
        assert bench.refused(diagnose(code)) == INITIALIZING_COMMAND_REQUIRED[:3]


def test_the_log_is_kept_before_the_answer() -> None:
    bench, _, disk = make()
    memory = SlowMemory()
    disk.memory = memory
    task = bench.start(diagnose(FG_SHORT))
    bench.lane.drain()
    assert bench.done == []
    memory.step()
    assert task.status == GOOD
    bench.start(diagnose(FG_SHORT))
    bench.lane.drain()
    memory.step(OSError(5, "no"))
    assert sense_of(bench.done[-1]) == UNABLE_TO_UPDATE_SELF_TEST_LOG[:3]
    assert len(results(bench)) == 1


def test_twenty_results() -> None:
    bench, _, _ = make(1 << 20)
    for _ in range(21):
        bench.good(diagnose(FG_SHORT))
    bench.good(diagnose(FG_EXTENDED))
    codes = [row[0] for row in results(bench)]
    assert codes == [6] + [5] * 19
    bench.good(select(0, page=0x10, flags=2))
    assert results(bench) == []


@pytest.mark.parametrize(("blocks", "seconds"), [(2048, 1), (1 << 21, 5), (1 << 40, 0xFFFF)])
def test_how_long_it_takes(blocks: int, seconds: int) -> None:
    """The control mode page says so."""
    bench, _, disk = make()
    disk.blocks = blocks
    assert bench.good(bytes((0x1A, 8, 0x0A, 0, 255, 0)))[14:16] == seconds.to_bytes(2, "big")
