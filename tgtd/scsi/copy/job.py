"""A copy under way: the copy manager as an application client of the units it copies between (SPC-5 5.18.3).

What it moves it moves by commands, READ, WRITE, WRITE SAME and GET LBA STATUS, so that everything which holds for
commands holds for copies: reservations, write protection, capacity, aborts. Only tasks that are ordered they do not
wait for: those wait for the copy. One command at a time, of bounded length, and each begins by way of a medium's lane,
so that a copy never holds up the loop. Where the source is known to hold nothing, zeros are written as the destination
does it best. Where a medium can take data over from the other one, a READ and a WRITE without data run at one time.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.copy.handover import MOST, lend, offered, take
from tgtd.scsi.sbc.capacity import reads_zeros
from tgtd.scsi.sbc.provision import MOST_SAME_BYTES
from tgtd.scsi.sense import (
    COPY_STOPPED,
    COPY_TARGET_NOT_REACHABLE,
    GOOD,
    THIRD_PARTY_DEVICE_FAILURE,
    CheckCondition,
)
from tgtd.scsi.task import PENDING, SIMPLE, Task

if TYPE_CHECKING:
    from tgtd.scsi.buffers import BufferPool
    from tgtd.scsi.command import Handler
    from tgtd.scsi.copy.office import CopyOffice, End
    from tgtd.scsi.medium import Taking

STEP = 2 << 20
"""Bytes that one command of a copy moves."""

_READ, _WRITE, _SAME, _STATUS = 0x88, 0x8A, 0x93, 0x9E
_NDOB, _UNMAP, _GET_LBA_STATUS = 0x01, 0x08, 0x12


class Segment(NamedTuple):
    """A run of bytes to move; offsets and length are multiples of both ends' blocks. source None: zeros."""

    source: End | None
    source_offset: int
    destination: End
    destination_offset: int
    length: int

    @property
    def backwards(self) -> bool:
        """The source is overwritten by its own copy, from its end on: begin there."""
        return (
            self.source is not None
            and self.source.disk is self.destination.disk
            and self.source_offset < self.destination_offset < self.source_offset + self.length
        )


class Failure(NamedTuple):
    """Why a copy ended. segment: its number; status and sense: of the command that failed at one of its ends."""

    trouble: CheckCondition
    segment: int
    status: int = GOOD
    sense: bytes = b""


class CopyStep(Task):
    """One command of a copy. Its data lies in the copy's buffer; `free`: no worker is busy with it any more.

    borrower: the one that has taken over what this one lent.
    """

    __slots__ = ("borrower", "free", "held")
    borrower: CopyStep | None
    free: Callable[[], None] | None
    held: memoryview

    def allocate(self, pool: BufferPool, length: int) -> memoryview:
        return self.held[:length]

    def release(self) -> None:
        if not self.busy and self.free is not None:
            free, self.free = self.free, None
            free()


