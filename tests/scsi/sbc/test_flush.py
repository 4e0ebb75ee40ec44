"""tgtd.scsi.sbc.flush: one flush at a time that nobody waits for."""

from __future__ import annotations

import errno

import pytest

from tests.scsi.sbc.test_disk import make


def test_a_flush_nobody_waits_for_that_fails_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    bench, disk, medium = make()
    medium.fails = True
    disk.flush_behind()
    bench.lane.drain()
    assert disk.unflushed is not None
    assert disk.unflushed.errno == errno.EIO
    assert "flush failed" in caplog.text


def test_flushes_nobody_waits_for_do_not_pile_up() -> None:
    bench, disk, _ = make()
    for _ in range(100):
        disk.flush_behind()
    assert len(bench.lane.jobs) == 1
    bench.lane.step()
    assert len(bench.lane.jobs) == 1  # what was acknowledged after the first had begun
    bench.lane.drain()
    disk.flush_behind()
    assert len(bench.lane.jobs) == 1


def test_a_new_medium_is_flushed_although_the_old_one_hangs() -> None:
    bench, disk, medium = make()
    disk.flush_behind()
    disk.offline()
    disk.insert(medium)
    disk.flush_behind()
    assert len(bench.lane.jobs) == 2
    bench.lane.drain()


def test_without_a_medium_there_is_nothing_to_flush() -> None:
    bench, disk, _ = make()
    disk.offline()
    disk.flush_behind()
    assert bench.lane.jobs == []
