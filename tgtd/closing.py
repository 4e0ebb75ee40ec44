"""How what runs in this process ends: initiators log out, then media are flushed and closed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from tgtd.loop import Loop, Timer
from tgtd.tree import Tree
from tgtd.units import Unit

log = logging.getLogger(__name__)

FLUSH_SECONDS = 5.0
"""How long media may take to be flushed and closed."""


class Closing:
    """`flushing()` is called when the initiators are gone, `ended()` when all is over, or as far as it will get.

    unclosed: units whose media are not flushed and closed (yet).
    """

    def __init__(self, loop: Loop, tree: Tree, flushing: Callable[[], None], ended: Callable[[], None]) -> None:
        self.unclosed: dict[Unit, None] = {}
        self._loop = loop
        self._tree = tree
        self._flushing = flushing
        self._ended = ended
        self._deadline: Timer | None = None
        self._over = False
        self._leaving = 0

    def begin(self, timeout: float) -> None:
        """Drain. timeout: seconds that initiators have to log out."""
        self._deadline = self._loop.call_later(timeout, self._drained)
        fabrics = self._tree.fabrics
        self._leaving = 1 if fabrics is None else 2
        self._tree.service.drain(self._left)
        if fabrics is not None:
            fabrics.leave(self._left)

    def _left(self) -> None:
        """The initiators on the network, or those on fabrics of the kernel, are gone."""
        self._leaving -= 1
        if not self._leaving:
            self._drained()

    def hasten(self) -> None:
        """Wait no longer for initiators or, if they are gone, for media."""
        if self._deadline is not None:
            self._drained()
        else:
            self._finish()

    def _drained(self) -> None:
        """Everybody has logged out, or the time is up: flush and close the media."""
        if self._deadline is None:
            return
        self._deadline.cancel()
        self._deadline = None
        remaining = len(self._tree.service.sessions)
        if remaining:
            log.warning("%d sessions did not log out in time; they are dropped", remaining)
        self._tree.service.close()
        if self._tree.fabrics is not None:
            self._tree.fabrics.close()
        self._flushing()
        self._loop.call_later(FLUSH_SECONDS, self._finish)
        for target, unit in self._tree.units():
            self.unclosed[unit] = None
            target.scsi.remove_lun(unit.wish.number)
            unit.close(partial(self._unit_closed, unit))
        if not self.unclosed:
            self._finish()

    def _unit_closed(self, unit: Unit) -> None:
        del self.unclosed[unit]
        if not self.unclosed:
            self._finish()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        for unit in self.unclosed:
            log.error("%s could not be flushed and closed in time", unit.place)
        self._ended()
