"""Data-in in its place, in one piece or in many."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench
from tgtd.hw.tcmu.request import IN_USE, RingTask
from tgtd.scsi.task import WORKING, Task


def made(bench: Bench, *sizes: int, settle: list[RingTask] | None = None) -> RingTask:
    places = tuple(memoryview(bytearray(b"\xa5" * size)) for size in sizes)
    ends: list[Task] = []
    return RingTask(bench.itl(), 1, bytes(16), places, ends.append, (settle if settle is not None else []).append)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.disk()
    return bench


def test_one_piece_is_its_own_buffer(bench: Bench) -> None:
    task = made(bench, 4096)
    assert task.allocate(bench.pool, 4096).obj is task.places[0].obj
    assert len(task.allocate(bench.pool, 512)) == 512
    assert task.buffer is None
    assert bench.pool.used == 0


@pytest.mark.parametrize("sizes", [(), (4096, 4096), (512,)])
def test_else_the_pool_has_one(bench: Bench, sizes: tuple[int, ...]) -> None:
    task = made(bench, *sizes)
    assert len(task.allocate(bench.pool, 8192)) == 8192
    assert bench.pool.used == 8192
    task.release()
    assert bench.pool.used == 0


@pytest.mark.parametrize("sizes", [(100,), (30, 30, 40), (1, 99)])
@pytest.mark.parametrize("length", [0, 1, 31, 60, 100, 200])
@pytest.mark.parametrize("wipe", [False, True])
def test_filled_and_wiped(bench: Bench, sizes: tuple[int, ...], length: int, wipe: bool) -> None:
    task = made(bench, *sizes)
    task.data_in = bytes(range(1, length + 1))
    assert task.fill(wipe) == min(length, 100)
    expected = task.data_in[:100].ljust(100, b"\0" if wipe else b"\xa5")
    assert b"".join(task.places) == expected


def test_long_places_are_wiped_whole(bench: Bench) -> None:
    task = made(bench, 200_000, 70_000)
    assert task.fill(True) == 0
    assert not any(map(any, task.places))


def test_what_lies_there_already(bench: Bench) -> None:
    task = made(bench, 100)
    task.data_in = task.allocate(bench.pool, 100)
    task.data_in[:] = b"x" * 100
    assert task.fill(True) == 100
    task.data_in = task.data_in[:40]
    assert task.fill(True) == 40
    assert bytes(task.places[0]) == b"x" * 40 + bytes(60)


def test_settled_once_nobody_is_busy(bench: Bench) -> None:
    settled: list[RingTask] = []
    task = made(bench, 100, settle=settled)
    task.release()
    task.owed = IN_USE
    task.busy = WORKING
    task.release()
    assert settled == []
    task.busy = False
    task.release()
    assert settled == [task]
