"""Moving the tape: REWIND, SPACE, LOCATE, READ POSITION, LOAD UNLOAD, PREVENT ALLOW (SSC-5 7)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_CDB,
    LOCATE_IN_PROGRESS,
    MEDIUM_NOT_PRESENT,
    MEDIUM_REMOVAL_PREVENTED,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.spc.removal import prevent_allow
from tgtd.scsi.ssc.cartridge import Cartridge, Partition
from tgtd.scsi.ssc.head import (
    Head,
    Unwritten,
    end,
    filemarks_before,
    locate_file,
    locate_object,
    space_blocks,
    space_filemarks,
    space_sequential_filemarks,
)
from tgtd.scsi.ssc.turn import Behind
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

Move = Callable[[Partition, Head, int], Head]

_IMMED = 0x01


def _to_end(partition: Partition, head: Head, count: int) -> Head:
    return end(partition, head)


_SEQUENTIAL = 2
_SPACES: dict[int, Move] = {
    0: space_blocks,
    1: space_filemarks,
    _SEQUENTIAL: space_sequential_filemarks,
    3: _to_end,
}
"""CODE of SPACE. Setmarks (4, 5) are gone since SSC-3."""
_LOCATES: dict[int, Move] = {0: locate_object, 1: locate_file, 3: _to_end}
"""DEST_TYPE of LOCATE(16)."""


def _synchronized(cartridge: Cartridge, move: Callable[[], Head]) -> Head:
    """A move, when all that was written before is on stable storage (SSC-5 4.2.10)."""
    if cartridge.writable:
        try:
            cartridge.synchronize()
        except OSError as error:
            raise Unwritten(error.errno, str(error)) from error
    return move()


def rewind(drive: TapeDrive, task: Task) -> int:
    """REWIND. With IMMED too it ends when what was written is synchronized; the rest takes no time."""

    def prepare() -> Callable[[], Head]:
        head = Head(drive.head.partition)
        return partial(_synchronized, drive.tape(), lambda: head)

    return drive.alone(task, prepare)


def space_6(drive: TapeDrive, task: Task) -> int:
    """SPACE(6)."""
    return _space(drive, task, task.cdb[1] & 0x0F, int.from_bytes(task.cdb[2:5], "big", signed=True))


def space_16(drive: TapeDrive, task: Task) -> int:
    """SPACE(16)."""
    return _space(drive, task, task.cdb[1] & 0x0F, int.from_bytes(task.cdb[4:12], "big", signed=True))


def _space(drive: TapeDrive, task: Task, code: int, count: int) -> int:
    move = _SPACES.get(code)
    if move is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=3)
    if code == _SEQUENTIAL:
        move = partial(space_sequential_filemarks, unwanted=task.is_aborted)

    def prepare() -> Callable[[], Head]:
        return partial(_synchronized, drive.tape(), partial(move, drive.partition(), drive.head, count))

    return drive.alone(task, prepare)


def locate_10(drive: TapeDrive, task: Task) -> int:
    """LOCATE(10): by object number, whatever BT says, as drives of today have it."""
    cdb = task.cdb
    return _locate(drive, task, 0, cdb[8] if cdb[1] & 0x02 else None, int.from_bytes(cdb[3:7], "big"))


def locate_16(drive: TapeDrive, task: Task) -> int:
    """LOCATE(16)."""
    cdb = task.cdb
    return _locate(drive, task, cdb[1] >> 3 & 0x07, cdb[3] if cdb[1] & 0x02 else None, int.from_bytes(cdb[4:12], "big"))


def _locate(drive: TapeDrive, task: Task, kind: int, number: int | None, where: int) -> int:
    """number: of a partition to change to first (CP)."""
    move = _LOCATES.get(kind)
    if move is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=5)

    def prepare() -> Callable[[], Head]:
        cartridge = drive.tape()
        partitions = cartridge.partitions
        head = drive.head if number is None else Head(number)
        if head.partition >= len(partitions):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=3 if task.cdb[0] == 0x92 else 8, bit=7)
        return partial(_synchronized, cartridge, partial(move, partitions[head.partition], head, where))

    return drive.alone(task, prepare, behind=Behind(LOCATE_IN_PROGRESS) if task.cdb[1] & _IMMED else None)


# Where it is

_SHORT = struct.Struct(">BBxxII8x")
_LONG = struct.Struct(">B3xIQQ8x")
_EXTENDED = struct.Struct(">BBH4xQQ8x")
_BOP, _EOP, _PERR, _BPEW = 0x80, 0x40, 0x02, 0x01


def read_position(drive: TapeDrive, task: Task) -> int:
    """READ POSITION (SSC-5 7.7): short, long and extended form."""
    cdb = task.cdb
    form = cdb[1] & 0x1F
    room = int.from_bytes(cdb[7:9], "big")
    if form not in (0, 1, 6, 8):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if form != 8 and room:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7, bit=7)
    found: list[tuple[int, int]] = []

    def prepare() -> Callable[[], Head]:
        partition, head = drive.partition(), drive.head

        def work() -> Head:
            at = partition.end if head.number >= partition.objects else partition.find(head.number).offset
            found.append((filemarks_before(partition, head.number), at))
            return head

        return work

    def then(task: Task) -> None:
        task.data_in = _position(drive, form, *found[0], room)

    return drive.alone(task, prepare, then)


def _position(drive: TapeDrive, form: int, marks: int, at: int, room: int) -> bytes:
    """marks: filemarks before the position. at: where it is, in bytes of the partition. Nothing waits in a buffer: what
    was written is with the cartridge."""
    head, ground = drive.head, drive.ground(drive.head.partition)
    flags = 0 if head.number else _BOP
    flags |= (_EOP if at > ground.early else 0) | (_BPEW if at > ground.warning != ground.early else 0)
    if form == 6:
        return _LONG.pack(flags, head.partition, head.number, marks)
    if form == 8:
        return _EXTENDED.pack(flags, head.partition, _EXTENDED.size - 4, head.number, head.number)[:room]
    if head.number > 0xFFFFFFFF:
        return _SHORT.pack(flags | _PERR, head.partition, 0, 0)
    return _SHORT.pack(flags, head.partition, head.number, head.number)


# In and out


def load_unload(drive: TapeDrive, task: Task) -> int:
    """LOAD UNLOAD: unloading synchronizes; the cartridge stays in the drive, as in one of a library. With IMMED too it
    ends when that is done: the rest takes no time."""
    load = bool(task.cdb[4] & 0x01)
    if drive.cartridge is None:
        raise CheckCondition(MEDIUM_NOT_PRESENT)
    if task.cdb[4] & 0x04 and load:  # EOT is for unloading
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=4, bit=2)
    if not load and drive.preventing:
        raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)

    def prepare() -> Callable[[], Head]:
        cartridge = drive.cartridge
        if cartridge is None:
            raise CheckCondition(MEDIUM_NOT_PRESENT)
        if load and drive.misfit is not None:
            raise CheckCondition(drive.misfit)
        return partial(_synchronized, cartridge, Head)

    def then(task: Task) -> None:
        drive.thread(load, task.itl.nexus)

    return drive.alone(task, prepare, then)


MOTION = (
    Command(0x01, "REWIND", rewind, usage("01 01 000000 04"), medium=True, timeout=600),
    Command(0x11, "SPACE(6)", space_6, usage("11 0F FFFFFF 04"), medium=True, timeout=3600),
    Command(0x91, "SPACE(16)", space_16, usage("91 0F 0000 FFFFFFFFFFFFFFFF 0000 00 04"), medium=True, timeout=3600),
    Command(0x2B, "LOCATE(10)", locate_10, usage("2B 07 00 FFFFFFFF 00 FF 04"), medium=True, timeout=3600),
    Command(0x92, "LOCATE(16)", locate_16, usage("92 3B 00 FF FFFFFFFFFFFFFFFF 000000 04"), medium=True, timeout=3600),
    Command(0x34, "READ POSITION", read_position, usage("34 1F 0000000000 FFFF 04"), medium=True),
    Command(0x1B, "LOAD UNLOAD", load_unload, usage("1B 01 0000 05 04"), timeout=600),
    Command(0x1E, "PREVENT ALLOW MEDIUM REMOVAL", prevent_allow, usage("1E 00 0000 01 04")),
)
