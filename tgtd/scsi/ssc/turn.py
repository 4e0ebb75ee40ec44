"""A command's turn with the tape: what a worker does for it, and what becomes of that.

With IMMED the command ends when its turn begins, and the work goes on behind it: REQUEST SENSE tells how far it is,
TEST UNIT READY that the drive is busy, and what else needs the tape comes after it: LTO drives wait for immediate
commands of any host too (the manuals of Seagate's and Quantum's say so), and Linux's st, told not to wait for a rewind,
sends the next READ at once. What goes wrong then is a deferred error, which the initiator learns with its next command
(SPC-5 4.4.7). Belongs to the loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    MEDIUM_MAY_HAVE_CHANGED,
    UNIT_IN_OPERATION,
    CheckCondition,
    Sense,
)
from tgtd.scsi.ssc.head import STOPS, Head
from tgtd.scsi.ssc.trouble import explain, tell_later
from tgtd.scsi.task import PENDING, WORKING, Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

Prepare = Callable[[], Callable[[], Head]]
"""Called in the loop thread when the turn begins; may raise Refused. What it returns is done by a worker, and returns
where the drive is afterwards, or raises Stopped."""
Conclusion = Callable[[Task], None]
Now = Callable[[], Head | None]
"""Called in the loop thread after that, where it may do the same if it takes no waiting; None: it is for a worker."""

_TEST_UNIT_READY = 0x00


class Behind(NamedTuple):
    """What is said while a command's work goes on behind it. polled: by REQUEST SENSE; refused: by TEST UNIT READY."""

    polled: Sense
    refused: Sense = UNIT_IN_OPERATION


class Turn:
    """writing: what an error of the medium was met at. long: it may take hours, and nobody shall think that the medium
    hangs. behind: with IMMED. progress: of what is done behind a command, in 65536ths."""

    def __init__(
        self, drive: TapeDrive, task: Task, writing: bool = False, long: bool = False, behind: Behind | None = None
    ) -> None:
        self.long = long
        self.behind = behind
        self.progress = 0
        self._drive = drive
        self._task = task
        self._itl = task.itl
        self._cdb = task.cdb
        self._writing = writing
        self._threading = drive.threadings
        self._reached: list[Head] = []
        self._then: Conclusion | None = None
        self._now: Now | None = None
        self._cancelled = False
        self._status = PENDING
        self._late = False

    def take(self, prepare: Prepare, then: Conclusion | None = None, now: Now | None = None) -> int:
        """A handler returns what this returns. then: called in the loop thread before the task ends, when the work was
        done or stopped: the place for what the worker has read. With IMMED it has no task any more to look at."""
        self._prepare, self._then, self._now = prepare, then, now
        if self.long or self.behind is not None:
            self._drive.lengthy.add(self)
        if now is None or not self._drive.flushing.running or self._drive.turns.closed or not self._beside(now):
            self._drive.turns.take(self._start)
        self._late = True
        return self._status

    def unwanted(self) -> bool:
        """For the worker: whether nobody wants the rest any more."""
        return self._cancelled if self.behind is not None else self._task.aborted

    def cancel(self) -> None:
        """What goes on behind a command shall end soon."""
        self._cancelled = True

    def stop(self, row: Command) -> None:
        """The bar of the drive (lun.py) meanwhile."""
        if self.behind is not None and row.opcode == _TEST_UNIT_READY:
            raise CheckCondition(self.behind.refused, progress=self.progress)

    def standing(self) -> CheckCondition:
        """Pollable sense data, with the progress indication."""
        assert self.behind is not None
        return CheckCondition(self.behind.polled, progress=self.progress)

    def _start(self) -> bool:
        if self._begin():
            return True
        self._drive.lengthy.discard(self)
        return False

    def _begin(self) -> bool:
        drive, task = self._drive, self._task
        if task.aborted:
            return False
        try:
            self._check_threading()
            work = self._prepare()
        except Exception as trouble:
            self._settle(drive.refuse(task, trouble))
            return False
        self._threading = drive.threadings
        if self._now is not None and self._at_once(self._now):
            return False
        drive.hold(self)

        def carry_out() -> None:
            if not self.unwanted():
                self._reached.append(work())

        if self.behind is None:
            task.busy = WORKING
            drive.lane.submit(carry_out, self._through)
        else:
            drive.lane.submit(carry_out, self._through_behind)
            self._settle(GOOD)
        return True

    def _beside(self, now: Now) -> bool:
        """Whether it is done while nothing else has the tape but what makes it durable (flushing.py)."""
        try:
            self._prepare()
        except Exception as trouble:
            self._settle(self._drive.refuse(self._task, trouble))
            return True
        return self._at_once(now)

    def _at_once(self, now: Now) -> bool:
        """Whether it is done, without a worker."""
        error: BaseException | None = None
        try:
            head = now()
            if head is None:
                return False
            self._reached.append(head)
        except Exception as trouble:
            error = trouble
        self._settle(self._concluded(self._moved(error)))
        return True

    def _concluded(self, error: BaseException | None) -> int:
        """The status of the command: it is answered whatever happens."""
        status = GOOD if error is None else self._drive.refuse(self._task, error, self._writing)
        if self._then is not None and (error is None or isinstance(error, STOPS)):
            try:
                self._then(self._task)
            except Exception as trouble:
                return self._drive.refuse(self._task, trouble, self._writing)
        return status

    def _check_threading(self) -> None:
        """A command that has waited while the cartridge was changed, or loaded anew, means what was there before. Its
        nexus has yet to be told. Raises CheckCondition."""
        drive = self._drive
        if self._threading != drive.threadings and drive.find(self._task.cdb).medium:
            raise CheckCondition(drive.obstacle or MEDIUM_MAY_HAVE_CHANGED)

    def _settle(self, status: int) -> None:
        """The task ends, by what its handler returns or later."""
        if self._late:
            self._drive.finish(self._task, status)
        else:
            self._status = status

    def _moved(self, error: BaseException | None) -> BaseException | None:
        """What a worker did has happened, even if nobody waits for it any more. Where it left a cartridge that was
        taken away meanwhile says nothing of the one that is in the drive now."""
        drive = self._drive
        if self._threading != drive.threadings:
            return CheckCondition(drive.obstacle or MEDIUM_MAY_HAVE_CHANGED)
        if isinstance(error, STOPS):
            drive.move(error.head)
        elif self._reached:
            drive.move(self._reached[0])
        return error

    def _through(self, error: BaseException | None) -> None:
        drive, task = self._drive, self._task
        try:
            error = self._moved(error)
            task.busy = False
            if task.aborted:
                drive.laid_down(task)
                return
            drive.finish(task, self._concluded(error))
        finally:
            self._end()

    def _through_behind(self, error: BaseException | None) -> None:
        drive = self._drive
        try:
            error = self._moved(error)
            if self._then is not None and (error is None or isinstance(error, STOPS)):
                try:
                    self._then(self._task)
                except Exception as trouble:
                    error = trouble
            if error is not None and not self._cancelled:
                tell_later(drive, self._itl, explain(drive, error, self._writing, self._cdb))
        finally:
            self._end()

    def _end(self) -> None:
        self._drive.lengthy.discard(self)
        self._drive.hold(None)
        self._drive.turns.end()
