"""READ CAPACITY (10), (16) (SBC-4 5.20, 5.21)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.sense import GOOD
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk


def physical_exponent(disk: Disk) -> int:
    """LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT."""
    return max(0, disk.settings.physical_block_size.bit_length() - disk.block_size.bit_length())


def reads_zeros(disk: Disk) -> bool:
    """LBPRZ: an unmapped block reads as zeros."""
    return disk.thin and disk.store().zero_after_discard


def read_capacity_10(disk: Disk, task: Task) -> int:
    """FFFFFFFFh says: ask READ CAPACITY (16)."""
    task.data_in = struct.pack(">II", min(max(disk.blocks - 1, 0), 0xFFFFFFFF), disk.block_size)
    return GOOD


def read_capacity_16(disk: Disk, task: Task) -> int:
    """P_TYPE and PROT_EN; LBPME and LBPRZ as the medium has it."""
    protection = (disk.protection - 1) << 1 | 0x01 if disk.protection else 0
    exponent, provisioning = physical_exponent(disk), disk.thin << 15 | reads_zeros(disk) << 14
    answer = struct.pack(">QIBBH16x", max(disk.blocks - 1, 0), disk.block_size, protection, exponent, provisioning)
    task.data_in = answer[: int.from_bytes(task.cdb[10:14], "big")]
    return GOOD
