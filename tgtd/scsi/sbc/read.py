"""READ and PRE-FETCH (SBC-4 5.13 to 5.18, 5.8)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.address import extent, extent_6, extent_10, extent_12, extent_16
from tgtd.scsi.sense import CONDITION_MET, GOOD, INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, CheckCondition
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

FUA = 0x08
_INLINE = 1 << 20  # bytes; copying more than this in the loop thread would keep the other initiators waiting
_STEP = 1 << 20


def read_6(disk: Disk, task: Task) -> int:
    lba, count = extent_6(task.cdb)
    return _read(disk, task, lba, count, 0, 4)


def read_10(disk: Disk, task: Task) -> int:
    lba, count = extent_10(task.cdb)
    return _read(disk, task, lba, count, task.cdb[1], 7)


def read_12(disk: Disk, task: Task) -> int:
    lba, count = extent_12(task.cdb)
    return _read(disk, task, lba, count, task.cdb[1], 6)


def read_16(disk: Disk, task: Task) -> int:
    lba, count = extent_16(task.cdb)
    return _read(disk, task, lba, count, task.cdb[1], 10)


def _read(disk: Disk, task: Task, lba: int, count: int, flags: int, field: int) -> int:
    """The hot path: what the cache has is answered at once. Held by bench/."""
    if lba + count > disk.blocks or count > disk.most_blocks or lba >= disk.blocks:
        disk.check(lba, count, field)
    counters = disk.counters
    counters.reads += 1
    if not count:
        return GOOD
    shift = disk.shift
    length = count << shift
    counters.read_bytes += length
    medium = disk.medium or disk.store()
    buffer = task.data_in = task.allocate(disk.pool, length)
    offset = lba << shift
    if flags & FUA and medium.volatile and disk.write_cache:
        return disk.defer(task, partial(_read_through, medium, offset, buffer))
    if length <= _INLINE and not disk.turns.closed and medium.read_now(offset, buffer):
        return GOOD
    return disk.defer(task, medium.reading(offset, buffer))


def _read_through(medium: BlockMedium, offset: int, buffer: memoryview) -> None:
    """FUA: what is read has reached the medium (SBC-4 4.15.2)."""
    medium.flush()
    medium.read(offset, buffer)


def pre_fetch(disk: Disk, task: Task) -> int:
    """PRE-FETCH (10) and (16): CONDITION MET when all that was asked for fits the cache; IMMED does not wait for it.

    No length means to the end of the medium, of which as much is fetched as one command may (SBC-4 5.8).
    """
    lba, count, field = extent(task.cdb)
    if lba >= disk.blocks or lba + count > disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    if count > disk.most_blocks:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    wanted = count or disk.blocks - lba
    length = min(wanted, disk.most_blocks) << disk.shift
    medium = disk.store()
    work = partial(_fetch, medium, lba << disk.shift, length)
    status = CONDITION_MET if wanted <= disk.most_blocks else GOOD
    if task.cdb[1] & 0x02:
        if not disk.fetching:  # a hint may be ignored; one that is kept for later would pile up without bound
            disk.fetching = True
            disk.lane.submit(work, partial(_fetched, disk))
        return status
    return disk.defer(task, work, then=lambda _: status)


def _fetch(medium: BlockMedium, offset: int, length: int) -> None:
    scratch = memoryview(bytearray(min(length, _STEP)))
    for at in range(0, length, _STEP):
        medium.read(offset + at, scratch[: min(_STEP, length - at)])


def _fetched(disk: Disk, error: BaseException | None) -> None:
    """A pre-fetch that failed is no loss: the READ that follows will say so."""
    disk.fetching = False
