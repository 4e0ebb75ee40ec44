"""UNMAP, WRITE SAME: what a disk holds no data for (SBC-4 4.7, 5.35, 5.52, 5.53)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.address import extent
from tgtd.scsi.sbc.write import exact
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    LBA_OUT_OF_RANGE,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

MOST_SAME_BYTES = 128 << 20
"""MAXIMUM WRITE SAME LENGTH of VPD page B0h, in bytes."""
MOST_UNMAP_BLOCKS = 1 << 20
"""MAXIMUM UNMAP LBA COUNT of VPD page B0h."""
MOST_UNMAP_DESCRIPTORS = 256

NDOB, UNMAP, ANCHOR = 0x01, 0x08, 0x10
_ANCHORS = 0x01  # of UNMAP
_STEP = 1 << 20
_UNMAP_HEADER, _UNMAP_DESCRIPTOR = 8, 16


def anchors(disk: Disk) -> bool:
    """ANC_SUP: unmapped blocks can keep their space."""
    return disk.thin and disk.store().can_anchor


def check_anchor(flags: int, field: int) -> None:
    """ANCHOR says how to unmap, and nothing without UNMAP (table 147). field: the byte both are in."""
    if flags & (ANCHOR | UNMAP) == ANCHOR:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field, bit=4)


def wanted_same(disk: Disk, cdb: bytes) -> int:
    """One block, or none with NDOB (WRITE SAME (16) only)."""
    _same_range(disk, cdb)
    return 0 if _no_data(cdb) else disk.block_size


def _no_data(cdb: bytes) -> bool:
    return cdb[0] == 0x93 and bool(cdb[1] & NDOB)


def _same_range(disk: Disk, cdb: bytes) -> tuple[int, int]:
    """LBA and blocks. WSNZ: a length of zero is refused (SBC-4 6.6.4)."""
    lba, count, field = extent(cdb)
    if lba >= disk.blocks or lba + count > disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    if not 0 < count <= MOST_SAME_BYTES >> disk.shift:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    return lba, count


def write_same(disk: Disk, task: Task) -> int:
    """WRITE SAME (10), (16). Zeros are written as the medium does it best; with UNMAP they may be unmapped, with ANCHOR
    too they keep their space."""
    cdb = task.cdb
    check_anchor(cdb[1], 1)
    lba, count = _same_range(disk, cdb)
    block = exact(task, 0 if _no_data(cdb) else disk.block_size)
    disk.counters.writes += 1
    offset, length = lba << disk.shift, count << disk.shift
    disk.counters.write_bytes += length
    medium = disk.store()
    if any(block):
        return disk.defer(task, partial(_repeat, medium, offset, length, bytes(block), disk.durable), writing=True)
    if cdb[1] & ANCHOR:
        return disk.defer(task, partial(_each, medium.anchor, medium, [(offset, length)], disk.durable), writing=True)
    unmap = bool(cdb[1] & UNMAP)
    return disk.defer(task, partial(_zero, medium, offset, length, unmap, disk.durable), writing=True)


def _repeat(medium: BlockMedium, offset: int, length: int, block: bytes, durable: bool) -> None:
    pattern = memoryview(block * (min(length, _STEP) // len(block)))
    for at in range(0, length, _STEP):
        medium.write(offset + at, pattern[: min(_STEP, length - at)], False)
    if durable:
        medium.flush()


def _zero(medium: BlockMedium, offset: int, length: int, unmap: bool, durable: bool) -> None:
    if not medium.can_zero:
        _repeat(medium, offset, length, bytes(512), durable)
        return
    medium.zero(offset, length, unmap)
    if durable:
        medium.flush()


def wanted_unmap(disk: Disk, cdb: bytes) -> int:
    return int.from_bytes(cdb[7:9], "big")


def unmap(disk: Disk, task: Task) -> int:
    """UNMAP: the whole list is checked before anything is unmapped (SBC-4 5.35)."""
    length = int.from_bytes(task.cdb[7:9], "big")
    if not length:
        return GOOD
    data = bytes(task.data_out or b"")[:length]
    if len(data) < max(length, _UNMAP_HEADER):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    ranges = _unmap_ranges(disk, data)
    disk.counters.unmaps += 1
    if not ranges:
        return GOOD
    medium = disk.store()
    verb = medium.anchor if task.cdb[1] & _ANCHORS else medium.discard
    return disk.defer(task, partial(_each, verb, medium, ranges, disk.durable), writing=True)


def _unmap_ranges(disk: Disk, data: bytes) -> list[tuple[int, int]]:
    """Offsets and lengths in bytes; an incomplete descriptor at the end is ignored, as the standard wants it."""
    told = int.from_bytes(data[2:4], "big")
    if told > len(data) - _UNMAP_HEADER:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    number = told // _UNMAP_DESCRIPTOR
    if number > MOST_UNMAP_DESCRIPTORS:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=2)
    ranges = []
    total = 0
    for i in range(number):
        at = _UNMAP_HEADER + i * _UNMAP_DESCRIPTOR
        lba, count = struct.unpack_from(">QI", data, at)
        if lba + count > disk.blocks:
            raise CheckCondition(LBA_OUT_OF_RANGE)
        total += count
        if total > MOST_UNMAP_BLOCKS:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 8)
        if count:
            ranges.append((lba << disk.shift, count << disk.shift))
    return ranges


def _each(verb: Callable[[int, int], None], medium: BlockMedium, ranges: list[tuple[int, int]], durable: bool) -> None:
    for offset, length in ranges:
        verb(offset, length)
    if durable:
        medium.flush()
