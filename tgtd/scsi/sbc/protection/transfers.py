"""READ, WRITE, ORWRITE, WRITE AND VERIFY, WRITE ATOMIC with protection information (SBC-4 5.10, 5.16, 5.40, 5.44).

What is sent is checked before any of it is written. Done by workers, in bounded steps.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.layer import consult
from tgtd.scsi.medium import Buffer
from tgtd.scsi.sbc.atomic import most_atomic
from tgtd.scsi.sbc.flaws import FlawedMedium
from tgtd.scsi.sbc.orwrite import MOST_ORED, Bitwise, bitwise
from tgtd.scsi.sbc.protection.access import ProtectedAccess, guarded, join, onward, split, steps, transfer, unit_of
from tgtd.scsi.sbc.protection.guard import guards
from tgtd.scsi.sbc.protection.rules import COMPARED, READ, SENT, SIZE, check, compare, generate, pack, unpack
from tgtd.scsi.sbc.write import FUA
from tgtd.scsi.sense import (
    BUSY,
    GOOD,
    INVALID_FIELD_IN_CDB,
    MISCOMPARE_DURING_VERIFY,
    CheckCondition,
    Refused,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

BYTCHK = 0x06
_COMPARE, _RESERVED = 0x02, 0x04


def read(disk: Disk, task: Task) -> int:
    """READ with RDPROTECT, or READ(32)."""
    what = transfer(disk, task.cdb)
    disk.counters.reads += 1
    if not what.blocks:
        return GOOD
    disk.counters.read_bytes += what.blocks << disk.shift
    buffer = task.data_in = task.allocate(disk.pool, what.blocks * unit_of(disk, what.protect))
    through = bool(what.flags & FUA) and disk.store().volatile and disk.write_cache
    return disk.defer(task, partial(_read, disk, what, buffer, through))


def _read(disk: Disk, what: ProtectedAccess, buffer: memoryview, through: bool) -> None:
    medium, size = guarded(disk), disk.block_size
    if through:
        disk.store().flush()
    for first, count in steps(size, what.blocks):
        data, information = fetch(disk, what.lba + first, count)
        if what.protect or not medium.policy.lenient:
            rules = onward(what.rules, first)
            check(rules, READ[what.protect], what.lba + first, data, information, size)
        unit = unit_of(disk, what.protect)
        into = buffer[first * unit : (first + count) * unit]
        if what.protect:
            join(size, data, information, into)
        else:
            into[:] = data


def fetch(disk: Disk, lba: int, count: int) -> tuple[memoryview, bytes]:
    """Blocks and their protection information. Raises for those that are marked bad."""
    offset, length = lba << disk.shift, count << disk.shift
    if isinstance(disk.medium, FlawedMedium):
        disk.medium.refuse_bad(offset, length)
    consult(disk.medium, "read", offset, length)
    return guarded(disk).fetch(offset, length)


def put(disk: Disk, lba: int, data: Buffer, information: bytes, durable: bool) -> None:
    """Blocks with their protection information; what was marked bad is so no more."""
    consult(disk.medium, "write", lba << disk.shift, len(data))
    guarded(disk).put(lba << disk.shift, data, information, durable)
    if isinstance(disk.medium, FlawedMedium):
        disk.medium.heal(lba << disk.shift, len(data))


def wanted(disk: Disk, cdb: bytes) -> int:
    """Bytes of data-out of a WRITE and its like."""
    what = transfer(disk, cdb)
    return what.blocks * unit_of(disk, what.protect)


def arrived(task: Task, length: int, unit: int) -> memoryview:
    """The data-out, whole blocks of it. Raises BUSY as scsi.sbc.write.arrived does."""
    data = memoryview(b"" if task.data_out is None else task.data_out)[:length]
    if len(data) < length and task.wanted_out != length:
        raise Refused(BUSY)
    return data[: len(data) // unit * unit]


def write(disk: Disk, task: Task) -> int:
    """WRITE with WRPROTECT, or WRITE(32)."""
    what, sent = _outgoing(disk, task)
    return disk.defer(task, partial(_write, disk, what, sent, _durable(disk, what)), writing=True) if sent else GOOD


def _outgoing(disk: Disk, task: Task) -> tuple[ProtectedAccess, memoryview]:
    what = transfer(disk, task.cdb)
    unit = unit_of(disk, what.protect)
    sent = arrived(task, what.blocks * unit, unit)
    disk.counters.writes += 1
    disk.counters.write_bytes += len(sent) // unit << disk.shift
    return replace(what, blocks=len(sent) // unit), sent


def _durable(disk: Disk, what: ProtectedAccess) -> bool:
    return bool(what.flags & FUA) or not disk.write_cache


def _write(disk: Disk, what: ProtectedAccess, sent: memoryview, durable: bool) -> None:
    check_sent(disk, what, sent)
    place(disk, what, sent, durable)


def place(disk: Disk, what: ProtectedAccess, sent: memoryview, durable: bool) -> None:
    """Write what was checked."""
    for first, count in steps(disk.block_size, what.blocks):
        put(disk, what.lba + first, *parts(disk, what, sent, first, count), durable)


def parts(disk: Disk, what: ProtectedAccess, sent: memoryview, first: int, count: int) -> tuple[Buffer, bytes]:
    """Data and protection information of some of the blocks that were sent; made for those that came without."""
    unit = unit_of(disk, what.protect)
    some = sent[first * unit : (first + count) * unit]
    if what.protect:
        return split(disk.block_size, some)
    return some, generate(guarded(disk).rules(what.lba + first), what.lba + first, some, disk.block_size)


def check_sent(disk: Disk, what: ProtectedAccess, sent: memoryview) -> None:
    """Raises when the protection information that came along does not fit the data."""
    if not what.protect:
        return
    unit = unit_of(disk, what.protect)
    for first, count in steps(disk.block_size, what.blocks):
        data, information = split(disk.block_size, sent[first * unit : (first + count) * unit])
        check(onward(what.rules, first), SENT[what.protect], what.lba + first, data, information, disk.block_size)


def write_and_verify(disk: Disk, task: Task) -> int:
    """WRITE AND VERIFY: on the medium first, then read back and checked, and with BYTCHK 01b compared."""
    what, sent = _outgoing(disk, task)
    if what.flags & _RESERVED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=10 if task.cdb[0] == 0x7F else 1, bit=2)
    return disk.defer(task, partial(_write_and_verify, disk, what, sent), writing=True) if sent else GOOD


def _write_and_verify(disk: Disk, what: ProtectedAccess, sent: memoryview) -> None:
    _write(disk, what, sent, True)
    compares = bool(what.flags & _COMPARE)
    for first, count in steps(disk.block_size, what.blocks):
        found, kept = fetch(disk, what.lba + first, count)
        rules = onward(what.rules, first)
        if not compares:
            check(rules, READ[what.protect], what.lba + first, found, kept, disk.block_size)
            continue
        data, information = parts(disk, what, sent, first, count)
        if found != data:
            raise CheckCondition(MISCOMPARE_DURING_VERIFY)
        compare(rules, COMPARED[what.protect], what.lba + first, kept, information)


def orwrite(disk: Disk, task: Task) -> int:
    """ORWRITE with ORPROTECT: tags are those that were sent, guards those of the result (SBC-4 4.27.1)."""
    wish = bitwise(task.cdb)
    what = transfer(disk, task.cdb)
    if what.blocks << disk.shift > MOST_ORED:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=what.field)
    sent = _exact(task, what.blocks * (disk.block_size + SIZE), what.field)
    disk.counters.writes += 1
    disk.counters.write_bytes += what.blocks << disk.shift
    return disk.defer_alone(task, partial(_orwrite, disk, wish, what, sent, _durable(disk, what)), writing=True)


def _exact(task: Task, length: int, field: int) -> memoryview:
    if task.expected_out != length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    return arrived(task, length, max(length, 1))


def _orwrite(disk: Disk, wish: Bitwise, what: ProtectedAccess, sent: memoryview, durable: bool) -> None:
    if not disk.generations.admit(wish):
        return
    size = disk.block_size
    check_sent(disk, what, sent)
    if sent:
        found, kept = fetch(disk, what.lba, what.blocks)
        check(what.rules, READ[what.protect], what.lba, found, kept, size)
        data, information = split(size, sent)
        merged = wish.merge(found, data)
        tags = zip(guards(merged, size), unpack(information), strict=True)
        put(disk, what.lba, merged, pack([(crc, tag, reference) for crc, (_, tag, reference) in tags]), durable)
    disk.generations.performed(wish)


def wanted_atomic(disk: Disk, cdb: bytes) -> int:
    what = _atomic(disk, cdb)
    return what.blocks * unit_of(disk, what.protect)


def _atomic(disk: Disk, cdb: bytes) -> ProtectedAccess:
    what = transfer(disk, cdb)
    if what.blocks > most_atomic(disk):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=what.field)
    return what


def write_atomic(disk: Disk, task: Task) -> int:
    """WRITE ATOMIC with WRPROTECT: data and protection information in one piece."""
    what = _atomic(disk, task.cdb)
    unit = unit_of(disk, what.protect)
    sent = _exact(task, what.blocks * unit, what.field)
    disk.counters.writes += 1
    if not what.blocks:
        return GOOD
    disk.counters.write_bytes += what.blocks << disk.shift
    return disk.defer_alone(task, partial(_write_atomic, disk, what, sent), writing=True)


def _write_atomic(disk: Disk, what: ProtectedAccess, sent: memoryview) -> None:
    check_sent(disk, what, sent)
    put(disk, what.lba, *parts(disk, what, sent, 0, what.blocks), True)
