"""How long commands of one unit may wait for its medium (`io_timeout`), and what is done then (`io_timeout_policy`).

Looks at the task set now and then: a command pays nothing for it, and is answered up to a fifth later than io_timeout
says. A call that hangs keeps its buffers; while there is one, what needs the medium is refused at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from tgtd.loop import Loop, Timer
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.stall import POLICIES, Stall
from tgtd.scsi.task import RECEIVING, Task

log = logging.getLogger(__name__)

_LEAST, _MOST = 0.02, 1.0  # seconds between looks

_WORDS: Mapping[str, str] = {
    "hold": "commands wait for it",
    "busy": "commands get BUSY",
    "not-ready": "commands get NOT READY",
    "fail": "commands get HARDWARE ERROR",
}


class Patience:
    """Loop thread only. cause: why the unit is stalled, in words; None while it is not."""

    def __init__(self, loop: Loop, device: AnyDevice, place: str) -> None:
        self.cause: str | None = None
        self._loop = loop
        self._device = device
        self._place = place
        self._timeout = 0.0
        self._policy = "hold"
        self._since: dict[Task, float] = {}
        self._hung: set[Task] = set()
        self._timer: Timer | None = None

    def use(self, timeout: float, policy: str) -> None:
        """timeout: seconds, 0 for any length of time. Another wish begins anew; what hangs, hangs on."""
        if (timeout, policy) == (self._timeout, self._policy):
            return
        self._timeout, self._policy = timeout, policy
        self.forget()
        if timeout:
            self._again()

    def forget(self) -> None:
        """The medium is another one from now on, or the wish is."""
        self._since.clear()
        self._hung = set()
        self._recover()

    def stop(self) -> None:
        """The unit goes."""
        self.use(0.0, "hold")
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(min(max(self._timeout / 5, _LEAST), _MOST), self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._timeout:
            return
        self._again()
        now = self._loop.time()
        device = self._device
        waiting = [] if device.engaged else [task for task in device.tasks if task.busy != RECEIVING]
        self._since = {task: self._since.get(task, now) for task in waiting}
        overdue = [task for task, since in self._since.items() if now - since >= self._timeout]
        trouble = POLICIES[self._policy]
        if trouble is None:
            self._hung = set(overdue)
            self._tell()
        elif overdue:
            self._hung.update(overdue)
            self._tell()
            device.stall(Stall(trouble))
            hung = self._hung
            device.give_up(overdue, trouble)
            device.when_laid_down(overdue, lambda: self._answered(hung, overdue))

    def _tell(self) -> None:
        if not self._hung:
            self._recover()
        elif self.cause is None:
            self.cause = f"its medium has not answered for {self._timeout:g} seconds: {_WORDS[self._policy]}"
            log.error("%s: %s", self._place, self.cause)

    def _answered(self, hung: set[Task], tasks: Iterable[Task]) -> None:
        hung.difference_update(tasks)
        if hung is self._hung and not hung:
            self._recover()

    def _recover(self) -> None:
        if self.cause is not None:
            self.cause = None
            self._device.stall(None)
            log.warning("%s: its medium is not waited for any more", self._place)
