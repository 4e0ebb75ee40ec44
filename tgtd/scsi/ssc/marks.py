"""WRITE FILEMARKS, ERASE, FORMAT MEDIUM, SET CAPACITY: what changes a tape besides blocks (SSC-5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    ERASE_IN_PROGRESS,
    FORMAT_IN_PROGRESS,
    INVALID_FIELD_IN_CDB,
    POSITION_PAST_BEGINNING,
    ROUNDED_PARAMETER,
    SET_CAPACITY_IN_PROGRESS,
    VOLUME_FULL,
    WORM_OVERWRITE,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.blocks import at_end, start
from tgtd.scsi.ssc.cartridge import Cartridge
from tgtd.scsi.ssc.division import Division, divides
from tgtd.scsi.ssc.ground import NONE, Ground, check_formatting
from tgtd.scsi.ssc.head import EOM, Halted, Head, Stopped
from tgtd.scsi.ssc.turn import Behind, Turn
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_IMMED, _LONG, _IMMED_OF_ERASE = 0x01, 0x01, 0x02
_WHOLE = 65535
"""CAPACITY PROPORTION VALUE of the whole tape."""
_LEAST_CAPACITY = 1 << 20


def write_filemarks(drive: TapeDrive, task: Task) -> int:
    """WRITE FILEMARKS(6) and (16): without IMMED all that was written before is on stable storage, none is a flush.
    With it they are in the buffer when the command ends, as blocks are, and the rest is done behind it."""
    cdb = task.cdb
    count = int.from_bytes(cdb[2:5] if cdb[0] == 0x10 else cdb[12:15], "big")
    immediate = bool(cdb[1] & _IMMED)

    def prepare() -> Callable[[], Head]:
        head = start(drive, cdb)
        return partial(_mark, drive.tape(), head, count, not immediate, drive.ground(head.partition))

    def now() -> Head | None:
        head, cartridge = start(drive, cdb), drive.tape()
        if count and not (at_end(cartridge.partitions[head.partition], head) and drive.pace.allows()):
            return None
        began = perf_counter()
        try:
            return _mark(cartridge, head, count, False, drive.ground(head.partition))
        finally:
            drive.pace.took(perf_counter() - began)

    def then(task: Task) -> None:
        drive.flushing.ask(task.itl)

    if immediate:
        return drive.alone(task, prepare, then, writing=True, now=now)
    return drive.alone(task, prepare, writing=True)


def _mark(cartridge: Cartridge, head: Head, count: int, synchronize: bool, ground: Ground) -> Head:
    """By a worker, or by the loop thread if it is but a copy into the page cache."""
    if count:
        partition = ground.clear(cartridge, head)
        before = partition.end
        if partition.end >= partition.capacity:
            raise Stopped(Head(head.partition, partition.objects), VOLUME_FULL, EOM, count)
        partition.append_filemarks(count)
        head = Head(head.partition, partition.objects)
    if synchronize:
        try:
            cartridge.synchronize()
        except OSError as error:  # the filemarks stand there nevertheless
            raise Halted(error, head) from error
    return ground.warned(partition, head.partition, before) if count else head


def erase(drive: TapeDrive, task: Task) -> int:
    """ERASE(6), (16): short or LONG, what follows is gone, and its space is given back; after LONG nothing is left of
    it in the file."""
    cdb = task.cdb
    thorough = bool(cdb[1] & _LONG)
    behind = Behind(ERASE_IN_PROGRESS) if cdb[1] & _IMMED_OF_ERASE else None
    turn = Turn(drive, task, writing=True, long=thorough, behind=behind)

    def prepare() -> Callable[[], Head]:
        head = start(drive, cdb)
        return partial(_erase, turn, drive.tape(), head, drive.ground(head.partition), thorough)

    return turn.take(prepare)


def _erase(turn: Turn, cartridge: Cartridge, head: Head, ground: Ground, thorough: bool) -> Head:
    """By a worker. LONG takes hours where the file system cannot punch holes; what nobody wants any more ends early."""
    ground.clear(cartridge, head)
    for share in cartridge.wipe(head.partition) if thorough else ():
        turn.progress = int(share * 65535)
        if turn.unwanted():
            break
    return head


def format_medium(drive: TapeDrive, task: Task) -> int:
    """FORMAT MEDIUM: one partition, or (1h, 2h) those that the medium partition mode page asks for."""
    kind = task.cdb[2] & 0x0F
    if kind > 2 or (kind and not divides(drive)):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)

    def prepare() -> Callable[[], Head]:
        if drive.head[:2] != (0, 0):
            raise CheckCondition(POSITION_PAST_BEGINNING)
        check_formatting(drive)
        cartridge = drive.tape()
        if cartridge.kind == "worm":
            raise CheckCondition(WORM_OVERWRITE)
        return partial(_format, cartridge, _capacities(drive, cartridge, kind), drive.density_of(cartridge))

    def then(task: Task) -> None:
        drive.exemption = NONE
        if not kind:
            drive.division = Division()

    behind = Behind(FORMAT_IN_PROGRESS, FORMAT_IN_PROGRESS) if task.cdb[1] & _IMMED else None
    return drive.alone(task, prepare, then, writing=True, behind=behind)


def _capacities(drive: TapeDrive, cartridge: Cartridge, kind: int) -> list[int]:
    if not kind:
        return [cartridge.available]
    if drive.division.additional >= drive.personality.partitions:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)
    try:
        return drive.division.capacities(cartridge.available)
    except ValueError as trouble:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3) from trouble


def _format(cartridge: Cartridge, sizes: list[int], density: int) -> Head:
    cartridge.format(sizes, density)
    return Head()


def set_capacity(drive: TapeDrive, task: Task) -> int:
    """SET CAPACITY: from now on there is only a part of the tape, in one partition; what was on it is gone."""
    proportion = int.from_bytes(task.cdb[3:5], "big")

    def prepare() -> Callable[[], Head]:
        cartridge = drive.tape()
        if drive.head[:2] != (0, 0):
            raise CheckCondition(POSITION_PAST_BEGINNING)
        check_formatting(drive)
        if cartridge.kind == "worm" and any(partition.objects for partition in cartridge.partitions):
            raise CheckCondition(WORM_OVERWRITE)
        wanted = cartridge.capacity * proportion // _WHOLE
        available = min(max(wanted, _LEAST_CAPACITY), cartridge.capacity)
        return partial(_resize, cartridge, available, drive.density_of(cartridge), available != wanted)

    def then(task: Task) -> None:
        drive.exemption = NONE
        drive.division = Division()

    behind = Behind(SET_CAPACITY_IN_PROGRESS) if task.cdb[1] & _IMMED else None
    return drive.alone(task, prepare, then, writing=True, behind=behind)


def _resize(cartridge: Cartridge, available: int, density: int, rounded: bool) -> Head:
    cartridge.format([available], density, available)
    if rounded:
        raise Stopped(Head(), ROUNDED_PARAMETER)
    return Head()


MARKS = (
    Command(
        0x10, "WRITE FILEMARKS(6)", write_filemarks, usage("10 01 FFFFFF 04"), medium=True, writes=True, timeout=600
    ),
    Command(
        0x80,
        "WRITE FILEMARKS(16)",
        write_filemarks,
        usage("80 01 00 FF FFFFFFFFFFFFFFFF FFFFFF 04"),
        medium=True,
        writes=True,
        timeout=600,
    ),
    Command(0x19, "ERASE(6)", erase, usage("19 03 000000 04"), medium=True, writes=True, timeout=3600),
    Command(
        0x93,
        "ERASE(16)",
        erase,
        usage("93 03 00 FF FFFFFFFFFFFFFFFF 000000 04"),
        medium=True,
        writes=True,
        timeout=3600,
    ),
    Command(0x0B, "SET CAPACITY", set_capacity, usage("0B 01 00 FFFF 04"), medium=True, writes=True, timeout=600),
    Command(0x04, "FORMAT MEDIUM", format_medium, usage("04 01 0F 0000 04"), medium=True, writes=True, timeout=600),
)
