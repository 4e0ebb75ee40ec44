"""WRITE FILEMARKS, ERASE, FORMAT MEDIUM: what changes a tape besides blocks (SSC-5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    POSITION_PAST_BEGINNING,
    VOLUME_FULL,
    WORM_OVERWRITE,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.blocks import make_way, warned
from tgtd.scsi.ssc.cartridge import Cartridge
from tgtd.scsi.ssc.division import Division, divides
from tgtd.scsi.ssc.head import EOM, Head, Stopped
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_IMMED = 0x01


def write_filemarks(drive: TapeDrive, task: Task) -> int:
    """WRITE FILEMARKS(6) and (16): without IMMED all that was written before is on stable storage, none is a flush."""
    cdb = task.cdb
    count = int.from_bytes(cdb[2:5] if cdb[0] == 0x10 else cdb[12:15], "big")
    immediate = bool(cdb[1] & _IMMED)
    if immediate and not count:
        return GOOD

    def prepare() -> Callable[[], Head]:
        return partial(_mark, drive.tape(), drive.head, count, not immediate, drive.early(drive.partition()))

    return drive.alone(task, prepare, writing=True)


def _mark(cartridge: Cartridge, head: Head, count: int, synchronize: bool, early: int) -> Head:
    if not count:
        cartridge.synchronize()
        return head
    partition = make_way(cartridge, head)
    if partition.end >= partition.capacity:
        raise Stopped(Head(head.partition, partition.objects), VOLUME_FULL, EOM, count)
    partition.append_filemarks(count)
    if synchronize:
        cartridge.synchronize()
    return warned(partition, head.partition, early)


def erase(drive: TapeDrive, task: Task) -> int:
    """ERASE(6), (16): short or long, what follows is gone, and gives its space back."""

    def prepare() -> Callable[[], Head]:
        return partial(_erase, drive.tape(), drive.head)

    return drive.alone(task, prepare, writing=True)


def _erase(cartridge: Cartridge, head: Head) -> Head:
    make_way(cartridge, head)
    return head


def format_medium(drive: TapeDrive, task: Task) -> int:
    """FORMAT MEDIUM: one partition, or (1h, 2h) those that the medium partition mode page asks for."""
    kind = task.cdb[2] & 0x0F
    if kind > 2 or (kind and not divides(drive)):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)

    def prepare() -> Callable[[], Head]:
        if drive.head[:2] != (0, 0):
            raise CheckCondition(POSITION_PAST_BEGINNING)
        cartridge = drive.tape()
        if cartridge.kind == "worm":
            raise CheckCondition(WORM_OVERWRITE)
        return partial(_format, cartridge, _capacities(drive, cartridge, kind), drive.write_density)

    def then(task: Task) -> None:
        if not kind:
            drive.division = Division()

    return drive.alone(task, prepare, then, writing=True)


def _capacities(drive: TapeDrive, cartridge: Cartridge, kind: int) -> list[int]:
    if not kind:
        return [cartridge.capacity]
    if drive.division.additional >= drive.personality.partitions:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)
    try:
        return drive.division.capacities(cartridge.capacity)
    except ValueError as trouble:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3) from trouble


def _format(cartridge: Cartridge, sizes: list[int], density: int) -> Head:
    cartridge.format(sizes, density)
    return Head()


MARKS = (
    Command(
        0x10, "WRITE FILEMARKS(6)", write_filemarks, usage("10 01 FFFFFF 04"), medium=True, writes=True, timeout=600
    ),
    Command(
        0x80,
        "WRITE FILEMARKS(16)",
        write_filemarks,
        usage("80 01 0000000000000000 0000 FFFFFF 04"),
        medium=True,
        writes=True,
        timeout=600,
    ),
    Command(0x19, "ERASE(6)", erase, usage("19 03 000000 04"), medium=True, writes=True, timeout=3600),
    Command(0x04, "FORMAT MEDIUM", format_medium, usage("04 00 0F 0000 04"), medium=True, writes=True, timeout=600),
)
