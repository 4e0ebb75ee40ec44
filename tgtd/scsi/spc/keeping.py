"""How values change that a unit remembers (scsi.memory): one change after the other, each made of what the one before
has left, and durable before the command ends. A unit that becomes another one meanwhile takes none along."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.memory import Memory, Unknown, WhenKept
from tgtd.scsi.sense import BECOMING_READY, INTERNAL_TARGET_FAILURE, CheckCondition, Refused
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.lun import LogicalUnit
    from tgtd.scsi.spc.unit import PrimaryUnit

KeptChange = Callable[[], Mapping[str, bytes | None]]
"""Called when its turn has come: what is to be remembered then, by name. Must not raise."""


class Keeper:
    """The changes of one unit."""

    def __init__(self, unit: PrimaryUnit) -> None:
        self._unit = unit
        self._waiting: deque[tuple[Memory, KeptChange, WhenKept]] = deque()
        self._busy = False

    def change(self, change: KeptChange, then: WhenKept) -> None:
        """`then(error)` is called once, maybe before this returns."""
        self._waiting.append((self._unit.memory, change, then))
        if not self._busy:
            self._advance()

    def hold(self, name: str, value: bytes | None, then: WhenKept) -> None:
        """One value as it is now, whatever the changes before leave; nothing is done when they leave just that."""
        memory = self._unit.memory
        self.change(lambda: {} if memory.recall(name) == value else {name: value}, then)

    def _advance(self) -> None:
        while self._waiting and not self._busy:
            memory, change, then = self._waiting.popleft()
            self._busy = True
            left = list(change().items()) if memory is self._unit.memory else []
            self._keep(memory, left, then, None)

    def _keep(
        self, memory: Memory, left: list[tuple[str, bytes | None]], then: WhenKept, error: BaseException | None
    ) -> None:
        if error is None and memory is not self._unit.memory:
            error = CheckCondition(BECOMING_READY)
        if left and error is None:
            name, value = left.pop(0)
            memory.keep(name, value, partial(self._keep, memory, left, then))
            return
        self._busy = False
        then(error)
        self._advance()


def recall(unit: LogicalUnit, name: str) -> bytes:
    """What the unit remembers under a name, b"" for nothing. Raises NOT READY while nobody knows yet."""
    if isinstance(unit.memory, Unknown):
        raise CheckCondition(unit.obstacle or BECOMING_READY)
    return unit.memory.recall(name) or b""


def keep(unit: PrimaryUnit, task: Task, change: KeptChange, then: Callable[[], int]) -> int:
    """Make a change, end the task with `then()`'s status. A handler returns what this returns. `then` is called also
    for a task that was aborted meanwhile, as what it changes is kept by then; it may return PENDING after `defer`.

    The task ends with INTERNAL TARGET FAILURE when nothing can be kept, and with what the memory refuses otherwise.
    """
    ending = _Ending(unit, task, then)
    unit.records.keeper.change(change, ending.kept)
    return ending.status()


class _Ending:
    """The end of the task, before or after its handler has returned."""

    def __init__(self, unit: PrimaryUnit, task: Task, then: Callable[[], int]) -> None:
        self._unit = unit
        self._task = task
        self._then = then
        self._late = False
        self._status = PENDING

    def status(self) -> int:
        self._late = True
        return self._status

    def kept(self, error: BaseException | None) -> None:
        try:
            if error is not None:
                raise error if isinstance(error, Refused) else CheckCondition(INTERNAL_TARGET_FAILURE)
            self._status = self._then()
        except Exception as trouble:
            self._status = self._unit.refuse(self._task, trouble)
        if self._late and self._status != PENDING:
            self._unit.finish(self._task, self._status)
