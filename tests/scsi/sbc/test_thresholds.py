"""tgtd.scsi.sbc.thresholds: what initiators see of the pool, and when they are told."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.scsi.test_log import parsed
from tests.scsi.test_log import sense as log_sense
from tests.scsi.test_mode import sense6
from tests.scsi.workbench import TUR, Bench, Pooled, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.room import Room
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.sbc.thresholds import Thresholds
from tgtd.scsi.sense import INQUIRY_DATA_CHANGED, MODE_PARAMETERS_CHANGED
from tgtd.scsi.target import TaskManagement, encode_lun

MIB = 1 << 20
REACHED = (6, 0x38, 0x07)
PROVISIONING = bytes((0x12, 1, 0xB2, 0, 255, 0))


def make(warning: int = 90, **settings: Any) -> tuple[Bench, Disk]:
    bench = Bench()
    disk = bench.disk(Pooled(1 << 20), pool_warning=warning, **settings)
    bench.ready()
    return bench, disk


def room(free: float) -> Room:
    """So many MiB of 100 are free."""
    return Room(100 * MIB, int(free * MIB), 3 * MIB)


def told(bench: Bench) -> bool:
    """Whether the next command is told of the threshold; and with which descriptor."""
    task = bench.run(TUR)
    if not task.status:
        return False
    assert sense_of(task) == REACHED
    assert task.sense[0] == 0xF0, "VALID"
    assert task.sense[3:7] == bytes((0, 0, 0, 16)), "where the descriptor lies in the mode page"
    return True


def select(bench: Bench, value: int, save: int = 0) -> None:
    page = bytes((0x01, 10, 0, 0, 0, 0, 0, value << 7, 0, 0, 0, 0))
    bench.good(bytes((0x15, 0x10 | save, 0, 0, 16, 0)), bytes(4) + page)


@pytest.mark.parametrize(("block_size", "exponent"), [(512, 11), (4096, 8)])
def test_pages(block_size: int, exponent: int) -> None:
    """A set is 1 MiB, whatever the blocks are."""
    bench, _ = make(block_size=block_size)
    assert bench.good(PROVISIONING)[4] == exponent
    page = bench.good(sense6(0x1C, 0x02))[4:]
    assert page[:4] == bytes((0x5C, 0x02, 0, 20)), "nothing of it can be saved"
    assert page[4:16] == bytes(12)
    assert page[16:] == struct.pack(">BBxxI", 0x80, 0x01, 10), "10 MiB of 100 when 90 % are used"
    assert bench.good(sense6(0x01))[4:][7] == 0x80, "LBPERE"
    assert parsed(bench.good(log_sense(0x0C))) == {
        1: struct.pack(">IBxxx", 40, 0b10),
        2: struct.pack(">IBxxx", 3, 0b01),
    }
    assert 0x0C in bench.good(log_sense(0))[4:]


@pytest.mark.parametrize(
    ("medium", "settings"),
    [
        (Pooled, {"pool_warning": 0}),
        (Pooled, {"pool_warning": 90, "thin": False}),
        (RamMedium, {"pool_warning": 90}),
    ],
    ids=["no warning", "full", "unknown"],
)
def test_nothing_is_shown_of_what_is_not_so(medium: type[RamMedium], settings: dict[str, Any]) -> None:
    bench = Bench()
    disk = bench.disk(medium(1 << 20), **settings)
    bench.ready()
    assert bench.good(PROVISIONING)[4] == 0
    assert sense_of(bench.run(sense6(0x1C, 0x02))) == (5, 0x24, 0)
    assert sense_of(bench.run(log_sense(0x0C))) == (5, 0x24, 0)
    assert 0x0C not in bench.good(log_sense(0))[4:]
    page = bytes((0x5C, 0x02, 0, 20)) + bytes(20)
    assert sense_of(bench.run(bytes((0x15, 0x10, 0, 0, 28, 0)), bytes(4) + page)) == (5, 0x26, 0)
    disk.thresholds.observe(room(1))
    assert not told(bench)


def test_once_for_each_crossing() -> None:
    bench, disk = make()
    other = bench.connect("other")
    bench.ready(0, nexus=other)
    assert disk.thresholds.observe(room(10.1)) is None
    assert not told(bench)
    assert disk.thresholds.observe(room(10)) is True
    assert told(bench)
    assert bench.run(TUR, nexus=other).status == 2, "every initiator is told"
    assert disk.thresholds.observe(room(1)) is None
    assert not told(bench)
    assert disk.thresholds.observe(room(10.9)) is None, "a little more is no news"
    assert disk.thresholds.observe(room(9)) is None
    assert not told(bench)
    assert disk.thresholds.observe(room(11.1)) is False
    assert not told(bench)
    assert disk.thresholds.observe(room(0)) is True
    assert told(bench)


def test_request_sense_tells_it_too() -> None:
    bench, disk = make()
    disk.thresholds.observe(room(0))
    data = bench.good(bytes((0x03, 1, 0, 0, 252, 0)))
    assert data[0] == 0x72, "descriptor format"
    assert data[1:4] == bytes(REACHED)
    assert data[8:20] == struct.pack(">BBBxQ", 0, 0x0A, 0x80, 16)
    assert not told(bench)


def test_who_does_not_want_to_be_told() -> None:
    """LBPERE; switched on again, or back by a reset, what is the case is told."""
    bench, disk = make()
    select(bench, 0)
    assert bench.good(sense6(0x01))[4:][7] == 0
    assert disk.thresholds.observe(room(5)) is True, "the administrator is"
    assert not told(bench)
    select(bench, 1)
    disk.thresholds.observe(room(5))
    assert told(bench)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert disk.thresholds.observe(room(5)) is None, "no news to the administrator"
    assert told(bench), "since the last reset nobody was"


def test_who_comes_later_is_told_too() -> None:
    """As long as it is so, and once; after the power-on condition."""
    bench, disk = make()

    def comes(name: str) -> list[tuple[int, int, int]]:
        nexus = bench.connect(name)
        return [sense_of(bench.run(TUR, nexus=nexus)) for _ in range(3)]

    power_on, nothing = (6, 0x29, 0), (-1, -1, -1)
    assert comes("b") == [power_on, nothing, nothing]
    disk.thresholds.observe(room(5))
    assert comes("c") == [power_on, REACHED, nothing]
    bench.ready()
    select(bench, 0)
    assert comes("d") == [power_on, nothing, nothing]
    select(bench, 1)
    disk.thresholds.observe(room(20))
    assert comes("e") == [power_on, nothing, nothing]


def test_edits() -> None:
    bench, disk = make(0)

    def edit(warning: int) -> list[str]:
        disk.change(DiskSettings(pool_warning=warning), disk.identity)
        found = [sense.text for sense in bench.itl().attentions]
        bench.ready()
        return found

    assert edit(50) == [INQUIRY_DATA_CHANGED.text, MODE_PARAMETERS_CHANGED.text]
    assert bench.good(sense6(0x1C, 0x02))[4:][20:] == struct.pack(">I", 50)
    assert disk.thresholds.observe(room(40)) is True
    assert told(bench)
    assert edit(80) == [MODE_PARAMETERS_CHANGED.text]
    assert disk.thresholds.observe(room(40)) is None
    assert not disk.thresholds.reached
    edit(50)
    assert disk.thresholds.observe(room(40)) is True
    assert told(bench)
    assert edit(0) == [INQUIRY_DATA_CHANGED.text, MODE_PARAMETERS_CHANGED.text]
    assert disk.thresholds.observe(room(40)) is None
    assert bench.good(sense6(0x01))[4:][7] == 0


def test_what_32_bits_cannot_count() -> None:
    class Vast:
        shift, blocks, thin = 9, 1 << 50, True
        medium = None

    thresholds = Thresholds(Vast())  # type: ignore[arg-type]
    assert (1 << 50) >> thresholds.exponent < 1 << 32
    assert thresholds.sets(1 << 80) == 0xFFFFFFFF
