"""How values change that a unit remembers (scsi.memory): one change after the other, each made of what the one before
has left, and durable before the command ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.memory import Kept, Unknown
from tgtd.scsi.sense import BECOMING_READY, GOOD, INTERNAL_TARGET_FAILURE, CheckCondition, Refused
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.lun import LogicalUnit
    from tgtd.scsi.spc.unit import PrimaryUnit

Change = Callable[[], Mapping[str, bytes | None]]
"""Called when its turn has come: what is to be remembered then, by name. Must not raise."""


class Keeper:
    """The changes of one unit."""

    def __init__(self, unit: PrimaryUnit) -> None:
        self._unit = unit
        self._waiting: deque[tuple[Change, Kept]] = deque()
        self._busy = False

    def change(self, change: Change, then: Kept) -> None:
        """`then(error)` is called once, maybe before this returns."""
        self._waiting.append((change, then))
        if not self._busy:
            self._advance()

    def _advance(self) -> None:
        while self._waiting and not self._busy:
            change, then = self._waiting.popleft()
            self._busy = True
            self._keep(list(change().items()), then, None)

    def _keep(self, left: list[tuple[str, bytes | None]], then: Kept, error: BaseException | None) -> None:
        if left and error is None:
            name, value = left.pop(0)
            self._unit.memory.keep(name, value, partial(self._keep, left, then))
            return
        self._busy = False
        then(error)
        self._advance()


def recall(unit: LogicalUnit, name: str) -> bytes:
    """What the unit remembers under a name, b"" for nothing. Raises NOT READY while nobody knows yet."""
    if isinstance(unit.memory, Unknown):
        raise CheckCondition(unit.obstacle or BECOMING_READY)
    return unit.memory.recall(name) or b""


def keep(unit: PrimaryUnit, task: Task, change: Change, then: Callable[[], None]) -> int:
    """Make a change, call `then()`, end the task with GOOD. A handler returns what this returns.

    The task ends with INTERNAL TARGET FAILURE when nothing can be kept, and with what the memory refuses otherwise.
    """
    ending = _Ending(unit, task, then)
    unit.records.keeper.change(change, ending.kept)
    return ending.status()


class _Ending:
    """The end of the task, before or after its handler has returned."""

    def __init__(self, unit: PrimaryUnit, task: Task, then: Callable[[], None]) -> None:
        self._unit = unit
        self._task = task
        self._then = then
        self._late = False
        self._status = PENDING

    def status(self) -> int:
        self._late = True
        return self._status

    def kept(self, error: BaseException | None) -> None:
        if error is None:
            self._then()
            self._status = GOOD
        else:
            trouble = error if isinstance(error, Refused) else CheckCondition(INTERNAL_TARGET_FAILURE)
            self._status = self._unit.refuse(self._task, trouble)
        if self._late:
            self._unit.finish(self._task, self._status)
