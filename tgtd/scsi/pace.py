"""Whether a medium is quick enough to be written to in the loop thread.

Handing a write to a worker costs more than copying it into the page cache; but now and then the kernel makes a writer
wait until it has emptied the cache, and then every initiator would wait with it. So: write at once while that is quick.
One slow write sends those that follow to the workers, for a while that doubles each time. Nobody waits for longer than
one slow call.
"""

from __future__ import annotations

from time import perf_counter

from tgtd.scsi.medium import BlockMedium, Buffer

SLOW = 0.01
"""Seconds. Well above copying the largest write that is done at once, and a time slice of another process."""
FIRST_REST = 64
LONGEST_REST = 16384


class Pace:
    """rest: how many writes are still to go to the workers."""

    __slots__ = ("_next", "_quick", "rest")

    def __init__(self) -> None:
        self.rest = 0
        self._next = FIRST_REST
        self._quick = 0

    def allows(self) -> bool:
        """Whether to write at once; then `took` is to be told how long that was."""
        if self.rest:
            self.rest -= 1
            return False
        return True

    def took(self, seconds: float) -> None:
        if seconds > SLOW:
            self._slowed()
        else:
            self._quick += 1
            if self._quick > self._next:
                self._next = FIRST_REST

    def _slowed(self) -> None:
        self.rest = self._next
        self._next = min(self._next * 2, LONGEST_REST)
        self._quick = 0

    def write(self, medium: BlockMedium, offset: int, data: Buffer) -> bool:
        """Write at once. False: it is for the workers, because the medium is resting or cannot say."""
        # Hot path: `allows` and `took` in place.
        if self.rest:
            self.rest -= 1
            return False
        began = perf_counter()
        done = medium.write_now(offset, data)
        if perf_counter() - began > SLOW:
            self._slowed()
        else:
            self._quick += 1
            if self._quick > self._next:
                self._next = FIRST_REST
        return done
