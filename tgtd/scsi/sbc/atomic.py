"""WRITE ATOMIC(16): all is written, or nothing, for every other command and after every failure (SBC-4 4.29, 5.48).

Only where the medium can promise that. A file system writes page by page: it cannot.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.write import exact
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk


def most_atomic(disk: Disk) -> int:
    """MAXIMUM ATOMIC TRANSFER LENGTH of VPD page B0h, in blocks; zero where there is no WRITE ATOMIC."""
    return 0 if disk.medium is None else min(disk.medium.atomic_bytes >> disk.shift, 0xFFFF)


def _able(disk: Disk) -> bool:
    return most_atomic(disk) > 0


def _range(disk: Disk, cdb: bytes) -> tuple[int, int]:
    lba, count = int.from_bytes(cdb[2:10], "big"), int.from_bytes(cdb[12:14], "big")
    if lba >= disk.blocks or lba + count > disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    if count > most_atomic(disk):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=12)
    return lba, count


def wanted(disk: Disk, cdb: bytes) -> int:
    _, count = _range(disk, cdb)
    return count << disk.shift


def write_atomic_16(disk: Disk, task: Task) -> int:
    """WRITE ATOMIC(16), in one piece: there is no ATOMIC BOUNDARY. Nothing else runs meanwhile."""
    lba, count = _range(disk, task.cdb)
    data = exact(task, count << disk.shift, 12)
    disk.counters.writes += 1
    if not count:
        return GOOD
    disk.counters.write_bytes += len(data)
    return disk.defer_alone(task, partial(disk.store().write, lba << disk.shift, data, True), writing=True)


ATOMIC = (
    Command(
        0x9C,
        "WRITE ATOMIC(16)",
        write_atomic_16,
        usage("9C 18 FFFFFFFFFFFFFFFF 0000 FFFF 3F 04"),
        data_out=wanted,
        medium=True,
        writes=True,
        reservation="write",
        available=_able,
    ),
)
