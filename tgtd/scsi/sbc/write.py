"""WRITE, WRITE AND VERIFY, SYNCHRONIZE CACHE, COMPARE AND WRITE (SBC-4 5.40 to 5.47, 5.33, 5.34, 5.3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.medium import BlockMedium, Buffer
from tgtd.scsi.sbc.address import extent, extent_6, extent_10, extent_12, extent_16
from tgtd.scsi.sbc.verify import compare, offset_of_difference, read_back
from tgtd.scsi.sense import (
    BUSY,
    GOOD,
    INVALID_FIELD_IN_CDB,
    LBA_OUT_OF_RANGE,
    MISCOMPARE_DURING_VERIFY,
    CheckCondition,
    Refused,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

FUA = 0x08
BYTCHK = 0x02

_MAY_FLUSH = frozenset((0x28, 0xA8, 0x88, 0x2A, 0xAA, 0x8A, 0x89, 0x8B))
_ALWAYS_FLUSHES = frozenset((0x2E, 0xAE, 0x8E, 0x2F, 0xAF, 0x8F, 0x9C, 0x1B, 0x15, 0x55))
"""WRITE AND VERIFY, VERIFY, WRITE ATOMIC, START STOP UNIT, MODE SELECT."""
_LONG_MAY_FLUSH = frozenset((0x09, 0x0B, 0x0E, 0x11))
_LONG_ALWAYS_FLUSH = frozenset((0x0A, 0x0C, 0x0F))
"""Service actions of 7Fh: READ, WRITE, ORWRITE, WRITE SCATTERED; VERIFY, WRITE AND VERIFY, WRITE ATOMIC."""
_SCATTERED = b"\x9f\x12"
"""Operation code and service action of WRITE SCATTERED(16)."""

_AT_ONCE = 1 << 20  # bytes; copying more than this in the loop thread would keep the other initiators waiting

MOST_COMPARED = 128
"""Blocks of one COMPARE AND WRITE (MAXIMUM COMPARE AND WRITE LENGTH of VPD page B0h)."""


def wanted(disk: Disk, cdb: bytes) -> int:
    """Bytes of data-out that a WRITE of any length wants."""
    lba, count, field = extent(cdb)
    disk.check(lba, count, field)
    return count << disk.shift


def wanted_10(disk: Disk, cdb: bytes) -> int:
    """`wanted` for WRITE(10), which is on the hot path."""
    lba, count = extent_10(cdb)
    if lba + count > disk.blocks or count > disk.most_blocks:
        disk.check(lba, count, 7)
    return count << disk.shift


def write_6(disk: Disk, task: Task) -> int:
    lba, count = extent_6(task.cdb)
    return _write(disk, task, lba, count, 0, 4)


def write_10(disk: Disk, task: Task) -> int:
    lba, count = extent_10(task.cdb)
    return _write(disk, task, lba, count, task.cdb[1], 7)


def write_12(disk: Disk, task: Task) -> int:
    lba, count = extent_12(task.cdb)
    return _write(disk, task, lba, count, task.cdb[1], 6)


def write_16(disk: Disk, task: Task) -> int:
    lba, count = extent_16(task.cdb)
    return _write(disk, task, lba, count, task.cdb[1], 10)


def _write(disk: Disk, task: Task, lba: int, count: int, flags: int, field: int) -> int:
    """The hot path of writing."""
    if lba + count > disk.blocks or count > disk.most_blocks or lba >= disk.blocks:
        disk.check(lba, count, field)
    counters = disk.counters
    counters.writes += 1
    length = count << disk.shift
    data: Buffer = task.data_out or b""
    if len(data) != length:
        data = arrived(task, length, disk.shift)
        length = len(data)
    if not length:
        return GOOD
    counters.write_bytes += length
    durable = bool(flags & FUA) or not disk.write_cache
    medium = disk.medium or disk.store()
    offset = lba << disk.shift
    at_once = length <= _AT_ONCE and not (durable and medium.volatile) and not disk.turns.closed
    if at_once and disk.pace.write(medium, offset, data):
        return GOOD
    return disk.defer(task, medium.writing(offset, data, durable), writing=True)


def arrived(task: Task, length: int, shift: int) -> Buffer:
    """The data-out, at most `length` bytes of it: when the initiator sent less, the whole blocks that arrived.

    Raises BUSY when the transport fetched less only because the disk changed after it had asked how much is wanted.
    """
    data = task.data_out
    if data is None:
        data = b""
    if len(data) == length:
        return data
    if task.wanted_out != length:
        raise Refused(BUSY)
    return data[: min(length, len(data) >> shift << shift)]


def exact(task: Task, length: int, field: int | None = None) -> memoryview:
    """The data-out of a command that makes no sense with more or less of it.

    Raises INVALID FIELD IN CDB when the initiator offers another length, BUSY as `arrived` does.
    """
    if task.expected_out != length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    data = memoryview(b"" if task.data_out is None else task.data_out)
    if len(data) != length:
        raise Refused(BUSY)
    return data


def write_and_verify(disk: Disk, task: Task) -> int:
    """WRITE AND VERIFY (10), (12), (16): on the medium first, then read back, and compared with BYTCHK."""
    lba, count, field = extent(task.cdb)
    disk.check(lba, count, field)
    disk.counters.writes += 1
    data = arrived(task, count << disk.shift, disk.shift)
    if not data:
        return GOOD
    disk.counters.write_bytes += len(data)
    check = bool(task.cdb[1] & BYTCHK)
    return disk.defer(task, partial(_write_verified, disk.store(), lba << disk.shift, data, check), writing=True)


def _write_verified(medium: BlockMedium, offset: int, data: Buffer, check: bool) -> None:
    medium.write(offset, data, True)
    if check:
        compare(medium, offset, memoryview(data))
    else:
        read_back(medium, offset, len(data))


def synchronize_cache(disk: Disk, task: Task) -> int:
    """SYNCHRONIZE CACHE (10), (16): everything acknowledged so far, which covers the range asked for."""
    lba, count, _ = extent(task.cdb)
    if lba + count > disk.blocks or lba >= disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    disk.counters.flushes += 1
    if disk.unflushed is not None:
        trouble, disk.unflushed = disk.unflushed, None
        return disk.refuse(task, trouble, writing=True)
    if task.cdb[1] & 0x02:
        disk.flush_behind()
        return GOOD
    return disk.defer(task, disk.store().flush, writing=True)


def met_instead(cdb: bytes) -> bool:
    """Whether a command may meet what becomes of earlier writes, as it has them or its own flushed.

    Kernels tell of that once, whoever asks: the next SYNCHRONIZE CACHE must hear of it too.
    """
    if cdb[0] == 0x7F:
        action = int.from_bytes(cdb[8:10], "big")
        return action in _LONG_ALWAYS_FLUSH or (action in _LONG_MAY_FLUSH and bool(cdb[10] & FUA))
    if cdb[:2] == _SCATTERED:
        return bool(cdb[2] & FUA)
    return cdb[0] in _ALWAYS_FLUSHES or (cdb[0] in _MAY_FLUSH and bool(cdb[1] & FUA))


def wanted_compare(disk: Disk, cdb: bytes) -> int:
    """COMPARE AND WRITE takes the blocks to compare, then as many to write."""
    _, count = _compared(disk, cdb)
    return 2 * count << disk.shift


def _compared(disk: Disk, cdb: bytes) -> tuple[int, int]:
    lba, count = int.from_bytes(cdb[2:10], "big"), cdb[13]
    disk.check(lba, count, 13)
    if count > MOST_COMPARED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=13)
    return lba, count


def compare_and_write(disk: Disk, task: Task) -> int:
    """COMPARE AND WRITE: no other command sees or changes anything in between (SBC-4 5.3)."""
    lba, count = _compared(disk, task.cdb)
    length = count << disk.shift
    data = exact(task, 2 * length, 13)
    disk.counters.writes += 1
    if not count:
        return GOOD
    disk.counters.write_bytes += length
    durable = bool(task.cdb[1] & FUA) or not disk.write_cache
    work = partial(_compare_and_write, disk.store(), lba << disk.shift, data[:length], data[length:], durable)
    return disk.defer_alone(task, work, writing=True)


def _compare_and_write(medium: BlockMedium, offset: int, expected: memoryview, new: memoryview, durable: bool) -> None:
    found = memoryview(bytearray(len(expected)))
    medium.read(offset, found)
    if found != expected:
        raise CheckCondition(MISCOMPARE_DURING_VERIFY, information=offset_of_difference(found, expected))
    medium.write(offset, new, durable)
