"""A task whose data lies in the memory that TCMU shares with us, where that is possible without a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tgtd.scsi.task import SIMPLE, Task

if TYPE_CHECKING:
    from tgtd.hw.tcmu.ring import Views
    from tgtd.scsi.buffers import BufferPool
    from tgtd.scsi.nexus import LunNexus

IN_USE, KEPT = 1, 2
"""RingTask.owed: it has ended while a worker still uses its data. It is yet to be answered, or it was answered and its
data is to be given back."""


class RingTask(Task):
    """places: where its data-in goes, room bytes in all.

    The data-in of a command is read into its place at once, if that is in one piece; what a handler has made otherwise
    is copied there by `fill`. owed: what is left to do when no worker is busy with it any more: `settle` is called.
    """

    __slots__ = ("owed", "places", "room", "settle")

    def __init__(
        self,
        itl: LunNexus,
        number: int,
        cdb: bytes,
        places: Views,
        done: Callable[[Task], None],
        settle: Callable[[RingTask], None],
    ) -> None:
        self.places = places
        self.room = len(places[0]) if len(places) == 1 else sum(len(place) for place in places)
        self.owed = 0
        self.settle = settle
        super().__init__(itl, number, SIMPLE, cdb, self.room, done)

    def allocate(self, pool: BufferPool, length: int) -> memoryview:
        """The data's own place, if it is one piece and large enough: then nothing of the pool is used."""
        places = self.places
        if len(places) == 1:
            place = places[0]
            size = len(place)
            if size == length:
                return place
            if size > length:
                return place[:length]
        return super().allocate(pool, length)

    def release(self) -> None:
        """As with any task; and what was put off because a worker was busy with it is done now."""
        super().release()
        if self.owed and not self.busy:
            self.settle(self)

    def fill(self, wipe: bool) -> int:
        """Put the data-in in its place; how many bytes there are, at most `room`. wipe: what is left of the room is
        filled with zeros, as the kernel will hand it all on."""
        data = self.data_in
        done = 0
        if data is not None:
            if len(self.places) == 1:
                place = self.places[0]
                if data is not place:
                    done = min(len(data), self.room)
                    place[:done] = data[:done]
                else:
                    done = self.room
            else:
                done = self._scatter(data)
        if wipe and done < self.room:
            self._wipe(done)
        return done

    def _scatter(self, data: memoryview | bytes) -> int:
        at = 0
        for place in self.places:
            piece = data[at : at + len(place)]
            place[: len(piece)] = piece
            at += len(piece)
        return at

    def _wipe(self, start: int) -> None:
        for place in self.places:
            here = min(start, len(place))
            start -= here
            for at in range(here, len(place), len(_ZEROS)):
                piece = place[at : at + len(_ZEROS)]
                piece[:] = _ZEROS[: len(piece)]


_ZEROS = memoryview(bytes(1 << 16))
