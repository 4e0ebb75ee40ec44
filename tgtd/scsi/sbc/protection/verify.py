"""VERIFY and COMPARE AND WRITE with protection information (SBC-4 5.36 to 5.39, 5.3; tables 125 to 128)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sbc.protection.access import ProtectedAccess, onward, split, steps, transfer, unit_of
from tgtd.scsi.sbc.protection.rules import COMPARED, READ, SENT, SIZE, Rules, check, compare, pack, unpack
from tgtd.scsi.sbc.protection.transfers import arrived, check_sent, fetch, put
from tgtd.scsi.sbc.verify import offset_of_difference, on_medium
from tgtd.scsi.sbc.write import FUA, MOST_COMPARED
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    MISCOMPARE_DURING_VERIFY,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_READABLE, _ALL_BLOCKS, _RESERVED, _ONE_BLOCK = range(4)


def _mode(what: ProtectedAccess, cdb: bytes) -> int:
    mode = what.flags >> 1 & 0x03
    if mode == _RESERVED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=10 if cdb[0] == 0x7F else 1, bit=2)
    return mode


def wanted_verify(disk: Disk, cdb: bytes) -> int:
    """Bytes of data-out: as many blocks as are compared, or the one for all."""
    what = transfer(disk, cdb)
    blocks = {_READABLE: 0, _ALL_BLOCKS: what.blocks, _ONE_BLOCK: min(what.blocks, 1)}[_mode(what, cdb)]
    return blocks * unit_of(disk, what.protect)


def verify(disk: Disk, task: Task) -> int:
    """VERIFY with VRPROTECT, or VERIFY(32)."""
    what = transfer(disk, task.cdb)
    mode = _mode(what, task.cdb)
    if not what.blocks:
        return GOOD
    disk.tally.verified += what.blocks << disk.shift
    if mode == _READABLE:
        return disk.defer(task, on_medium(disk, partial(_verify, disk, what)))
    unit = unit_of(disk, what.protect)
    sent = arrived(task, unit * (what.blocks if mode == _ALL_BLOCKS else 1), unit)
    if mode == _ONE_BLOCK:
        if not sent:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        return disk.defer(task, on_medium(disk, partial(_compare_each, disk, what, sent)))
    what = replace(what, blocks=len(sent) // unit)
    return disk.defer(task, on_medium(disk, partial(_compare, disk, what, sent)))


def _verify(disk: Disk, what: ProtectedAccess) -> None:
    """BYTCHK 00b (table 125)."""
    checks = what.protect or not disk.policy.lenient
    for first, count in steps(disk.block_size, what.blocks):
        data, information = fetch(disk, what.lba + first, count)
        if checks:
            check(onward(what.rules, first), READ[what.protect], what.lba + first, data, information, disk.block_size)


def _compare(disk: Disk, what: ProtectedAccess, sent: memoryview) -> None:
    """BYTCHK 01b: what was sent is checked (table 127), then compared (table 128)."""
    check_sent(disk, what, sent)
    unit = unit_of(disk, what.protect)
    for first, count in steps(disk.block_size, what.blocks):
        _match(disk, what, first, count, sent[first * unit : (first + count) * unit])


def _match(disk: Disk, what: ProtectedAccess, first: int, count: int, sent: memoryview) -> None:
    size, lba, rules = disk.block_size, what.lba + first, onward(what.rules, first)
    found, kept = fetch(disk, lba, count)
    if not what.protect:
        if not disk.policy.lenient:
            check(rules, READ[0], lba, found, kept, size)
        if found != sent:
            raise CheckCondition(MISCOMPARE_DURING_VERIFY)
        return
    data, information = split(size, sent)
    if found != data:
        raise CheckCondition(MISCOMPARE_DURING_VERIFY)
    compare(rules, COMPARED[what.protect], lba, kept, information)


def _compare_each(disk: Disk, what: ProtectedAccess, sent: memoryview) -> None:
    """BYTCHK 11b: one block stands for all, its reference tag counting up."""
    check_sent(disk, replace(what, blocks=1), sent)
    for first, count in steps(disk.block_size, what.blocks):
        _match(disk, what, first, count, repeated(what.rules, sent, disk.block_size, first, count))


def repeated(rules: Rules, sent: memoryview, size: int, first: int, count: int) -> memoryview:
    """One block as it was sent, for `count` blocks from the one with index `first` on."""
    if len(sent) == size:
        return memoryview(bytes(sent) * count)
    data, information = bytes(sent[:size]), repeated_information(rules, bytes(sent[size:]), first, count)
    return memoryview(b"".join(data + information[at : at + SIZE] for at in range(0, count * SIZE, SIZE)))


def repeated_information(rules: Rules, information: bytes, first: int, count: int) -> bytes:
    """Reference tags count up, except with type 3 (SBC-4 5.52)."""
    if rules.kind == 3:
        return information * count
    ((crc, application, reference),) = unpack(information)
    return pack([(crc, application, reference + n & 0xFFFFFFFF) for n in range(first, first + count)])


def wanted_compare(disk: Disk, cdb: bytes) -> int:
    what = _compared(disk, cdb)
    return 2 * what.blocks * unit_of(disk, what.protect)


def _compared(disk: Disk, cdb: bytes) -> ProtectedAccess:
    what = transfer(disk, cdb)
    if what.blocks > MOST_COMPARED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=13)
    return what


def compare_and_write(disk: Disk, task: Task) -> int:
    """COMPARE AND WRITE with WRPROTECT: both halves are checked, the first is compared as VERIFY does."""
    what = _compared(disk, task.cdb)
    half = what.blocks * unit_of(disk, what.protect)
    if task.expected_out != 2 * half:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=13)
    sent = arrived(task, 2 * half, max(2 * half, 1))
    disk.counters.writes += 1
    if not what.blocks:
        return GOOD
    disk.counters.write_bytes += what.blocks << disk.shift
    durable = bool(what.flags & FUA) or not disk.write_cache
    work = partial(_compare_and_write, disk, what, sent[:half], sent[half:], durable)
    return disk.defer_alone(task, work, writing=True)


def _compare_and_write(disk: Disk, what: ProtectedAccess, expected: memoryview, new: memoryview, durable: bool) -> None:
    size = disk.block_size
    data, information = split(size, expected)
    check(what.rules, SENT[what.protect], what.lba, data, information, size)
    written, beside = split(size, new)
    check(what.rules, SENT[what.protect], what.lba, written, beside, size)
    found, kept = fetch(disk, what.lba, what.blocks)
    if found != data:
        where = offset_of_difference(found, memoryview(data))
        raise CheckCondition(MISCOMPARE_DURING_VERIFY, information=where)
    compare(what.rules, COMPARED[what.protect], what.lba, kept, information)
    put(disk, what.lba, written, beside, durable)
