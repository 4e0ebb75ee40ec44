"""One TCMU device served: commands out of its ring to a logical unit, answers back.

Whatever the kernel has put into the ring is taken at once, and one call tells it of all answers of a turn of the loop.
`_command` and `complete` are the hot path. Belongs to the loop thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tgtd.hw.tcmu import layout
from tgtd.hw.tcmu.request import IN_USE, KEPT, RingTask
from tgtd.hw.tcmu.ring import Distrust, Management, Refusal, Request, Ring
from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    CHECK_CONDITION,
    INTERNAL_TARGET_FAILURE,
    INVALID_FIELD_IN_CDB,
    TASK_ABORTED,
    CheckCondition,
    Refused,
    encode,
)
from tgtd.scsi.target import TaskManagement
from tgtd.scsi.task import CONTROL, NACA, NO_RESPONSE, Task

if TYPE_CHECKING:
    from tgtd.hw.tcmu.ring import Views
    from tgtd.scsi.buffers import BufferPool
    from tgtd.scsi.nexus import LunNexus, Nexus

log = logging.getLogger(__name__)

_READABLE = 1
_BATCH = 256  # entries that are carried out before others get their turn
_MOST_COMPLAINTS = 10
_DRAINING = 10.0  # seconds

# TCMU's numbers of the task management functions.
_ABORTING = frozenset((1, 2, 4, 128))
"""ABORT TASK, ABORT TASK SET, CLEAR TASK SET, and what PREEMPT AND ABORT does: the kernel says to which commands."""
_FUNCTIONS = {
    5: TaskManagement.LOGICAL_UNIT_RESET,
    6: TaskManagement.LOGICAL_UNIT_RESET,
    7: TaskManagement.LOGICAL_UNIT_RESET,
}
"""The kernel performs the target resets of a fabric once for each device, so each is one of the unit's."""


class Loop(Protocol):
    """What is asked of the daemon's event loop, see tgtd.loop.Loop."""

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None: ...

    def unwatch(self, fd: int) -> None: ...

    def call_soon(self, function: Callable[[], object]) -> None: ...

    def call_later(self, seconds: float, function: Callable[[], object]) -> object: ...

    def at_turn_end(self, function: Callable[[], object]) -> None: ...


class TcmuDevice(Protocol):
    """An opened TCMU device, see tgtd.hw.tcmu.uio.Uio. Every verb raises OSError when the device is gone."""

    name: str
    fd: int
    memory: memoryview

    def hear(self) -> None:
        """Take note that there is something in the ring; it can be read again when there is more."""

    def tell(self) -> None:
        """There are answers in the ring."""

    def give_back(self, number: int) -> None:
        """The data of a command that was answered with its buffer kept is not used any more."""

    def close(self) -> None:
        """Idempotent."""


