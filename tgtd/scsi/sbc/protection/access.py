"""What a block command's CDB says of protection information, in the 10, 12, 16 and 32 byte forms (SBC-4 4.21.2, 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tgtd.scsi.command import unsupported
from tgtd.scsi.medium import Buffer
from tgtd.scsi.sbc.address import extent
from tgtd.scsi.sbc.orwrite import ORWRITE_32
from tgtd.scsi.sbc.protection.medium import ProtectedMedium
from tgtd.scsi.sbc.protection.rules import READ, SIZE, Rules
from tgtd.scsi.sense import INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, CheckCondition

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

VARIABLE = 0x7F
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class ProtectedAccess:
    """protect: RDPROTECT, WRPROTECT, VRPROTECT or ORPROTECT. flags: the byte it is in; field: where the length is.
    rules: what the command knows of the first block's tags."""

    lba: int
    blocks: int
    protect: int
    flags: int
    field: int
    rules: Rules


_FLAGS_AT = {VARIABLE: 10, 0x9F: 2}
"""By operation code, where it is not the second byte."""


def flags_at(cdb: bytes) -> int:
    """The byte with the PROTECT field, DPO, FUA and BYTCHK."""
    return _FLAGS_AT.get(cdb[0], 1)


def _expects(cdb: bytes) -> bool:
    """Whether it brings expected tags along, as all 32 byte forms do but ORWRITE's."""
    return cdb[0] == VARIABLE and int.from_bytes(cdb[8:10], "big") != ORWRITE_32


def protect_of(disk: Disk, cdb: bytes) -> int:
    """The PROTECT field. Raises INVALID COMMAND OPERATION CODE where type 2 has none but the 32 byte forms (SBC-4
    4.21.2.4), INVALID FIELD IN CDB for its reserved values."""
    at = flags_at(cdb)
    protect = cdb[at] >> 5
    if protect and disk.protection == 2 and not _expects(cdb):
        raise unsupported()
    if protect not in READ:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=at, bit=7)
    return protect


def access(disk: Disk, cdb: bytes) -> ProtectedAccess:
    """Raises CheckCondition for what no such command may ask for. The length may be more than one READ moves."""
    protect = protect_of(disk, cdb)
    lba, count, field = extent(cdb)
    if lba >= disk.blocks or lba + count > disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    return ProtectedAccess(lba, count, protect, cdb[flags_at(cdb)], field, _rules(disk, cdb, lba))


def transfer(disk: Disk, cdb: bytes) -> ProtectedAccess:
    """`access` for what moves each block: no longer than the disk allows."""
    found = access(disk, cdb)
    disk.check(found.lba, found.blocks, found.field)
    if found.protect and found.blocks > disk.most_protected:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=found.field)
    return found


def _rules(disk: Disk, cdb: bytes, lba: int) -> Rules:
    if not _expects(cdb):
        return guarded(disk).rules(lba)
    reference, tag, mask = (int.from_bytes(cdb[at:end], "big") for at, end in ((20, 24), (24, 26), (26, 28)))
    return expecting(disk, reference, tag, mask)


def expecting(disk: Disk, reference: int, tag: int, mask: int) -> Rules:
    """What an initiator says that the first block's tags are; of the application tag only with ATO."""
    medium = guarded(disk)
    return Rules(medium.kind, medium.policy.own, reference, tag, mask if medium.policy.own else 0)


def guarded(disk: Disk) -> ProtectedMedium:
    """The medium of a disk that has protection information."""
    disk.store()
    assert disk.guarded is not None
    return disk.guarded


def unit_of(disk: Disk, protect: int) -> int:
    """Bytes of one block as it is transferred."""
    return disk.block_size + SIZE if protect else disk.block_size


def steps(size: int, count: int) -> Iterator[tuple[int, int]]:
    """(first block, blocks) of the parts in which a worker goes through a command's range."""
    blocks = max(1, _STEP // size)
    for first in range(0, count, blocks):
        yield first, min(blocks, count - first)


def onward(rules: Rules, blocks: int) -> Rules:
    """The same rules, so many blocks on."""
    if rules.reference is None or rules.kind == 3:
        return rules
    return replace(rules, reference=rules.reference + blocks & 0xFFFFFFFF)


def split(size: int, sent: Buffer) -> tuple[bytes, bytes]:
    """Data and protection information of blocks in which they lie one after the other."""
    view, unit = memoryview(sent), size + SIZE
    starts = range(0, len(view), unit)
    return b"".join(view[at : at + size] for at in starts), b"".join(view[at + size : at + unit] for at in starts)


def join(size: int, data: memoryview, information: bytes, into: memoryview) -> None:
    """The other way."""
    unit = size + SIZE
    kept = memoryview(information)
    for n in range(len(data) // size):
        at = n * unit
        into[at : at + size] = data[n * size : (n + 1) * size]
        into[at + size : at + unit] = kept[n * SIZE : (n + 1) * SIZE]
