"""tgtd.scsi.stall: a medium that does not answer."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import TUR, Bench, cdb10, sense_of
from tgtd.scsi.stall import POLICIES, Stall

READ = cdb10(0x28, 0, 8)


def bench() -> Bench:
    it = Bench()
    it.disk()
    it.ready()
    return it


@pytest.mark.parametrize(
    ("policy", "status", "sense"), [("busy", 8, (-1, -1, -1)), ("not-ready", 2, (2, 4, 1)), ("fail", 2, (4, 8, 1))]
)
def test_what_needs_the_medium_is_refused(policy: str, status: int, sense: tuple[int, int, int]) -> None:
    it = bench()
    trouble = POLICIES[policy]
    assert trouble is not None
    disk = it.itl().lu
    disk.stall(Stall(trouble))  # type: ignore[attr-defined]
    for cdb in (READ, TUR, cdb10(0x35, 0, 0)):
        task = it.run(cdb)
        assert (task.status, sense_of(task)) == (status, sense)
    assert it.good(bytes((0x12, 0, 0, 0, 36, 0)))
    disk.stall(None)  # type: ignore[attr-defined]
    assert it.good(READ) == bytes(4096)


def test_giving_up_leaves_the_buffer_to_the_worker() -> None:
    it = bench()
    task = it.start(cdb10(0x28, 0, 8, 0), lun=0)
    assert it.done == [task], "memory answers at once"
    verify = it.start(cdb10(0x2A, 0, 8), b"x" * 4096)
    verify.release()
    disk = it.itl().lu
    same = it.start(cdb10(0x41, 0, 1), b"z" * 512)
    assert same not in it.done
    trouble = POLICIES["fail"]
    assert trouble is not None
    disk.give_up([same, task], trouble)
    assert it.done.count(same) == 1
    assert (same.status, sense_of(same)) == (2, (4, 8, 1))
    assert it.done.count(task) == 1, "one that has ended meanwhile is left alone"
    same.release()
    assert same.buffer is not None, "a worker may still look at it"
    laid_down: list[None] = []
    disk.when_laid_down([same], lambda: laid_down.append(None))
    assert not laid_down
    it.lane.drain()
    assert laid_down
    assert same.buffer is None
    assert len(disk.tasks) == 0