class CopyJob:
    """check: called before each step, raises CheckCondition when the copy is not to go on. ended: called once, from
    the loop, when no worker is busy with it any more. moved: bytes; segment: how many are done."""

    def __init__(
        self,
        office: CopyOffice,
        pool: BufferPool,
        segments: list[Segment],
        check: Callable[[], None],
        ended: Callable[[Failure | None], None],
    ) -> None:
        self.moved = 0
        self.segment = 0
        self.steps = 0
        self._office = office
        self._pool = pool
        self._segments = segments
        self._check = check
        self._ended = ended
        self._done = 0  # bytes of this segment
        self._buffer: memoryview | None = None
        self._by_hand = False
        """Data could not be handed over once, so they are read and written."""

    def begin(self) -> None:
        """Raises Refused(BUSY) when there is no memory for it."""
        self._buffer = self._pool.take(STEP)
        self._office.jobs += 1
        self._segments[0].destination.disk.lane.submit(_nothing, self._next)

    def _next(self, _: object = None) -> None:
        """Begin the next step, in a worker's time: one copy after the other, and the loop in between."""
        while self.segment < len(self._segments) and self._done == self._segments[self.segment].length:
            self.segment, self._done = self.segment + 1, 0
        if self.segment == len(self._segments):
            self._end(None)
            return
        one = self._segments[self.segment]
        (one.source or one.destination).disk.lane.submit(_nothing, self._step)

    def _step(self, error: BaseException | None) -> None:
        one = self._segments[self.segment]
        left = one.length - self._done
        try:
            self._check()
            if error is not None or not (one.destination.present() and (one.source is None or one.source.present())):
                raise CheckCondition(COPY_TARGET_NOT_REACHABLE)
        except CheckCondition as trouble:
            self._fail(trouble)
            return
        if one.source is None:
            self._zero(min(left, MOST_SAME_BYTES))
        elif not one.backwards and one.source.disk.medium is not None and reads_zeros(one.source.disk):
            self._ask(left)
        else:
            self._read(min(left, STEP))

    def _place(self, length: int) -> tuple[int, int]:
        """Where the next `length` bytes are, and where they belong."""
        one = self._segments[self.segment]
        at = one.length - self._done - length if one.backwards else self._done
        return one.source_offset + at, one.destination_offset + at

    def _ask(self, left: int) -> None:
        """How much from here on is not mapped."""
        one = self._segments[self.segment]
        assert one.source is not None
        block = max(one.source.disk.block_size, one.destination.disk.block_size)
        cdb = struct.pack(">BBQIxx", _STATUS, _GET_LBA_STATUS, self._place(0)[0] >> one.source.disk.shift, 24)

        def told(step: CopyStep) -> None:
            data = bytes(step.data_in or b"")
            count, state = struct.unpack(">IB", data[16:21])
            assert one.source is not None
            run = min(left, count << one.source.disk.shift)
            if state & 0x0F:
                empty = min(run // block * block, MOST_SAME_BYTES)
                if empty:
                    self._zero(empty)
                    return
            self._move(min(left, -(-run // block) * block))

        self._command(one.source, cdb, told)

    def _zero(self, length: int) -> None:
        end = self._segments[self.segment].destination
        flags = _NDOB | (_UNMAP if end.disk.thin else 0)
        count = length >> end.disk.shift
        cdb = struct.pack(">BBQIxx", _SAME, flags, self._place(length)[1] >> end.disk.shift, count)
        self._command(end, cdb, lambda step: self._moved(length))

    def _move(self, length: int) -> None:
        """As many of these bytes as one step may: handed over if that can be, or read and written."""
        one = self._segments[self.segment]
        assert one.source is not None
        most = min(length, MOST)
        taking = None if self._by_hand else offered(one.source.disk, one.destination.disk, *self._place(most), most)
        if taking is None:
            self._read(min(length, STEP))
        else:
            self._hand_over(most, taking)

    def _hand_over(self, length: int, taking: Taking) -> None:
        """A READ that lasts as long as a WRITE, whose work is the taking."""
        source, end = self._segments[self.segment].source, self._segments[self.segment].destination
        assert source is not None
        here, there = self._place(length)
        block = max(source.disk.block_size, end.disk.block_size)

        def taken(borrower: CopyStep) -> None:
            taking.close()
            source.disk.turns.end()
            lender.borrower = borrower
            lender.busy = False
            if lender.aborted:
                source.disk.laid_down(lender)
            else:
                source.disk.finish(lender, GOOD)

        def handed(_: CopyStep) -> None:
            try:
                self._check()  # what was taken is what a token stands for only if it still does
            except CheckCondition as trouble:
                self._fail(trouble)
                return
            moved = taking.moved // block * block
            self._by_hand = not moved
            if moved:
                self._moved(moved)
            else:
                self._read(min(length, STEP))

        def returned(step: CopyStep) -> None:
            taking.close()
            self._over(step, lambda lender: self._over(lender.borrower or lender, handed))

        cdb = struct.pack(">BxQIxx", _READ, here >> source.disk.shift, length >> source.disk.shift)
        lender = self._perform(source, cdb, returned, handler=lend)
        if lender.status == PENDING:
            cdb = struct.pack(">BxQIxx", _WRITE, there >> end.disk.shift, length >> end.disk.shift)
            self._perform(end, cdb, taken, handler=take(taking))

    def _read(self, length: int) -> None:
        source, end = self._segments[self.segment].source, self._segments[self.segment].destination
        assert source is not None
        here, there = self._place(length)

        def write(step: CopyStep) -> None:
            try:
                self._check()  # what was read is what a token stands for only if it still does
            except CheckCondition as trouble:
                self._fail(trouble)
                return
            cdb = struct.pack(">BxQIxx", _WRITE, there >> end.disk.shift, length >> end.disk.shift)
            self._command(end, cdb, lambda step: self._moved(length), length)

        cdb = struct.pack(">BxQIxx", _READ, here >> source.disk.shift, length >> source.disk.shift)
        self._command(source, cdb, write)

    def _moved(self, length: int) -> None:
        self._done += length
        self.moved += length
        self._next()

    def _command(self, end: End, cdb: bytes, then: Callable[[CopyStep], None], data: int = 0) -> None:
        """Have an end perform a command; `then` follows when it went well."""
        self._perform(end, cdb, lambda step: self._over(step, then), data)

    def _perform(
        self, end: End, cdb: bytes, over: Callable[[CopyStep], None], data: int = 0, handler: Handler | None = None
    ) -> CopyStep:
        """Have an end perform a command, or something in its stead; `over` follows when no worker is busy with it."""

        def done(task: Task) -> None:
            assert isinstance(task, CopyStep)
            if task.busy:
                task.free = lambda: over(task)
            else:
                over(task)

        self.steps += 1
        step = CopyStep(end.itl, self.steps, SIMPLE, cdb, STEP, done)
        step.free = step.borrower = None
        assert self._buffer is not None
        step.held = self._buffer
        step.expected_out = step.wanted_out = data
        if data:
            step.data_out = step.allocate(self._pool, data)
        end.itl.attentions.clear()
        end.itl.regate()
        if handler is None:
            end.itl.lu.run(step)
        else:
            end.itl.lu.perform(step, handler)
        return step

    def _over(self, step: CopyStep, then: Callable[[CopyStep], None]) -> None:
        if step.status == GOOD and not step.aborted:
            then(step)
        else:
            trouble = CheckCondition(THIRD_PARTY_DEVICE_FAILURE)
            self._end(Failure(trouble, self.segment, max(step.status, GOOD), step.sense))

    def _fail(self, trouble: CheckCondition) -> None:
        self._end(Failure(trouble, self.segment))

    def _end(self, failure: Failure | None) -> None:
        if self._buffer is not None:
            self._pool.give(self._buffer)
            self._buffer = None
            self._office.jobs -= 1
            self._ended(failure)


def stopped() -> CheckCondition:
    """The end of a copy that somebody put an end to."""
    return CheckCondition(COPY_STOPPED)


def _nothing() -> None:
    """Work that takes a turn in a lane."""
