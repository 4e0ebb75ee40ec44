"""VERIFY: blocks are read, decrypted and unpacked without being handed over (SSC-5 7.12, 7.13).

Their checksums are checked in any case: what VLBPM asks for is done without it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    MISCOMPARE_DURING_VERIFY,
    NO_ADDITIONAL_SENSE,
    VERIFY_IN_PROGRESS,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.blocks import FIXED, Reading, TransferLength, start, transfer_length
from tgtd.scsi.ssc.cartridge import Partition
from tgtd.scsi.ssc.coding import Coding
from tgtd.scsi.ssc.head import ILI, Halted, Head, Stopped, end_of_data, record_at
from tgtd.scsi.ssc.turn import Behind, Turn
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_TO_END, _METHOD, _BY_MARKS, _IMMED, _COMPARE = 0x20, 0x10, 0x08, 0x04, 0x02
"""VTE, VLBPM, VBF, IMMED, BYTCMP."""


class Stretch(NamedTuple):
    """What VTE and VBF ask for. marks: to be passed; None: as far as the data goes. length: of blocks, 0 for any."""

    marks: int | None
    length: int


def _blocks(drive: TapeDrive, cdb: bytes) -> TransferLength:
    """What is asked for where it is told in blocks. Where READ has SILI, there is BYTCMP."""
    return transfer_length(drive, cdb[:1] + bytes((cdb[1] & ~(_COMPARE | _IMMED),)) + cdb[2:])


def _stretch(drive: TapeDrive, cdb: bytes) -> Stretch | None:
    """Raises INVALID FIELD IN CDB. None: it is told in blocks."""
    flags = cdb[1]
    if flags & _METHOD and not drive.protection.method:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if not flags & (_TO_END | _BY_MARKS):
        return None
    if flags & _TO_END and flags & _BY_MARKS:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=3)
    if flags & _COMPARE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=1)
    if flags & FIXED and not drive.block_length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=0)
    marks = int.from_bytes(cdb[2:5] if cdb[0] < 0x80 else cdb[12:15], "big")
    return Stretch(None if flags & _TO_END else marks, drive.block_length if flags & FIXED else 0)


def wanted(drive: TapeDrive, cdb: bytes) -> int:
    """Data to compare with, if BYTCMP asks for that."""
    return _blocks(drive, cdb).total if _stretch(drive, cdb) is None and cdb[1] & _COMPARE else 0


def _turn(drive: TapeDrive, task: Task, long: bool) -> Turn:
    behind = Behind(VERIFY_IN_PROGRESS) if task.cdb[1] & _IMMED else None
    return Turn(drive, task, long=long or behind is not None, behind=behind)


def verify(drive: TapeDrive, task: Task) -> int:
    """VERIFY(6), (16)."""
    stretch = _stretch(drive, task.cdb)
    if stretch is not None:
        return _verify_stretch(drive, task, stretch)
    what = _blocks(drive, task.cdb)
    compare = bool(task.cdb[1] & _COMPARE)
    expected = memoryview(task.data_out or b"") if compare else None
    if expected is not None and len(expected) != what.total:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2 if task.cdb[0] < 0x80 else 12)
    if not what.total:
        return GOOD
    cdb, itl, turn = task.cdb, task.itl, _turn(drive, task, long=False)

    def prepare() -> Callable[[], Head]:
        head, coding = start(drive, cdb), drive.decoding(itl, compare)
        partition = drive.tape().partitions[head.partition]
        kept = memoryview(bytes(expected)) if expected is not None and cdb[1] & _IMMED else expected
        return partial(_verify, turn, partition, head, what, kept, coding)

    return turn.take(prepare)


def _verify(
    turn: Turn, partition: Partition, head: Head, what: TransferLength, expected: memoryview | None, coding: Coding
) -> Head:
    one = TransferLength(what.fixed, 1, what.length, what.quiet, what.declared)
    buffer = memoryview(bytearray(what.length))
    for number in range(what.count):
        if turn.unwanted():
            break
        reading = Reading(partition, head, one, buffer, coding, turn.unwanted)
        try:
            head = reading.run()
        except (Stopped, Halted) as stopped:
            if stopped.information is not None and what.fixed:
                stopped.information = what.count - number
            raise
        if expected is not None and expected[number * what.length : (number + 1) * what.length] != buffer:
            raise Stopped(head, MISCOMPARE_DURING_VERIFY)
        turn.progress = (number + 1) * 65535 // what.count
    return head


def _verify_stretch(drive: TapeDrive, task: Task, stretch: Stretch) -> int:
    if stretch.marks == 0:
        return GOOD
    turn = _turn(drive, task, long=True)

    def prepare() -> Callable[[], Head]:
        head, coding = start(drive, task.cdb), drive.decoding(task.itl)
        return partial(_pass, turn, drive.tape().partitions[head.partition], head, stretch, coding)

    return turn.take(prepare)


def _pass(turn: Turn, partition: Partition, head: Head, stretch: Stretch, coding: Coding) -> Head:
    """By a worker: over filemarks and blocks."""
    marks, nothing, first = stretch.marks, memoryview(bytearray()), head.number
    while (marks is None or marks > 0) and not turn.unwanted():
        if head.number >= partition.objects:
            if marks is None and not partition.lost:
                return head
            raise end_of_data(partition, head, marks)
        turn.progress = (head.number - first) * 65535 // (partition.objects - first)
        record = record_at(partition, head)
        if record.run:
            passed = record.number + record.run - head.number
            if marks is not None:
                passed = min(passed, marks)
                marks -= passed
            head = Head(head.partition, head.number + passed)
            continue
        try:
            length = coding.protect(nothing, coding.fetch(partition, head.partition, record, nothing))
        except CheckCondition as refused:
            raise Stopped(head, refused.sense, residue=marks) from refused
        except OSError as error:
            raise Halted(error, Head(head.partition, record.number + 1), marks) from error
        head = Head(head.partition, record.number + 1, record)
        if stretch.length not in (0, length):
            raise Stopped(head, NO_ADDITIONAL_SENSE, ILI, marks)
    return head


VERIFIES = (
    Command(0x13, "VERIFY(6)", verify, usage("13 3F FFFFFF 04"), data_out=wanted, medium=True, timeout=86400),
    Command(
        0x8F,
        "VERIFY(16)",
        verify,
        usage("8F 3F 00 FF FFFFFFFFFFFFFFFF FFFFFF 04"),
        data_out=wanted,
        medium=True,
        timeout=86400,
    ),
)
