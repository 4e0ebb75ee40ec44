"""tgtd.scsi.sbc.disk: what happens to a disk while initiators look on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.scsi.sbc.test_write import DATA, Noting
from tests.scsi.workbench import IDENTITY, TUR, Bench, cdb10
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.sense import (
    BECOMING_READY,
    CAPACITY_DATA_CHANGED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_NOT_PRESENT,
    WRITE_PROTECTED,
    Sense,
)


def make(**settings: Any) -> tuple[Bench, Disk, Noting]:
    bench = Bench()
    medium = Noting()
    disk = bench.disk(medium, **settings)
    bench.ready()
    return bench, disk, medium


@pytest.mark.parametrize(("removable", "sense"), [(False, MANUAL_INTERVENTION_REQUIRED), (True, MEDIUM_NOT_PRESENT)])
def test_a_pending_disk_comes_online(removable: bool, sense: Sense) -> None:
    bench = Bench()
    disk = Disk(IDENTITY, bench.pool, bench.lane, None, DiskSettings(removable=removable))
    bench.target.add_lun(0, disk)
    bench.ready()
    bench.good(bytes.fromhex("120000006000"))
    if not removable:
        assert bench.refused(TUR) == sense[:3]
    assert bench.refused(cdb10(0x28, 0, 1))[0] == 2
    disk.insert(RamMedium(1 << 20))
    assert bench.refused(TUR) == MEDIUM_MAY_HAVE_CHANGED[:3]
    bench.good(TUR)
    bench.good(cdb10(0x28, 0, 1))


def test_offline_hands_the_medium_back_and_finishes_what_runs() -> None:
    bench, disk, medium = make()
    write = bench.start(cdb10(0x2A, 0, 8), DATA)
    assert disk.offline(BECOMING_READY) is medium
    assert bench.refused(TUR) == BECOMING_READY[:3]
    bench.lane.drain()
    assert write.status == 0
    assert disk.offline() is None


def test_the_administrator_does_not_ask_who_prevents_removal() -> None:
    bench, disk, medium = make(removable=True)
    bench.good(bytes((0x1E, 0, 0, 0, 1, 0)))
    assert disk.offline() is medium
    assert bench.refused(TUR) == MEDIUM_NOT_PRESENT[:3]


def test_growing() -> None:
    bench, disk, medium = make()
    medium.grow(2 << 20)
    disk.grown(2 << 20)
    disk.grown(2 << 20)
    assert bench.refused(TUR) == CAPACITY_DATA_CHANGED[:3]
    bench.good(TUR)
    bench.good(cdb10(0x28, 4095, 1))


def test_write_cache_taken_away_flushes_what_was_acknowledged() -> None:
    bench, disk, medium = make()
    disk.change(replace(disk.settings, write_cache=False), disk.identity)
    bench.lane.drain()
    bench.ready()
    bench.good(cdb10(0x2A, 0, 8), DATA)
    assert medium.log == ["flush", "durable"]


def test_read_only_takes_effect_with_the_next_command() -> None:
    bench, disk, _ = make()
    disk.change(replace(disk.settings, read_only=True), disk.identity)
    bench.ready()
    assert bench.refused(cdb10(0x2A, 0, 8), DATA) == WRITE_PROTECTED[:3]


def test_a_medium_that_cannot_be_written() -> None:
    bench = Bench()
    bench.disk(RamMedium(1 << 20, writable=False))
    bench.ready()
    assert bench.refused(cdb10(0x2A, 0, 8), DATA) == WRITE_PROTECTED[:3]


def test_large_blocks_of_cold_data_do_not_run_inline() -> None:
    bench = Bench()
    bench.disk(RamMedium(4 << 20))
    bench.ready()
    assert bench.start(cdb10(0x28, 0, 2048)) in bench.done
    assert bench.start(cdb10(0x28, 0, 2049)) not in bench.done
    bench.lane.drain()


def test_a_medium_that_grew_is_told_of_whatever_happens_before() -> None:
    """A worker has changed the medium's size, and a MODE SELECT comes before the loop hears of it."""
    _, disk, medium = make()
    itl = next(iter(disk.nexuses))
    before = disk.blocks
    medium.grow(2 * medium.size)
    disk.protect(True)
    assert disk.blocks == before
    disk.grown(medium.size)
    assert disk.blocks == 2 * before
    assert CAPACITY_DATA_CHANGED in itl.attentions
