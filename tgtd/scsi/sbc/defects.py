"""WRITE LONG, REASSIGN BLOCKS, READ DEFECT DATA: bad blocks by command (SBC-4 5.44, 5.45, 5.19, 5.10, 5.11).

A medium has no defects that we would know of; what there is are blocks that application clients marked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.flaws import MOST
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    LBA_OUT_OF_RANGE,
    NO_DEFECT_SPARE,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

WR_UNCOR, PBLOCK = 0x40, 0x20
LONGLBA, LONGLIST = 0x02, 0x01
_PLIST, _GLIST = 0x10, 0x08
_SHORT_BLOCK, _LONG_BLOCK = 0, 3
_MOST_REASSIGNED = 1024


def write_long_10(disk: Disk, task: Task) -> int:
    """WRITE LONG(10)."""
    return _write_long(disk, task.cdb, int.from_bytes(task.cdb[2:6], "big"))


def write_long_16(disk: Disk, task: Task) -> int:
    """WRITE LONG(16)."""
    return _write_long(disk, task.cdb, int.from_bytes(task.cdb[2:10], "big"))


def _write_long(disk: Disk, cdb: bytes, lba: int) -> int:
    """Only WR_UNCOR is left of WRITE LONG in SBC-4: the block, or with PBLOCK its physical block, cannot be read until
    it is written."""
    if lba >= disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    if not cdb[1] & WR_UNCOR:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=6)
    count = 1
    if cdb[1] & PBLOCK:
        count = max(1, disk.settings.physical_block_size >> disk.shift)
        lba -= lba % count
    disk.flawed().mark(lba, min(count, disk.blocks - lba))
    return GOOD


def wanted_reassign(disk: Disk, cdb: bytes) -> int:
    """The longest list: the CDB does not tell its length, the list itself does."""
    return 4 + _MOST_REASSIGNED * _address_size(cdb)


def _address_size(cdb: bytes) -> int:
    return 8 if cdb[1] & LONGLBA else 4


def reassign_blocks(disk: Disk, task: Task) -> int:
    """REASSIGN BLOCKS: marked blocks can be read again, with what was in them; all are in the grown list then."""
    cdb, data, size = task.cdb, bytes(task.data_out or b""), _address_size(task.cdb)
    task.wanted_out = 4
    if len(data) < 4:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    length = int.from_bytes(data[:4] if cdb[1] & LONGLIST else data[2:4], "big")
    if length % size or length > len(data) - 4:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    task.wanted_out = 4 + length
    blocks = [int.from_bytes(data[at : at + size], "big") for at in range(4, 4 + length, size)]
    if any(block >= disk.blocks for block in blocks):
        raise CheckCondition(LBA_OUT_OF_RANGE)
    if len(disk.reassigned.union(blocks)) > MOST:
        raise CheckCondition(NO_DEFECT_SPARE, information=blocks[0])
    disk.reassigned.update(blocks)
    disk.heal(blocks)
    return GOOD


def read_defect_data_10(disk: Disk, task: Task) -> int:
    """READ DEFECT DATA(10)."""
    cdb = task.cdb
    chosen, body = _defects(disk, cdb[2], 2)
    task.data_in = (struct.pack(">xBH", chosen, min(len(body), 0xFFFF)) + body)[: int.from_bytes(cdb[7:9], "big")]
    return GOOD


def read_defect_data_12(disk: Disk, task: Task) -> int:
    """READ DEFECT DATA(12), from a descriptor on."""
    cdb = task.cdb
    chosen, body = _defects(disk, cdb[1], 1)
    size = 8 if chosen & 0x07 == _LONG_BLOCK else 4
    body = body[int.from_bytes(cdb[2:6], "big") * size :]
    task.data_in = (struct.pack(">xBHI", chosen, 0, len(body)) + body)[: int.from_bytes(cdb[6:10], "big")]
    return GOOD


def _defects(disk: Disk, asked: int, field: int) -> tuple[int, bytes]:
    """Lists and format as they are answered, and the descriptors: the primary list is empty."""
    kind = asked & 0x07
    pack: Callable[[int], bytes]
    if kind == _SHORT_BLOCK:
        blocks = [block for block in sorted(disk.reassigned) if block <= 0xFFFFFFFF]
        pack = struct.Struct(">I").pack
    elif kind == _LONG_BLOCK:
        blocks, pack = sorted(disk.reassigned), struct.Struct(">Q").pack
    else:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field, bit=2)
    body = b"".join(map(pack, blocks)) if asked & _GLIST else b""
    return asked & (_PLIST | _GLIST | 0x07), body


DEFECTS = (
    Command(0x3F, "WRITE LONG(10)", write_long_10, usage("3F 60 FFFFFFFF 00 0000 04"), medium=True, writes=True),
    Command(
        0x9F,
        "WRITE LONG(16)",
        write_long_16,
        usage("9F 71 FFFFFFFFFFFFFFFF 0000 0000 00 04"),
        action=0x11,
        medium=True,
        writes=True,
    ),
    Command(
        0x07,
        "REASSIGN BLOCKS",
        reassign_blocks,
        usage("07 03 000000 04"),
        data_out=wanted_reassign,
        medium=True,
        writes=True,
    ),
    Command(
        0x37,
        "READ DEFECT DATA(10)",
        read_defect_data_10,
        usage("37 00 1F 00000000 FFFF 04"),
        medium=True,
        reservation="read",
    ),
    Command(
        0xB7,
        "READ DEFECT DATA(12)",
        read_defect_data_12,
        usage("B7 1F FFFFFFFF FFFFFFFF 00 04"),
        medium=True,
        reservation="read",
    ),
)
