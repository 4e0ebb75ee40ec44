"""WRITE SCATTERED(16): many ranges of blocks, with their data, in one command (SBC-4 4.35, 5.55).

The whole list is checked before anything is written; then the ranges are written one after the other. Nothing is
promised about the command as a whole: others may see some of it, and what ends it in the middle leaves some of it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.write import FUA, exact
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    LBA_OUT_OF_RANGE,
    SCATTERED_LENGTH_ERROR,
    CheckCondition,
    Numbered,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

MOST_RANGES = 1024
"""LBA range descriptors of one command (MAXIMUM SCATTERED LBA RANGE DESCRIPTOR COUNT of VPD page B7h)."""
WRITE_SCATTERED_16, WRITE_SCATTERED_32 = 0x12, 0x11

_DESCRIPTOR = struct.Struct(">QIIHH12s")
_HEADER = _DESCRIPTOR.size
_TAGS = slice(12, 20)
"""Of a descriptor: what the shorter form reserves."""


def most_scattered(disk: Disk) -> int:
    """MAXIMUM SCATTERED TRANSFER LENGTH of VPD page B7h, in blocks: the list counts too."""
    return disk.most_protected


def most_of_a_range(disk: Disk) -> int:
    """MAXIMUM SCATTERED LBA RANGE TRANSFER LENGTH: the list takes a block at least."""
    return most_scattered(disk) - 1


class ScatteredWish(NamedTuple):
    """What a CDB asks for. offset: of the data, in blocks as they are transferred. number: of descriptors. length: of
    all that is transferred, in blocks; 0: there is nothing to do. field: the byte where BUFFER TRANSFER LENGTH is."""

    offset: int
    number: int
    length: int
    field: int


class LbaRange(NamedTuple):
    """One LBA range descriptor. number: from 1 on. at: of its data, in bytes from the beginning of what was sent.
    reference, tag, mask: what the longer form expects of the first block's protection information."""

    number: int
    lba: int
    blocks: int
    at: int
    reference: int
    tag: int
    mask: int


def asked(disk: Disk, cdb: bytes, unit: int) -> ScatteredWish:
    """unit: bytes of one block as it is transferred. Raises INVALID FIELD IN CDB."""
    offset_at, number_at, length_at = (12, 16, 28) if cdb[0] == 0x7F else (4, 8, 10)
    offset, number = (int.from_bytes(cdb[at : at + 2], "big") for at in (offset_at, number_at))
    length = int.from_bytes(cdb[length_at : length_at + 4], "big")
    if number > MOST_RANGES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=number_at)
    if length > most_scattered(disk):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=length_at)
    if not number or not length:
        return ScatteredWish(0, 0, 0, length_at)
    if _HEADER + number * _DESCRIPTOR.size > offset * unit:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=offset_at)
    return ScatteredWish(offset, number, length, length_at)


def wanted(disk: Disk, cdb: bytes) -> int:
    return asked(disk, cdb, disk.block_size).length << disk.shift


def ranges(disk: Disk, wish: ScatteredWish, sent: memoryview, unit: int, tagged: bool) -> Iterator[LbaRange]:
    """The descriptors, each checked when it is its turn. tagged: of the longer form.

    Raises INVALID FIELD IN PARAMETER LIST, LOGICAL BLOCK ADDRESS OUT OF RANGE, and PARAMETER LIST LENGTH ERROR where
    they do not add up to the data that was sent (SBC-4 5.55.2).
    """
    _refuse_bits(sent[:_HEADER], 0)
    left, at = wish.length - wish.offset, wish.offset * unit
    for number in range(1, wish.number + 1):
        begins = _HEADER + (number - 1) * _DESCRIPTOR.size
        lba, blocks, reference, tag, mask, _ = _DESCRIPTOR.unpack_from(sent, begins)
        if not tagged:
            _refuse_bits(sent[begins + _TAGS.start : begins + _TAGS.stop], begins + _TAGS.start)
        _refuse_bits(sent[begins + _TAGS.stop : begins + _DESCRIPTOR.size], begins + _TAGS.stop)
        if blocks > most_of_a_range(disk):
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=begins + 8)
        if lba + blocks > disk.blocks:
            raise CheckCondition(LBA_OUT_OF_RANGE, field=begins, listed=True)
        left -= blocks
        if left < 0:
            break
        yield LbaRange(number, lba, blocks, at, reference, tag, mask)
        at += blocks * unit
    if left:
        raise CheckCondition(SCATTERED_LENGTH_ERROR, field=wish.field)


def _refuse_bits(reserved: memoryview, begins: int) -> None:
    """begins: where it is in the parameter list."""
    if any(reserved):
        at = next(at for at, byte in enumerate(reserved) if byte)
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=begins + at, bit=reserved[at].bit_length() - 1)


def perform(writes: Iterable[tuple[int, Callable[[], object]]], flush: Callable[[], None] | None) -> None:
    """Run by a worker. writes: each with the number of its descriptor, which an error tells (SBC-4 4.35.3)."""
    for number, write in writes:
        try:
            write()
        except OSError as error:
            raise Numbered(error, number) from error
    if flush is not None:
        flush()


def write_scattered_16(disk: Disk, task: Task) -> int:
    """WRITE SCATTERED(16)."""
    wish = asked(disk, task.cdb, disk.block_size)
    disk.counters.writes += 1
    if not wish.length:
        return GOOD
    sent = exact(task, wish.length << disk.shift, wish.field)
    found = [one for one in ranges(disk, wish, sent, disk.block_size, False) if one.blocks]
    medium, shift = disk.store(), disk.shift
    writes = [
        (one.number, partial(medium.write, one.lba << shift, sent[one.at : one.at + (one.blocks << shift)], False))
        for one in found
    ]
    disk.counters.write_bytes += sum(one.blocks for one in found) << shift
    durable = bool(task.cdb[2] & FUA) or disk.durable
    return disk.defer(task, partial(perform, writes, medium.flush if durable else None), writing=True)


SCATTERED = (
    Command(
        0x9F,
        "WRITE SCATTERED(16)",
        write_scattered_16,
        usage(f"9F {WRITE_SCATTERED_16:02X} 18 00 FFFF 0000 FFFF FFFFFFFF 3F 04"),
        action=WRITE_SCATTERED_16,
        data_out=wanted,
        medium=True,
        writes=True,
        reservation="write",
    ),
)