class Server:
    """nexus: the I_T nexus that all commands of the device count as; field: the LUN field of the unit there.

    lost: called once, with the reason for people, when the device is gone or its ring is not to be trusted; the server
    is closed by then. Raises Distrust, before anything is watched.

    commands, bytes_in, bytes_out: what was carried out so far. refused: entries that could not be right.
    """

    def __init__(
        self, loop: Loop, pool: BufferPool, nexus: Nexus, field: int, device: TcmuDevice, lost: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._nexus = nexus
        self._field = field
        nexus.simple = True
        self._device = device
        self._lost = lost
        self._ring = ring = Ring(device.memory)
        self._tells_length = bool(ring.flags & layout.READ_LENGTH)
        self._keeps = bool(ring.flags & layout.KEEP_BUFFER)
        self._scheduled = False
        self._drained: Callable[[], None] | None = None
        self._kept = 0
        self.closed = False
        self.commands = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.refused = 0
        loop.watch(device.fd, _READABLE, self._readable)
        loop.call_soon(self._work)

    @property
    def outstanding(self) -> int:
        """Commands under way, or still used by a worker though they are answered."""
        return len(self._ring.unanswered) + self._kept

    # Out of the ring

    def _readable(self, events: int) -> None:
        try:
            self._device.hear()
        except OSError as trouble:
            self._fail(f"the device is gone: {trouble.strerror or trouble}")
            return
        self._work()

    def _work(self) -> None:
        if self.closed or self._drained is not None:
            return
        try:
            found = self._ring.take(_BATCH)
        except Distrust as trouble:
            self._distrust(trouble)
            return
        if len(found) == _BATCH:
            self._loop.call_soon(self._work)
        for item in found:
            if item.__class__ is Request:
                self._command(item)
            else:
                self._other(item)
        if not self._scheduled:
            self._schedule()

    def _other(self, item: Request | Management | Refusal) -> None:
        if isinstance(item, Management):
            self._manage(item)
        elif isinstance(item, Refusal):
            self.refused += 1
            if self.refused <= _MOST_COMPLAINTS:
                log.error("%s: an entry of the ring is refused: %s", self._device.name, item.why)
            self._ring.answer(item.number, CHECK_CONDITION, _FAILURE)

    def _command(self, request: Request) -> None:
        self.commands += 1
        nexus = self._nexus
        itl = nexus.luns.get(self._field) or nexus.lun(self._field)
        number, cdb, data, second = request
        if cdb[_CONTROL[cdb[0] >> 5]] & NACA:
            self._refuse_naca(itl, number, cdb)
            return
        row = itl.lu.ops[cdb[0]]
        if row.__class__ is not Command:
            row = _row(itl, cdb)
        if row is None or row.data_out is None:
            itl.execute(RingTask(itl, number, cdb, data, self.complete, self._settle))
            return
        task = RingTask(itl, number, cdb, second, self.complete, self._settle)
        try:
            self._bring(task, data)
        except Refused as refused:
            itl.lu.finish(task, itl.lu.refuse(task, refused))
            return
        itl.execute(task)

    def _refuse_naca(self, itl: LunNexus, number: int, cdb: bytes) -> None:
        """An ACA would stop every initiator, and CLEAR ACA does not reach us (SAM-5 5.9.1: NORMACA is zero)."""
        trouble = CheckCondition(INVALID_FIELD_IN_CDB, field=_CONTROL[cdb[0] >> 5], bit=2)
        self._ring.answer(number, CHECK_CONDITION, encode(trouble, itl.lu.descriptor_sense))

    def _bring(self, task: RingTask, data: Views) -> None:
        """The data-out of a command, which stays where it is if it is in one piece. Raises Refused."""
        wanted = task.itl.lu.data_out_length(task)
        if len(data) == 1:
            piece = data[0]
            task.expected_out = len(piece)
            task.data_out = piece if wanted >= len(piece) else piece[:wanted]
            self.bytes_out += len(piece)
            return
        task.expected_out = sum(len(piece) for piece in data)
        wanted = min(wanted, task.expected_out)
        if not wanted:
            return
        buffer = Task.allocate(task, self._pool, wanted)
        at = 0
        for piece in data:
            here = piece[: wanted - at]
            buffer[at : at + len(here)] = here
            at += len(here)
        task.data_out = buffer
        self.bytes_out += wanted

    def _manage(self, item: Management) -> None:
        """The kernel has answered the initiator, and waits for the commands that it has aborted."""
        function = _FUNCTIONS.get(item.function)
        if function is not None:
            self._nexus.target.manage(function, self._nexus, self._field)
        elif item.function in _ABORTING:
            itl = self._nexus.lun(self._field)
            for number in item.aborted:
                itl.lu.abort_tasks(itl, number)

    # Into the ring

    def complete(self, task: Task) -> None:
        """A task comes back: its data-in to its place, and the answer. Called by the logical unit, now or later."""
        assert isinstance(task, RingTask)
        if self.closed:
            task.release()
            return
        if task.busy:
            self._put_off(task)
            return
        places = task.places
        if not task.status and places and task.data_in is places[0] and len(places) == 1:
            self.bytes_in += task.room
            self._ring.answer(task.tag, 0)
        else:
            self._answer(task)
            if task.buffer is not None:
                task.release()
        if not self._scheduled:
            self._schedule()

    def _answer(self, task: RingTask) -> None:
        status = task.status
        if status == NO_RESPONSE:
            status = TASK_ABORTED  # the kernel counts on an answer to each, and tells nobody of this one
        length = 0
        if task.room:
            # What is not filled is what an earlier command left there. With CHECK CONDITION and no data, the kernel
            # hands nothing on; else all of it, unless it is told that there is less.
            given = self._tells_length
            done = task.fill(wipe=status != CHECK_CONDITION and not (given and task.data_in))
            self.bytes_in += done
            if done < task.room and given:
                length = done
        self._ring.answer(task.tag, status, task.sense[: layout.MOST_SENSE], length)

    def _put_off(self, task: RingTask) -> None:
        """A task ended while a worker still uses its data: the kernel must not give that memory to another command.

        Where it can keep the memory beyond the answer, the initiator need not wait for the worker.
        """
        if self._keeps:
            status = TASK_ABORTED if task.status == NO_RESPONSE else task.status
            self._ring.answer(task.tag, status, task.sense[: layout.MOST_SENSE], keep=True)
            self._kept += 1
            task.owed = KEPT
            self._schedule()
        else:
            task.owed = IN_USE

    def _settle(self, task: RingTask) -> None:
        """No worker is busy any more with a task that was put off."""
        owed, task.owed = task.owed, 0
        if self.closed:
            return
        if owed == IN_USE:
            task.data_in = None
            self._answer(task)
            self._schedule()
            return
        self._flush()  # the kernel must have seen the answer before
        if not self.closed:
            try:
                self._device.give_back(task.tag)
            except OSError as trouble:
                log.warning("%s: data of command %d was not given back: %s", self._device.name, task.tag, trouble)
        self._kept -= 1
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.at_turn_end(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        if self.closed:
            return
        try:
            if self._ring.publish():
                self._device.tell()
        except OSError as trouble:
            self._fail(f"the device is gone: {trouble.strerror or trouble}")
            return
        except Distrust as trouble:
            self._distrust(trouble)
            return
        if self._drained is not None and not self.outstanding:
            self.close()
            self._drained()

    # The end

    def drain(self, done: Callable[[], None]) -> None:
        """Take no more commands; when those under way are answered, close and call `done`. What comes meanwhile stays
        in the ring. A medium that hangs is not waited for beyond some seconds."""
        self._drained = done
        self._loop.unwatch(self._device.fd)
        self._loop.call_later(_DRAINING, self._drain_no_more)
        self._schedule()

    def _drain_no_more(self) -> None:
        if not self.closed and self._drained is not None:
            log.warning("%s: %d commands are left without an answer", self._device.name, self.outstanding)
            self.close()
            self._drained()

    def close(self) -> None:
        """At once. Commands under way stay without an answer, until the ring is reset. Idempotent."""
        if not self.closed:
            self.closed = True
            self._loop.unwatch(self._device.fd)
            self._ring.release()
            self._device.close()

    def _distrust(self, trouble: Distrust) -> None:
        self._fail(f"its ring is not to be trusted: {trouble}")

    def _fail(self, why: str) -> None:
        log.error("%s: %s", self._device.name, why)
        self.close()
        if self._drained is not None:
            self._drained()
        else:
            self._lost(why)


_CONTROL = tuple(CONTROL.get(group, 15) for group in range(8))
"""By group; the vendor's have no place that is known, and nothing in their last byte, as the kernel hands 10 over."""
_FAILURE = encode(CheckCondition(INTERNAL_TARGET_FAILURE))


def _row(itl: LunNexus, cdb: bytes) -> Command | None:
    """The row of a command; None where the unit will refuse it."""
    try:
        return itl.lu.find(cdb)
    except CheckCondition:
        return None
