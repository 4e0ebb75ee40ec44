"""tgtd.scsi.sbc.modes: what the mode pages of a disk change is performed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scsi.sbc.test_write import DATA, Noting
from tests.scsi.test_mode import select6, sense6, with_bits
from tests.scsi.workbench import TUR, Bench, cdb10
from tgtd.media.ram import RamMedium
from tgtd.scsi.sense import GOOD, SOFTWARE_WRITE_PROTECTED
from tgtd.scsi.target import TaskManagement, encode_lun


def make(**settings: Any) -> tuple[Bench, Noting]:
    bench = Bench()
    medium = Noting()
    bench.disk(medium, **settings)
    bench.ready()
    return bench, medium


def flip(bench: Bench, page: int, byte: int, mask: int) -> None:
    now = bench.good(sense6(page))[4:]
    bench.good(*select6(bytes(4) + with_bits(now, byte, mask)))


def test_write_cache_switched_off_flushes_and_then_writes_through() -> None:
    bench, medium = make()
    bench.good(cdb10(0x2A, 0, 8), DATA)
    flip(bench, 0x08, 2, 0x04)
    bench.good(cdb10(0x2A, 0, 8), DATA)
    assert medium.log == ["cached", "flush", "durable"]
    flip(bench, 0x08, 2, 0x04)
    bench.good(cdb10(0x2A, 0, 8), DATA)
    assert medium.log[3:] == ["cached"]


def test_the_command_ends_when_the_flush_has() -> None:
    bench, _ = make()
    page = bench.good(sense6(0x08))[4:]
    task = bench.start(*select6(bytes(4) + with_bits(page, 2, 0x04)))
    assert task not in bench.done
    bench.lane.drain()
    assert task.status == GOOD


@pytest.mark.parametrize(("cache", "current"), [(True, 4), (False, 0)])
def test_wce_is_what_was_chosen(cache: bool, current: int) -> None:
    bench, _ = make(write_cache=cache)
    assert [bench.good(sense6(0x08, control=control))[6] for control in (0, 1, 2)] == [current, 4, current]


def test_a_medium_with_no_cache_has_none_to_enable() -> None:
    bench = Bench()
    bench.disk(RamMedium(1 << 20), write_cache=True)
    bench.ready()
    assert [bench.good(sense6(0x08, control=control))[6] for control in (0, 1, 2)] == [0, 0, 0]


def test_software_write_protection() -> None:
    bench, medium = make()
    flip(bench, 0x0A, 4, 0x08)
    assert medium.log == ["flush"]
    assert bench.good(sense6(0x0A))[2] == 0x90
    assert bench.refused(cdb10(0x2A, 0, 8), DATA) == SOFTWARE_WRITE_PROTECTED[:3]
    bench.good(cdb10(0x28, 0, 8))
    flip(bench, 0x0A, 4, 0x08)
    bench.good(cdb10(0x2A, 0, 8), DATA)


def test_descriptor_sense() -> None:
    bench, _ = make()
    flip(bench, 0x0A, 2, 0x04)
    assert bench.run(bytes((0x02,))).sense[0] == 0x72
    flip(bench, 0x0A, 2, 0x04)
    assert bench.run(bytes((0x02,))).sense[0] == 0x70


def test_task_aborted_status() -> None:
    bench, _ = make()
    flip(bench, 0x0A, 5, 0x40)
    assert bench.itl().lu.report_aborts


def test_the_other_bits_of_the_control_page() -> None:
    bench, _ = make()
    disk = bench.itl().lu
    for byte, mask in ((2, 0x20), (3, 0x06), (4, 0x30)):
        flip(bench, 0x0A, byte, mask)
    assert (disk.tasks.separate, disk.error_aborts, disk.attention_interlock) == (True, 3, 3)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    assert (disk.tasks.separate, disk.error_aborts, disk.attention_interlock) == (False, 0, 0)


def test_control_says_what_is_so() -> None:
    page = make()[0].good(sense6(0x0A))[4:]
    assert page[2] >> 5 == 0, "one task set"
    assert page[3] >> 4 == 1, "unrestricted reordering"
    assert page[3] >> 1 & 3 == 0, "QERR"


def test_a_reset_restores_what_was_chosen() -> None:
    bench, medium = make()
    flip(bench, 0x08, 2, 0x04)
    flip(bench, 0x0A, 4, 0x08)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    bench.good(TUR)
    assert bench.good(sense6(0x08))[6] == 4
    bench.good(cdb10(0x2A, 0, 8), DATA)
    assert medium.log[-1] == "cached"


def test_a_reset_that_switches_the_cache_off_flushes() -> None:
    bench, medium = make(write_cache=False)
    flip(bench, 0x08, 2, 0x04)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.lane.drain()
    assert medium.log == ["flush"]
