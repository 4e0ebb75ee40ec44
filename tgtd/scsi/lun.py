"""The logical unit: a device server and its task manager (SAM-5 4.8). Device types inherit from it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from tgtd.scsi.access import AsymmetricAccess
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.command import ActionTable, Command, Entry, Handler, available, table, unsupported
from tgtd.scsi.medium import Offload, Transfer
from tgtd.scsi.memory import Forgetful, Memory
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.reservation.reservations import Reservations
from tgtd.scsi.sense import (
    CHECK_CONDITION,
    INTERNAL_TARGET_FAILURE,
    LOGICAL_UNIT_RESET,
    NO_ADDITIONAL_SENSE,
    POWER_ON,
    PREVIOUS_STATUS,
    CheckCondition,
    Refused,
    Sense,
    encode,
    from_errno,
)
from tgtd.scsi.task import ACA, PENDING, WORKING, Task, naca
from tgtd.scsi.taskset import TaskSet

log = logging.getLogger(__name__)

_ESTABLISH = 0b11
"""UA_INTLCK_CTRL: BUSY and its like establish a unit attention of their own."""
_OWN = 0b11
"""QERR: the commands of the I_T nexus that the CHECK CONDITION is for."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a logical unit is. vendor, product, revision: ASCII, at most 8, 16, 4 characters; serial: ASCII;
    wwid: the 16 bytes of an NAA-6 designator (SPC-5 7.7.6.2), or 8 of NAA-5."""

    vendor: str
    product: str
    revision: str
    serial: str
    wwid: bytes


class LogicalUnit:
    """What all device types share: dispatch by row, the task set, aborts and resets.

    All state belongs to the loop thread; only work given to `defer` runs elsewhere.
    """

    device_type: ClassVar[int] = 0x1F
    rows: ClassVar[tuple[Command, ...]] = ()
    raises_attention: ClassVar[bool] = True
    can_be_copied: ClassVar[bool] = False
    """Whether copy managers may read and write its blocks: it is one of our disks (scsi/copy/)."""
    normal_aca: ClassVar[bool] = True
    """NORMACA: NACA of the CONTROL byte is heeded. Not where a unit keeps nothing of its nexuses: there an ACA would
    have no owner who could clear it, and lock everybody out."""

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload) -> None:
        self.identity = identity
        self.pool = pool
        self.lane = lane
        self.tasks = TaskSet(self.run, self.refuse, self._overrides_aca)
        self.reservations = Reservations()
        self.memory: Memory = Forgetful()
        self.access = AsymmetricAccess(self)
        self.nexuses: dict[LunNexus, None] = {}
        self.obstacle: Sense | None = None
        """What a command that needs the medium is refused with: NOT READY of some kind."""
        self.write_protected: Sense | None = None
        self.bar: Callable[[Command], None] | None = None
        """Asked about every command that a unit attention may stop: raises when the command may not run now."""
        self.descriptor_sense = False
        """D_SENSE of the control mode page."""
        self.report_aborts = False
        """TAS of the control mode page."""
        self.attention_interlock = 0
        """UA_INTLCK_CTRL of the control mode page: if not 0, only REQUEST SENSE clears a unit attention."""
        self.error_aborts = 0
        """QERR of the control mode page: whose commands a CHECK CONDITION aborts."""
        self.quiet_release = False
        """NUAR of the control mode page: nobody hears of a RELEASE of a persistent reservation."""
        self.faults = 0
        """Commands that met an error of our own."""
        self._lingering: list[tuple[set[Task], Callable[[], None]]] = []
        self.ops: tuple[Entry, ...] = ()
        self.refresh_commands()

    def refresh_commands(self) -> None:
        """Build the dispatch table anew: call when what the unit can do has changed."""
        self.ops = table(available(self.rows, self))

    def find(self, cdb: bytes) -> Command:
        """The row of a CDB. Raises CheckCondition when there is none."""
        entry = self.ops[cdb[0]]
        if entry is None:
            raise unsupported()
        return entry.find(cdb) if isinstance(entry, ActionTable) else entry

    def data_out_length(self, task: Task) -> int:
        """How many bytes of data-out the command wants (task.wanted_out is set); the transport fetches no more.

        Never raises: a command that will be refused wants nothing.
        """
        wanted = 0
        cdb = task.cdb
        try:
            row = self.ops[cdb[0]]
            if row.__class__ is not Command:
                row = self.find(cdb)
            if row.data_out is not None:
                wanted = row.data_out(self, cdb)
        except Refused:
            pass
        task.wanted_out = wanted
        return wanted

    def run(self, task: Task) -> None:
        """Execute a task now; it ends with task.done, or is parked in the task set until `finish`."""
        cdb = task.cdb
        itl = task.itl
        try:
            row = self.ops[cdb[0]]
            if row.__class__ is not Command:
                row = self.find(cdb)
            gate = itl.gate
            if gate is not None:
                gate(row, cdb)
            if len(cdb) != 16 or int.from_bytes(cdb, "big") & row.forbidden:
                row.check(cdb)
            status = row.handler(self, task)
        except Exception as trouble:
            status = self.refuse(task, trouble)
        if status == PENDING:
            self.tasks.park(task)
            return
        task.status = status
        if task.started or self.tasks.restrains:
            self._end(task)
            return
        task.done(task)

    def perform(self, task: Task, handler: Handler) -> None:
        """As `run`, by another handler than the row's. All that may stop the command of this CDB may stop it."""
        try:
            row = self.find(task.cdb)
            if task.itl.gate is not None:
                task.itl.gate(row, task.cdb)
            row.check(task.cdb)
            status = handler(self, task)
        except Exception as trouble:
            status = self.refuse(task, trouble)
        if status == PENDING:
            self.tasks.park(task)
        else:
            self.finish(task, status)

    def _end(self, task: Task) -> None:
        """Out of the task set, then the response, then those that waited for it."""
        self.tasks.leave(task)
        task.done(task)
        self.tasks.wake()

    def refuse(self, task: Task, trouble: BaseException, writing: bool = False) -> int:
        """Turn what a handler or a medium raised into a status, with the sense data in the task."""
        if isinstance(trouble, OSError):
            trouble = from_errno(trouble, writing)
        if not isinstance(trouble, Refused):
            self.faults += 1
            log.error("%s failed on %s", self.describe(), task.cdb.hex(), exc_info=trouble)
            trouble = CheckCondition(INTERNAL_TARGET_FAILURE)
        if isinstance(trouble, CheckCondition):
            task.sense = encode(trouble, self.descriptor_sense)
            self._contingent(task)
            if self.error_aborts and not task.aborted:
                self._abort_after(task)
        elif self.attention_interlock == _ESTABLISH and trouble.status in PREVIOUS_STATUS:
            task.itl.attend(PREVIOUS_STATUS[trouble.status])
        task.data_in = None
        return trouble.status

    def _contingent(self, task: Task) -> None:
        """SAM-5 5.9.2 and 5.9.4: a CHECK CONDITION establishes an ACA, or an ACA task's clears it, as NACA says."""
        if not self.normal_aca:
            return
        if naca(task.cdb):
            self.tasks.establish_aca(task.itl)
        elif task.attribute == ACA:
            self.tasks.clear_aca(task.itl)

    def _abort_after(self, task: Task) -> None:
        """SAM-5 5.9.2 and SPC-5 7.5.8: what QERR has aborted when a command ends with CHECK CONDITION."""
        own = self.tasks.separate or self.error_aborts == _OWN
        victims = [t for t in self.tasks if t is not task and (not own or t.itl is task.itl)]
        self.tasks.abort(victims, task.itl.nexus, self.report_aborts)

    def defer(
        self, task: Task, work: Callable[[], object], then: Callable[[Task], int] | None = None, writing: bool = False
    ) -> int:
        """Have `work` done by a worker; afterwards the task ends with `then(task)`'s status, or GOOD. Returns PENDING.

        `work` may raise OSError or Refused; it is skipped when the task was aborted meanwhile. `then` may return
        PENDING after another `defer`.
        """
        task.busy = WORKING
        if work.__class__ is Transfer:
            work.unwanted = task.is_aborted
        else:
            work = partial(_unless_aborted, task, work)
        self.lane.submit(work, partial(self._deferred, task, then, writing))
        return PENDING

    def _deferred(
        self, task: Task, then: Callable[[Task], int] | None, writing: bool, error: BaseException | None
    ) -> None:
        task.busy = False
        if task.aborted:
            self.laid_down(task)
            return
        try:
            if error is not None:
                raise error
            status = 0 if then is None else then(task)
        except Exception as trouble:
            status = self.refuse(task, trouble, writing)
        if status != PENDING:
            self.finish(task, status)

    def finish(self, task: Task, status: int) -> None:
        """End a task for which the handler returned PENDING. Loop thread only."""
        if task.aborted:
            task.release()
            return
        task.status = status
        self._end(task)

    def remember(self, memory: Memory) -> None:
        """A memory that was loaded; device types take up what it says."""
        self.memory = memory

    def laid_down(self, task: Task) -> None:
        """No worker is busy any more with a task that was aborted."""
        task.release()
        for left, then in list(self._lingering):
            left.discard(task)
            if not left:
                self._lingering.remove((left, then))
                then()

    def when_laid_down(self, tasks: Iterable[Task], then: Callable[[], None]) -> None:
        """Call `then` once no worker is busy with any of these aborted tasks: what they wrote is written by then.

        What a transport still receives for them is not waited for: it goes nowhere, and may never come.
        """
        left = {task for task in tasks if task.busy == WORKING}
        if left:
            self._lingering.append((left, then))
        else:
            then()

    def give_up(self, tasks: Iterable[Task], trouble: Callable[[], Refused]) -> None:
        """End tasks that have waited for the medium for too long. Their buffers stay theirs while workers use them."""
        for task in tasks:
            if task in self.tasks:
                self.tasks.give_up(task, self.refuse(task, trouble()))
        self.tasks.wake()

    # Task management (SAM-5 7): each answers at once, whatever the medium does.

    def abort_tasks(self, itl: LunNexus, tag: int | None = None) -> None:
        """ABORT TASK (with a tag) or ABORT TASK SET."""
        victims = [t for t in self.tasks if t.itl is itl and (tag is None or t.tag == tag)]
        self.tasks.abort(victims, itl.nexus, self.report_aborts)

    def clear_tasks(self, by: Nexus | None) -> None:
        """CLEAR TASK SET: the tasks of every nexus; where each has a task set, those of its own (SAM-5 7.6)."""
        own = self.tasks.separate and by is not None
        self.tasks.abort([t for t in self.tasks if not own or t.itl.nexus is by], by, self.report_aborts)

    def reset(self, by: Nexus | None) -> None:
        """LOGICAL UNIT RESET (SAM-5 6.3.3): all tasks, the ACA and volatile state go; everyone hears of it."""
        self.tasks.abort(self.tasks, by, report=False)
        self.tasks.clear_aca()
        self.reservations.release()  # SPC-2 5.5.1; persistent ones stay (SPC-5 5.14.5.1)
        self.restore_defaults()
        self.regate_all()
        self.attend_all(LOGICAL_UNIT_RESET)

    def restore_defaults(self) -> None:
        """Device types put back what a reset puts back (mode parameters, prevent, reservations of SPC-2)."""

    def greeting(self) -> list[Sense]:
        """The unit attentions that an I_T_L nexus begins with."""
        return [POWER_ON] if self.raises_attention else []

    def attend_all(self, sense: Sense, but: Nexus | None = None) -> None:
        """A unit attention for every I_T_L nexus except those of `but`."""
        for itl in self.nexuses:
            if itl.nexus is not but:
                itl.attend(sense)

    def standing(self) -> CheckCondition:
        """What REQUEST SENSE says when no unit attention waits (SPC-5 5.11.2 calls it pollable sense data)."""
        return CheckCondition(self.obstacle or NO_ADDITIONAL_SENSE)

    def regate_all(self) -> None:
        """After `bar`, `obstacle`, `write_protected` or a reservation changed."""
        for itl in self.nexuses:
            itl.regate()

    def lose(self, itl: LunNexus) -> None:
        """I_T nexus loss (SAM-5 6.3.4): its tasks end without a response, an ACA and what it held here are gone."""
        self.tasks.abort([t for t in self.tasks if t.itl is itl], itl.nexus, report=False)
        self.tasks.clear_aca(itl)
        if self.reservations.release(itl):
            self.regate_all()

    def preempted(self, itl: LunNexus) -> None:
        """PREEMPT AND ABORT: an ACA of this nexus, and what it holds here besides, is gone (SPC-5 5.14.11.2.6)."""
        self.tasks.clear_aca(itl)

    def _overrides_aca(self, task: Task, faulted: LunNexus) -> bool:
        """SPC-5 5.14.11.2.6: PREEMPT AND ABORT runs in spite of the ACA of the nexus that it preempts."""
        state = self.reservations.state
        if task.cdb[0] != 0x5F or task.cdb[1] & 0x1F != 0x05 or (state.type is not None and state.type.everyone):
            return False
        key = state.keys.get(faulted.nexus.registrant)
        return key is not None and bytes(task.data_out or b"")[8:16] == key.to_bytes(8, "big")

    def forget(self, itl: LunNexus) -> None:
        """The I_T_L nexus is gone (I_T nexus loss, or the unit's removal)."""
        self.lose(itl)
        self.nexuses.pop(itl, None)

    def describe(self) -> str:
        """For logs."""
        return f"{type(self).__name__} {self.identity.serial}"


def _unless_aborted(task: Task, work: Callable[[], object]) -> None:
    if not task.aborted:
        work()


__all__ = ["CHECK_CONDITION", "Identity", "LogicalUnit"]
