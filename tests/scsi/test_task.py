"""tgtd.scsi.task: buffers live as long as their task; where CONTROL is."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench, cdb10
from tgtd.scsi.sense import BUSY, TASK_SET_FULL, Refused
from tgtd.scsi.task import naca


@pytest.mark.parametrize(
    ("opcode", "at"), [(0x00, 5), (0x28, 9), (0x5A, 9), (0x7F, 1), (0x88, 15), (0xA8, 11), (0xC0, None), (0xE0, None)]
)
def test_naca_is_where_the_group_has_control(opcode: int, at: int | None) -> None:
    for byte in range(1, 16):
        cdb = bytearray(16)
        cdb[0], cdb[byte] = opcode, 0x04
        assert naca(bytes(cdb)) is (byte == at)


def test_a_second_buffer_replaces_the_first() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    task = bench.task(cdb10(0x28, 0, 8))
    task.data_out = task.allocate(bench.pool, 100)
    task.itl.execute(task)
    assert bench.pool.used == 4096
    task.release()
    assert bench.pool.used == 0


def test_release_waits_for_the_worker() -> None:
    bench = Bench()
    bench.disk()
    task = bench.task(bytes(6))
    assert len(task.allocate(bench.pool, 100)) == 100
    task.busy = True
    task.release()
    assert bench.pool.used == 4096
    task.busy = False
    task.release()
    task.release()
    assert bench.pool.used == 0


def test_one_initiator_cannot_take_the_whole_pool() -> None:
    bench = Bench()
    bench.disk()
    half = bench.pool.limit // 2
    greedy = [bench.task(bytes(6)) for _ in range(8)]
    for task in greedy[:4]:
        task.allocate(bench.pool, half // 4)
    with pytest.raises(Refused) as refused:
        greedy[4].allocate(bench.pool, 4096)
    assert refused.value.status == TASK_SET_FULL
    other = bench.task(bytes(6), nexus=bench.connect("other"))
    other.allocate(bench.pool, 4096)
    for task in (*greedy, other):
        task.release()
    assert bench.pool.used == bench.nexus.buffered == 0


def test_many_greedy_nexuses_leave_the_next_one_as_much() -> None:
    """An initiator may open as many sessions as it likes."""
    bench = Bench()
    bench.disk()
    bench.pool.limit = 1 << 26
    for number in range(8):
        nexus = bench.connect(f"greedy{number}")
        while bench.pool.share > nexus.buffered:
            bench.task(bytes(6), nexus=nexus).allocate(bench.pool, 4096)
        with pytest.raises(Refused):
            bench.task(bytes(6), nexus=nexus).allocate(bench.pool, 4096)
        assert nexus.buffered == bench.pool.share
    assert bench.pool.share == bench.pool.limit >> 8
    with pytest.raises(Refused) as refused:
        bench.task(bytes(6), nexus=bench.connect("last")).allocate(bench.pool, bench.pool.share)
    assert refused.value.status == BUSY


def test_who_holds_nothing_is_not_told_that_its_queue_is_full() -> None:
    bench = Bench()
    bench.disk()
    bench.pool.limit = 1 << 20
    with pytest.raises(Refused) as refused:
        bench.task(bytes(6)).allocate(bench.pool, 1 << 21)
    assert refused.value.status == BUSY
