"""Blocks that go from disk to disk with no buffer in between: what the two commands of such a step do.

Only between media that keep the data themselves, behind no layer, and without protection information: nothing that
watches or changes data is passed by. Only between thin disks, as they may share space afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.medium import Taker, Taking
from tgtd.scsi.sbc.address import extent_16
from tgtd.scsi.task import PENDING, WORKING, Task

if TYPE_CHECKING:
    from tgtd.scsi.command import Handler
    from tgtd.scsi.sbc.disk import Disk

MOST = 16 << 20
"""Bytes of one step. Some file systems copy them after all."""

_LENGTH = 10


def offered(source: Disk, destination: Disk, here: int, there: int, length: int) -> Taking | None:
    """The work of handing `length` bytes over, from byte to byte. None: they must be read and written.

    Neither end has a command that must be alone: one end would wait for it, and keep the other one waiting.
    """
    medium: object = destination.medium
    if source.medium is None or not isinstance(medium, Taker) or not (source.thin and destination.thin):
        return None
    if source.turns.closed or destination.turns.closed:
        return None
    if source is destination and abs(here - there) < length:
        return None
    return medium.taking(source.medium, here, there, length, destination.durable)


def lend(disk: Disk, task: Task) -> int:
    """In the place of READ (16): busy, and in a turn of the disk, until somebody ends it."""
    lba, count = extent_16(task.cdb)
    disk.check(lba, count, _LENGTH)
    disk.counters.reads += 1
    disk.counters.read_bytes += count << disk.shift
    disk.turns.begin()
    task.busy = WORKING
    return PENDING


def take(taking: Taking) -> Handler:
    """In the place of WRITE (16)."""

    def handler(disk: Disk, task: Task) -> int:
        lba, count = extent_16(task.cdb)
        disk.check(lba, count, _LENGTH)
        disk.copies.disturb(lba, count)
        disk.counters.writes += 1
        disk.counters.write_bytes += count << disk.shift
        return disk.defer(task, taking, writing=True)

    return handler
