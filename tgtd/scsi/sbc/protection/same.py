"""WRITE SAME with protection information (SBC-4 5.52 to 5.54)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.layer import consult
from tgtd.scsi.sbc.flaws import FlawedMedium
from tgtd.scsi.sbc.protection.access import ProtectedAccess, access, flags_at, guarded, steps, unit_of
from tgtd.scsi.sbc.protection.rules import SENT, SIZE, check, generate, pack, unpack
from tgtd.scsi.sbc.protection.transfers import put
from tgtd.scsi.sbc.protection.verify import repeated_information
from tgtd.scsi.sbc.provision import ANCHOR, MOST_SAME_BYTES, NDOB, UNMAP, check_anchor
from tgtd.scsi.sense import BUSY, INVALID_FIELD_IN_CDB, CheckCondition, Refused
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_UNWRITTEN = b"\xff" * SIZE


def wanted(disk: Disk, cdb: bytes) -> int:
    """One block, or none with NDOB."""
    return _sent(disk, _range(disk, cdb), cdb)


def _sent(disk: Disk, what: ProtectedAccess, cdb: bytes) -> int:
    return 0 if _no_data(what, cdb) else unit_of(disk, what.protect)


def _no_data(what: ProtectedAccess, cdb: bytes) -> bool:
    return cdb[0] != 0x41 and bool(what.flags & NDOB)


def _range(disk: Disk, cdb: bytes) -> ProtectedAccess:
    what = access(disk, cdb)
    if not 0 < what.blocks <= MOST_SAME_BYTES >> disk.shift:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=what.field)
    return what


def write_same(disk: Disk, task: Task) -> int:
    """WRITE SAME with WRPROTECT or NDOB, or WRITE SAME(32).

    NDOB stands for zeros with FFh for protection information. Such blocks may be unmapped with UNMAP; so may zeros
    that come without any.
    """
    what = _range(disk, task.cdb)
    check_anchor(what.flags, flags_at(task.cdb))
    length = _sent(disk, what, task.cdb)
    if task.expected_out != length:
        raise CheckCondition(INVALID_FIELD_IN_CDB)
    sent = bytes(task.data_out or b"")
    if len(sent) != length:
        raise Refused(BUSY)
    disk.counters.writes += 1
    disk.counters.write_bytes += what.blocks << disk.shift
    block, information = sent[: disk.block_size], sent[disk.block_size :]
    if information:
        check(what.rules, SENT[what.protect], what.lba, block, information, disk.block_size)
    unmap = bool(what.flags & UNMAP) and disk.thin
    if not any(block) and (not block or information == _UNWRITTEN or (unmap and not information)):
        return disk.defer(task, partial(_blank, disk, what, unmap), writing=True)
    return disk.defer(task, partial(_repeat, disk, what, block, information), writing=True)


def _blank(disk: Disk, what: ProtectedAccess, unmap: bool) -> None:
    offset, length = what.lba << disk.shift, what.blocks << disk.shift
    anchor = bool(what.flags & ANCHOR)
    consult(disk.medium, "discard" if anchor else "zero", offset, length)
    if anchor:
        guarded(disk).anchor(offset, length)
    else:
        guarded(disk).blank(offset, length, unmap)
    if isinstance(disk.medium, FlawedMedium):
        disk.medium.heal(offset, length)
    if disk.durable:
        disk.store().flush()


def _repeat(disk: Disk, what: ProtectedAccess, block: bytes, information: bytes) -> None:
    medium = guarded(disk)
    for first, count in steps(disk.block_size, what.blocks):
        lba, data = what.lba + first, block * count
        if information:
            beside = _tagged(what, lba, repeated_information(what.rules, information, first, count))
        else:
            beside = generate(medium.rules(lba), lba, data, disk.block_size)
        put(disk, lba, data, beside, False)
    if disk.durable:
        disk.store().flush()


def _tagged(what: ProtectedAccess, lba: int, information: bytes) -> bytes:
    """With the application tags that the mode page says, where it does (SBC-4 5.52: not with type 3; type 2 has those
    of its CDB)."""
    if not what.rules.tags or what.rules.kind != 1:
        return information
    tags = what.rules.applications(lba)
    return pack(
        [
            (crc, tag if mask else sent, reference)
            for (crc, sent, reference), (tag, mask) in zip(unpack(information), tags, strict=False)
        ]
    )
