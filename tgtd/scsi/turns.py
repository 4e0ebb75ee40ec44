"""Turns: how one command has a disk to itself, while the others still overlap freely (SBC-4 5.3, COMPARE AND WRITE).

Only work handed to workers takes turns, and what runs inline asks `closed` first. Belongs to the loop thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Start = Callable[[], bool]
"""Hands work to the workers; false when there is none any more (the task was aborted while it waited)."""


class Turns:
    """Shared and exclusive turns, first come first served, so that neither kind starves the other."""

    def __init__(self) -> None:
        self.closed = False
        """True while an exclusive turn runs or waits: a newcomer must queue."""
        self._running = 0
        self._alone = False
        self._waiting: deque[tuple[bool, Start]] = deque()

    def begin(self) -> None:
        """A shared turn has started just now, while `closed` was false."""
        self._running += 1

    def share(self, start: Start) -> None:
        """Start now, or after the exclusive turns before it."""
        self._queue(False, start)

    def take(self, start: Start) -> None:
        """Start once nothing else runs; nothing starts until `end`."""
        self._queue(True, start)

    def end(self) -> None:
        """A turn that was started has ended."""
        self._running -= 1
        self._alone = False
        if self._waiting:
            self._advance()
        self.closed = self._alone or bool(self._waiting)

    def _queue(self, alone: bool, start: Start) -> None:
        if alone or self.closed:
            self._waiting.append((alone, start))
            self._advance()
            self.closed = self._alone or bool(self._waiting)
        elif start():
            self._running += 1

    def _advance(self) -> None:
        while self._waiting and not self._alone:
            alone, start = self._waiting[0]
            if alone and self._running:
                return
            self._waiting.popleft()
            self._running += 1
            self._alone = alone  # whoever queues while it starts comes after it
            if not start():
                self._running -= 1
                self._alone = False
