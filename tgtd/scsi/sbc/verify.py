"""VERIFY (10), (12), (16), and comparing with the medium (SBC-4 5.36 to 5.39)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.address import extent
from tgtd.scsi.sense import (
    BUSY,
    GOOD,
    INVALID_FIELD_IN_CDB,
    MISCOMPARE_DURING_VERIFY,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
    Refused,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_STEP = 256 << 10
_READABLE, _ALL_BLOCKS, _RESERVED, _ONE_BLOCK = range(4)


def _mode(cdb: bytes) -> int:
    """BYTCHK. Raises INVALID FIELD IN CDB for its reserved value."""
    mode = cdb[1] >> 1 & 0x03
    if mode == _RESERVED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=2)
    return mode


def wanted(disk: Disk, cdb: bytes) -> int:
    """Bytes of data-out that a VERIFY wants."""
    lba, count, field = extent(cdb)
    disk.check(lba, count, field)
    blocks = {_READABLE: 0, _ALL_BLOCKS: count, _ONE_BLOCK: min(count, 1)}[_mode(cdb)]
    return blocks << disk.shift


def verify(disk: Disk, task: Task) -> int:
    """VERIFY: the blocks can be read, or are what the initiator sent."""
    cdb = task.cdb
    lba, count, field = extent(cdb)
    disk.check(lba, count, field)
    mode = _mode(cdb)
    if not count:
        return GOOD
    medium, offset, length = disk.store(), lba << disk.shift, count << disk.shift
    disk.tally.verified += length
    if mode == _READABLE:
        return disk.defer(task, on_medium(disk, partial(read_back, medium, offset, length)))
    data = memoryview(task.data_out or b"")
    needed = length if mode == _ALL_BLOCKS else disk.block_size
    if len(data) < needed and task.wanted_out != needed:
        raise Refused(BUSY)
    data = data[: min(needed, len(data) >> disk.shift << disk.shift)]
    if mode == _ALL_BLOCKS:
        return disk.defer(task, on_medium(disk, partial(compare, medium, offset, data)))
    if not data:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return disk.defer(task, on_medium(disk, partial(_compare_each, medium, offset, length, data)))


def on_medium(disk: Disk, work: Callable[[], None]) -> Callable[[], None]:
    """The work of a VERIFY, which is about the medium: what only a cache has goes there first, as by SYNCHRONIZE CACHE
    (SBC-4 4.15.2, 5.36)."""
    medium = disk.store()
    if not medium.volatile or not disk.write_cache:
        return work

    def after_flush() -> None:
        medium.flush()
        work()

    return after_flush


def read_back(medium: BlockMedium, offset: int, length: int) -> None:
    """Raises OSError when the range cannot be read."""
    scratch = memoryview(bytearray(min(length, _STEP)))
    for at in range(0, length, _STEP):
        medium.read(offset + at, scratch[: min(_STEP, length - at)])


def compare(medium: BlockMedium, offset: int, expected: memoryview) -> None:
    """Raises MISCOMPARE when the medium holds something else."""
    length = len(expected)
    scratch = memoryview(bytearray(min(length, _STEP)))
    for at in range(0, length, _STEP):
        part = scratch[: min(_STEP, length - at)]
        medium.read(offset + at, part)
        if part != expected[at : at + len(part)]:
            raise CheckCondition(MISCOMPARE_DURING_VERIFY)


def _compare_each(medium: BlockMedium, offset: int, length: int, block: memoryview) -> None:
    step = min(length, _STEP)
    pattern = memoryview(bytes(block) * (step // len(block)))
    scratch = memoryview(bytearray(step))
    for at in range(0, length, step):
        part = scratch[: min(step, length - at)]
        medium.read(offset + at, part)
        if part != pattern[: len(part)]:
            raise CheckCondition(MISCOMPARE_DURING_VERIFY)


def offset_of_difference(one: memoryview, other: memoryview) -> int:
    """The first byte at which two buffers of one length differ."""
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
