"""tgtd.scsi.copy.job: its steps are bounded, leave the loop between them, and end what a failing medium ends."""

from __future__ import annotations

import errno
from typing import Any

from tests.scsi.copy.copying import MIB, OTHER, Pair, cscd, move, narrow, out, receive
from tests.scsi.workbench import sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.copy.job import STEP
from tgtd.scsi.medium import Buffer
from tgtd.scsi.task import ORDERED


class Failing(RamMedium):
    """Writes fail from an offset on; lengths are noted."""

    def __init__(self, size: int, broken: int) -> None:
        super().__init__(size)
        self.broken = broken
        self.lengths: list[int] = []

    def write_now(self, offset: int, data: Buffer) -> bool:
        return False

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        self.lengths.append(len(data))
        if offset + len(data) > self.broken:
            raise OSError(errno.EIO, "broken")
        super().write(offset, data, durable)


def make(broken: int) -> tuple[Pair, Failing]:
    bench = Pair()
    bench.target.remove_lun(1)
    medium = Failing(8 * MIB, broken)
    bench.second = bench.another(1, medium)
    bench.ready(1)
    return bench, medium


def whole(**more: Any) -> tuple[bytes, bytes]:
    return out(0, narrow(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0), **more))


def test_steps_are_bounded_and_one_at_a_time() -> None:
    bench, medium = make(1 << 40)
    task = bench.start(*whole())
    while bench.lane.jobs:
        assert len(bench.lane.jobs) == 1
        bench.lane.step()
    assert task.status == 0
    assert medium.lengths == [STEP] * 4


def test_a_medium_that_fails() -> None:
    bench, _ = make(STEP)
    task = bench.run(*whole())
    assert sense_of(task) == (0xA, 0x0D, 0x01)
    assert bench.good(receive(0))[4:12] == b"\x02\x00\x00\x00" + STEP.to_bytes(4, "big")
    assert bench.content(bench.second, 0, STEP) == bench.pattern[:STEP]
    assert (bench.pool.used, bench.target.office.jobs) == (0, 0)


def test_a_medium_that_goes() -> None:
    bench, _ = make(1 << 40)
    task = bench.start(*whole())
    while not bench.second.tasks:
        bench.lane.step()
    bench.second.offline()
    bench.lane.drain()
    assert sense_of(task) == (0xA, 0x0D, 0x01)


def test_ordered_tasks_do_not_block_it() -> None:
    """Neither is it held up by itself, nor by what waits for it."""
    bench, _ = make(1 << 40)
    task = bench.start(*whole(), attribute=ORDERED)
    later = bench.start(bytes(6), attribute=ORDERED)
    bench.lane.drain()
    assert (task.status, later.status) == (0, 0)
    assert bench.done == [task, later]


def test_reads_of_others_go_between() -> None:
    bench, _ = make(1 << 40)
    bench.start(*whole())
    bench.lane.step()
    other = bench.task(bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0)))
    other.itl.execute(other)
    assert other.status == 0
    bench.lane.drain()
