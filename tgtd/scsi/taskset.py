"""The task set of a logical unit: which task may start, and which is aborted (SAM-5 8).

Tasks that finish inside `run` never enter it. A task enters when it must wait: for a worker, for its data-out, for
older tasks (ORDERED), or for an auto contingent allegiance to clear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    ACA_ACTIVE,
    BUSY,
    COMMANDS_CLEARED,
    INVALID_MESSAGE_ERROR,
    TASK_ABORTED,
    CheckCondition,
    Refused,
)
from tgtd.scsi.task import ACA, HEAD_OF_QUEUE, NO_RESPONSE, ORDERED, SIMPLE, Task, naca

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus, Nexus


class TaskSet:
    """The task set for all initiators, or, when they are `separate`, those for each I_T nexus (TST of the control mode
    page): then an order and an ACA concern the tasks of their nexus only.

    overrides: asked whether a task runs in spite of a nexus's ACA. faulted: the I_T_L nexuses for which an auto
    contingent allegiance exists (SAM-5 5.9); one at most unless task sets are separate.
    restrains: true while a task that arrives now might have to wait; the fast path asks only this.
    """

    def __init__(
        self,
        run: Callable[[Task], None],
        refuse: Callable[[Task, BaseException], int],
        overrides: Callable[[Task, LunNexus], bool],
    ) -> None:
        self._run = run
        self._explain = refuse
        self._overrides = overrides
        self._waking = False
        self._tasks: dict[Task, None] = {}  # in order of arrival
        self.faulted: dict[LunNexus, None] = {}
        self.separate = False
        self._holders = 0  # ORDERED and HEAD OF QUEUE tasks in the set
        self._dormant: dict[Task, None] = {}
        self.restrains = False

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task: object) -> bool:
        return task in self._tasks

    def __iter__(self) -> Iterator[Task]:
        return iter(list(self._tasks))

    def separate_sets(self, on: bool) -> None:
        """Change TST. An ACA of before ends, as it meant others."""
        self.separate = on
        self.clear_aca()

    def _aca_for(self, itl: LunNexus) -> LunNexus | None:
        """The faulted nexus whose ACA concerns the commands of this one."""
        if self.separate:
            return itl if itl in self.faulted else None
        return next(iter(self.faulted), None)

    def admit(self, task: Task) -> None:
        """Enter a task whose data-out is still to come: it holds its place in the order."""
        task.started = True
        self._enter(task)

    def park(self, task: Task) -> None:
        """Enter a task that a worker now executes."""
        if task not in self._tasks:
            self._enter(task)

    def _enter(self, task: Task) -> None:
        self._tasks[task] = None
        if task.attribute != SIMPLE:
            self._holders += 1
        self._restrain()

    def _restrain(self) -> None:
        self.restrains = bool(self._holders or self._dormant or self.faulted)

    def arrange(self, task: Task) -> None:
        """Start a task whose data-out is complete, or keep it dormant until it may start."""
        faulted = self._aca_for(task.itl)
        if faulted is not None and not self._aca_admits(task, faulted):
            return
        if faulted is None and task.attribute == ACA:
            self._refuse(task, self._explain(task, CheckCondition(INVALID_MESSAGE_ERROR)))
            return
        if self._held_back(task):
            if task not in self._tasks:
                self._enter(task)
            task.started = True
            self._dormant[task] = None
            self.restrains = True
            return
        self._run(task)

    def _aca_admits(self, task: Task, faulted: LunNexus) -> bool:
        """SAM-5 5.9.3: while an ACA exists only ACA tasks of the faulted nexus run, one at a time."""
        if task.itl is faulted:
            running = [t for t in self._tasks if t.attribute == ACA and t is not task and t.itl is faulted]
            if task.attribute == ACA and not running:
                return True
            self._refuse(task, ACA_ACTIVE)
        elif self._overrides(task, faulted):
            return True
        else:
            self._refuse(task, self._explain(task, Refused(ACA_ACTIVE if naca(task.cdb) else BUSY)))
        return False

    def _refuse(self, task: Task, status: int) -> None:
        self.leave(task)
        task.status = status
        task.done(task)
        self.wake()

    def _held_back(self, task: Task) -> bool:
        """SAM-5 8.6: SIMPLE waits for older ORDERED and HEAD OF QUEUE tasks, ORDERED for every older task."""
        if task.attribute in (HEAD_OF_QUEUE, ACA):
            return False
        for older in self._tasks:
            if older is task:
                return False
            if self.separate and older.itl is not task.itl:
                continue
            if task.attribute == ORDERED or older.attribute in (ORDERED, HEAD_OF_QUEUE):
                return True
        return False

    def leave(self, task: Task) -> None:
        """A task has ended. Call its done, then `wake`: responses go out in the order in which tasks end."""
        if task in self._tasks:
            del self._tasks[task]
            self._dormant.pop(task, None)
            if task.attribute != SIMPLE:
                self._holders -= 1
        self._restrain()

    def wake(self) -> None:
        """Run what no longer has to wait. Not re-entered: a chain of ORDERED tasks must not become a chain of calls."""
        if self._waking or not self._dormant:
            return
        self._waking = True
        try:
            while batch := self._awake():
                for task in batch:
                    if task in self._dormant and self._aca_for(task.itl) is None:
                        del self._dormant[task]
                        self._run(task)
        finally:
            self._waking = False
        self._restrain()

    def _awake(self) -> list[Task]:
        """The dormant tasks that may start now, in order of arrival."""
        found: list[Task] = []
        begun: set[LunNexus | None] = set()
        held: set[LunNexus | None] = set()
        for task in self._tasks:
            which = task.itl if self.separate else None
            if which in held or self._aca_for(task.itl) is not None:
                continue
            if task in self._dormant and (which not in begun or task.attribute != ORDERED):
                found.append(task)
            begun.add(which)
            if task.attribute in (ORDERED, HEAD_OF_QUEUE):
                held.add(which)
                if which is None:
                    break
        return found

    def give_up(self, task: Task, status: int) -> None:
        """Answer a task while a worker is busy with it, whose work is nobody's from now on. `wake` is to follow."""
        self.leave(task)
        task.aborted = True
        task.status = status
        task.done(task)

    def establish_aca(self, itl: LunNexus) -> None:
        """SAM-5 5.9.2: a command with NACA set ended with CHECK CONDITION."""
        if not self.separate:
            self.faulted.clear()
        self.faulted[itl] = None
        self.restrains = True

    def clear_aca(self, itl: LunNexus | None = None) -> None:
        """CLEAR ACA of a nexus (SAM-5 7.5), if it has one; or of all (a reset)."""
        if itl is None:
            self.faulted.clear()
        elif itl in self.faulted:
            del self.faulted[itl]
        else:
            return
        self._restrain()
        self.wake()

    def abort(self, victims: Iterable[Task], by: Nexus | None, report: bool) -> None:
        """Abort tasks; each gets done() at once, with TASK ABORTED when another nexus asked and `report` (TAS) is set.

        by: the nexus whose wish it is (its own tasks end without a response), or None for the target itself: then
        nobody else would tell the initiators, and every task is answered.
        """
        others: dict[LunNexus, None] = {}
        for task in list(victims):
            if task not in self._tasks:
                continue
            del self._tasks[task]
            self._dormant.pop(task, None)
            if task.attribute != SIMPLE:
                self._holders -= 1
            task.aborted = True
            own = task.itl.nexus is by
            told = by is None or (report and not own)
            task.status = TASK_ABORTED if told else NO_RESPONSE
            if not own and not told:
                others[task.itl] = None
            task.done(task)
        for itl in others:
            itl.attend(COMMANDS_CLEARED)
        self._restrain()
        self.wake()
