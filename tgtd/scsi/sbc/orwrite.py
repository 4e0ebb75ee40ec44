"""ORWRITE(16): what is written is OR-ed with what is there (SBC-4 5.6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.address import extent
from tgtd.scsi.sbc.write import FUA, exact, wanted
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_MOST_BYTES = 4 << 20


def orwrite_16(disk: Disk, task: Task) -> int:
    """ORWRITE(16): no other command sees or changes anything in between (SBC-4 4.28)."""
    lba, count, field = extent(task.cdb)
    disk.check(lba, count, field)
    if count << disk.shift > _MOST_BYTES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)
    data = exact(task, count << disk.shift)
    disk.counters.writes += 1
    if not count:
        return GOOD
    disk.counters.write_bytes += len(data)
    durable = bool(task.cdb[1] & FUA) or not disk.write_cache
    return disk.defer_alone(task, partial(_merge, disk.store(), lba << disk.shift, data, durable), writing=True)


def _merge(medium: BlockMedium, offset: int, data: memoryview, durable: bool) -> None:
    found = bytearray(len(data))
    medium.read(offset, memoryview(found))
    merged = int.from_bytes(found, "little") | int.from_bytes(data, "little")
    medium.write(offset, merged.to_bytes(len(data), "little"), durable)


ORWRITE = (
    Command(
        0x8B,
        "ORWRITE(16)",
        orwrite_16,
        usage("8B 18 FFFFFFFFFFFFFFFF FFFFFFFF 3F 04"),
        data_out=wanted,
        medium=True,
        writes=True,
        reservation="write",
    ),
)
