"""READ and WRITE of logical blocks, of fixed length or of any (SSC-5).

A worker goes from block to block; what stops it (a filemark, the end, a block of another length) ends the command with
the sense data of stream devices: flags, and how much was left in INFORMATION.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    FILEMARK_DETECTED,
    GOOD,
    INVALID_FIELD_IN_CDB,
    NO_ADDITIONAL_SENSE,
    VOLUME_FULL,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.cartridge import Cartridge, Partition
from tgtd.scsi.ssc.coding import Coding
from tgtd.scsi.ssc.ground import Ground
from tgtd.scsi.ssc.guarding import SIZE as PROTECTION
from tgtd.scsi.ssc.head import EOM, FILEMARK, ILI, Halted, Head, Stopped, end_of_data, record_at
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

LONGEST = 0xFFFFFF
"""Bytes of the longest block: as many as READ(6) can ask for (READ BLOCK LIMITS)."""

FIXED, SILI = 0x01, 0x02

_PROMPT = 1 << 20
"""Bytes that are copied in the loop thread: a worker would cost more."""
_FEW = 16
"""Blocks that are written there."""


@dataclass(frozen=True, slots=True)
class TransferLength:
    """What a READ, WRITE or VERIFY asks for. count: blocks of `length` bytes, or one block when fixed is false.

    quiet: a block of another length is no reason to stop (SILI). declared: BLOCK LENGTH of the mode parameters.
    """

    fixed: bool
    count: int
    length: int
    quiet: bool = False
    declared: int = 0

    @property
    def total(self) -> int:
        return self.count * self.length


def transfer_length(drive: TapeDrive, cdb: bytes) -> TransferLength:
    """Raises INVALID FIELD IN CDB: fixed blocks of no length, or SILI with them; more than a block may have."""
    six = cdb[0] < 0x80
    asked = int.from_bytes(cdb[2:5] if six else cdb[12:15], "big")
    declared = drive.block_length
    if not cdb[1] & FIXED:
        return TransferLength(False, 1, asked, bool(cdb[1] & SILI), declared)
    if not declared:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=0)
    if cdb[1] & SILI:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=1)
    if asked * declared > drive.most_bytes:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2 if six else 12)
    return TransferLength(True, asked, declared, False, declared)


def start(drive: TapeDrive, cdb: bytes) -> Head:
    """Where a command begins: where the drive is, or where one of 16 bytes says. Raises INVALID FIELD IN CDB for
    a partition that is not there, Stopped for a place behind the data."""
    if cdb[0] < 0x80:
        return drive.head
    partitions = drive.tape().partitions
    if cdb[3] >= len(partitions):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    head = Head(cdb[3], int.from_bytes(cdb[4:12], "big"))
    if head.number > partitions[cdb[3]].objects:
        raise end_of_data(partitions[cdb[3]], head)
    return drive.head if drive.head[:2] == head[:2] else head


def at_end(partition: Partition, head: Head) -> bool:
    """Whether what is written there follows all that is there."""
    return head.number == partition.objects and not partition.lost


# Reading


class Reading:
    """A READ under way. filled: bytes of `buffer` that are read. fetched, unpacked: bytes of the blocks
    as they stand in the cartridge, and as they were sent. unwanted: whether nobody wants the rest any more."""

    def __init__(
        self,
        partition: Partition,
        head: Head,
        what: TransferLength,
        buffer: memoryview,
        coding: Coding,
        unwanted: Callable[[], bool],
    ) -> None:
        self._coding = coding
        self.filled = self.fetched = self.unpacked = 0
        self._partition = partition
        self._head = head
        self._wish = what
        self._buffer = buffer
        self._unwanted = unwanted

    def run(self) -> Head:
        """By a worker. Raises Stopped, Halted."""
        for number in range(self._wish.count):
            if self._unwanted():
                break
            self._block(self._wish.count - number)
        return self._head

    def now(self) -> Head | None:
        """The same in the loop thread, for one block that follows the one before it, as long as is asked for, and in
        the page cache."""
        head, what = self._head, self._wish
        if head.before is None or what.count != 1 or what.length > _PROMPT or not self._coding.reads_plain:
            return None
        record = self._partition.read_now(head.before, self._buffer)
        if record is None:
            return None
        self.filled = self.fetched = self.unpacked = what.length
        return Head(head.partition, record.number + 1, record)

    def _block(self, left: int) -> None:
        """left: blocks that are wanted still, this one included."""
        what, partition, head = self._wish, self._partition, self._head
        residue = left if what.fixed else what.length
        if head.number >= partition.objects:
            raise end_of_data(partition, head, residue)
        behind = Head(head.partition, head.number + 1)
        try:
            record = record_at(partition, head)
        except OSError as error:
            raise Halted(error, behind, residue) from error
        if record.run:
            raise Stopped(behind, FILEMARK_DETECTED, FILEMARK, residue)
        room = self._buffer[self.filled : self.filled + what.length]
        try:
            length = self._coding.fetch(partition, head.partition, record, room)
        except CheckCondition as refused:  # the block is still ahead
            raise Stopped(Head(head.partition, record.number), refused.sense, residue=residue) from refused
        except OSError as error:  # SSC-5 6.4: the next READ has the block behind it
            raise Halted(error, behind, residue) from error
        self.fetched += record.stored
        self.unpacked += length
        length = self._coding.protect(room, length)
        self._head = Head(head.partition, record.number + 1, record)
        if length == what.length:
            self.filled += length
            return
        if what.fixed:
            raise Stopped(self._head, NO_ADDITIONAL_SENSE, ILI, left)
        self.filled = min(length, what.length)
        if not what.quiet or (length > what.length and what.declared):
            raise Stopped(self._head, NO_ADDITIONAL_SENSE, ILI, what.length - length)


def read(drive: TapeDrive, task: Task) -> int:
    """READ(6), READ(16)."""
    what = transfer_length(drive, task.cdb)
    if not what.total:
        return GOOD
    buffer = task.allocate(drive.pool, what.total)
    readings: list[Reading] = []

    def prepare() -> Callable[[], Head]:
        head = start(drive, task.cdb)
        partition = drive.tape().partitions[head.partition]
        reading = Reading(partition, head, what, buffer, drive.decoding(task.itl), task.is_aborted)
        readings[:] = (reading,)
        return reading.run

    def then(task: Task) -> None:
        reading = readings[0]
        filled = reading.filled
        drive.tally.add(fetched=reading.fetched, handed=filled, unpacked=reading.unpacked)
        task.data_in = buffer[:filled]
        drive.counters.reads += 1
        drive.counters.read_bytes += filled

    def now() -> Head | None:
        return readings[0].now()

    return drive.alone(task, prepare, then, now=now)


# Writing


def wanted(drive: TapeDrive, cdb: bytes) -> int:
    """Bytes of data-out that a WRITE wants."""
    return transfer_length(drive, cdb).total


def write(drive: TapeDrive, task: Task) -> int:
    """WRITE(6), WRITE(16): what follows is gone, and the end of data is behind what was written."""
    what = transfer_length(drive, task.cdb)
    data = memoryview(task.data_out or b"")
    if len(data) != what.total:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2 if task.cdb[0] < 0x80 else 12)
    if not what.total:
        return GOOD

    writings: list[Writing] = []

    def prepare() -> Callable[[], Head]:
        coding = drive.encoding(task.itl)
        if coding.guard is not None and what.length < PROTECTION:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=2 if task.cdb[0] < 0x80 else 12)
        head = start(drive, task.cdb)
        writing = Writing(drive.tape(), drive.ground(head.partition), head, what, data, coding, task.is_aborted)
        writings[:] = (writing,)
        return writing.run

    def now() -> Head | None:
        writing = writings[0]
        if not writing.prompt or not drive.pace.allows():
            return None
        began = perf_counter()
        try:
            return writing.run()
        finally:
            drive.pace.took(perf_counter() - began)

    def then(task: Task) -> None:
        writing = writings[0]
        drive.counters.writes += 1
        drive.counters.write_bytes += writing.received
        drive.tally.add(received=writing.received, stored=writing.stored)

    return drive.alone(task, prepare, then, writing=True, now=now)


class Writing:
    """A WRITE under way. received, stored: bytes that were written, as they were sent and as they stand there.
    unwanted: as `Reading` has it."""

    def __init__(
        self,
        cartridge: Cartridge,
        ground: Ground,
        head: Head,
        what: TransferLength,
        data: memoryview,
        coding: Coding,
        unwanted: Callable[[], bool],
    ) -> None:
        self._coding = coding
        self.head = head
        self.received = self.stored = 0
        self._cartridge = cartridge
        self._ground = ground
        self._left = 0  # as `_blocks` has it, of the block that is being written
        self._wish = what
        self._data = data
        self._unwanted = unwanted

    @property
    def prompt(self) -> bool:
        """Whether it is no more than a few copies into the page cache, behind what is there."""
        partition, what = self._cartridge.partitions[self.head.partition], self._wish
        return (
            at_end(partition, self.head) and what.count <= _FEW and what.total <= _PROMPT and self._coding.writes_plain
        )

    def run(self) -> Head:
        """By a worker, or by the loop thread if it is `prompt`. Raises CheckCondition, Stopped, Halted."""
        try:
            return self._write()
        except OSError as error:
            raise Halted(error, self.head, self._left) from error

    def _write(self) -> Head:
        blocks, head, ground = self._blocks(), self.head, self._ground
        first = next(blocks)  # nothing is cut for a block that is not what was sent
        self._left = first[0]
        partition = ground.clear(self._cartridge, head)
        before = partition.end
        for left, data in chain((first,), blocks):
            self._left = left
            if self._unwanted():
                break
            form, stored = self._coding.store(data, head.partition, partition.objects)
            if partition.end + len(stored) > partition.capacity:
                raise Stopped(Head(head.partition, partition.objects), VOLUME_FULL, EOM, left)
            partition.append_block(stored, len(data), form)
            self.received += len(data)
            self.stored += len(stored)
            self.head = Head(head.partition, partition.objects)
        return ground.warned(partition, head.partition, before)

    def _blocks(self) -> Iterator[tuple[int, memoryview]]:
        """The blocks without what protects them, and what is left with each. Raises Stopped: one is not what was
        sent."""
        what = self._wish
        for number in range(what.count):
            left = what.count - number if what.fixed else what.length
            try:
                data = self._coding.bare(self._data[number * what.length : (number + 1) * what.length])
            except CheckCondition as refused:
                raise Stopped(self.head, refused.sense, residue=left) from refused
            yield left, data


BLOCKS = (
    Command(0x08, "READ(6)", read, usage("08 03 FFFFFF 04"), medium=True, timeout=3600),
    Command(0x88, "READ(16)", read, usage("88 03 00 FF FFFFFFFFFFFFFFFF FFFFFF 04"), medium=True, timeout=3600),
    Command(0x0A, "WRITE(6)", write, usage("0A 01 FFFFFF 04"), data_out=wanted, medium=True, writes=True, timeout=3600),
    Command(
        0x8A,
        "WRITE(16)",
        write,
        usage("8A 01 00 FF FFFFFFFFFFFFFFFF FFFFFF 04"),
        data_out=wanted,
        medium=True,
        writes=True,
        timeout=3600,
    ),
)
