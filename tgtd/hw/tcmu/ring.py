"""The ring of one TCMU device, as data: entries out of it, answers into it (target_core_user.h, version 2).

What it finds is checked before it is used. An entry whose contents cannot be right is refused and the others go on; a
ring whose structure cannot be right is not read any further (`Distrust`). Does no I/O: the memory is handed in.
"""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import NamedTuple

from tgtd.hw.tcmu import layout
from tgtd.scsi.sense import CHECK_CONDITION

Views = tuple[memoryview, ...]

_ENTRY = layout.ENTRY.unpack_from
_IOVEC = layout.IOVEC.unpack_from


class Distrust(Exception):
    """The shared memory is not as a kernel that we know makes it, and nothing in it can be relied on."""


class Request(NamedTuple):
    """A command. number: unique among those not answered. cdb: at least 16 bytes, zero-padded. data: pieces of the data
    area, for data-out or data-in as the command has it. second: those for the data-in of a bidirectional command."""

    number: int
    cdb: bytes
    data: Views
    second: Views = ()


class Management(NamedTuple):
    """The kernel has performed a task management function. function: TCMU's number of it. aborted: commands that it is
    waiting for now."""

    function: int
    aborted: tuple[int, ...]


class Refusal(NamedTuple):
    """An entry that cannot be carried out: its number is to be answered."""

    number: int
    why: str


RingItem = Request | Management | Refusal

_RESET = "another program has reset it (action/reset_ring), or writes to it"


class Ring:
    """memory: all that is shared, as bytes. Raises Distrust when it does not begin with a mailbox of version 2.

    Answers go into the places of entries that were taken, from the oldest on, whichever command they are for: the
    kernel looks at the number in the answer. So what is in the ring no longer tells which commands have no answer.
    """

    def __init__(self, memory: memoryview) -> None:
        if len(memory) < layout.MAILBOX_SIZE:
            raise Distrust(f"{len(memory)} bytes of shared memory are too few")
        version, flags, start, size, _ = layout.MAILBOX.unpack_from(memory)
        if version != layout.VERSION:
            raise Distrust(f"this kernel's TCMU has version {version}, and tgtd knows version {layout.VERSION} alone")
        if not flags & layout.OUT_OF_ORDER:
            raise Distrust("this kernel's TCMU wants answers in order, which Linux before 4.10 did")
        if start % 8 or size % 8 or start < layout.MAILBOX_SIZE or not size or start + size > len(memory):
            raise Distrust(f"a ring of {size} bytes at {start} does not fit {len(memory)} bytes of shared memory")
        self.flags = flags
        self._memory = memory
        self._words = memory[: layout.MAILBOX_SIZE].cast("I")
        self._ring = memory[start : start + size].cast("I")
        self._start = start
        self._size = size
        self._next = self._tail = self._position(layout.TAIL)
        self._told = self._tail
        """The tail as the kernel has heard of it."""
        self._fence = Lock()
        self._places: deque[tuple[int, int, int]] = deque()
        """Offset, length and kind of the entries taken whose place is not used up."""
        self.unanswered: set[int] = set()

    def _position(self, word: int) -> int:
        at = self._words[word]
        if at >= self._size or at % 8:
            raise Distrust(f"{at} is no position in a ring of {self._size} bytes")
        return at

    # Entries

    def take(self, most: int) -> list[RingItem]:
        """Up to `most` commands and the like that have come since. Raises Distrust."""
        found: list[RingItem] = []
        head = self._position(layout.HEAD)
        at, size, ring = self._next, self._size, self._ring
        told = self._told
        if self._words[layout.TAIL] != told or (at - told) % size > (head - told) % size:
            raise Distrust(_RESET)
        if at != head:
            # What the head counts was written before it; on POWER and ARM it may yet be read before it. Taking a lock
            # again after its release is the one thing in Python's reach that keeps the order.
            for _ in range(2):
                self._fence.acquire()
                self._fence.release()
        while at != head and len(found) < most:
            word = ring[at >> 2]
            kind = word & layout.KIND_MASK
            length = word - kind
            if not 0 < length <= (head - at) % size or at + length > size:
                raise Distrust(f"an entry at {at} has {length} bytes, and the ring {size}, with its head at {head}")
            if kind == layout.COMMAND:
                found.append(self._command(at, length))
            elif kind == layout.MANAGEMENT:
                self._managed(at, length, found)
            self._places.append((at, length, kind))
            at = self._next = (at + length) % size
        self._pass_over()
        return found

    def _command(self, at: int, length: int) -> Request | Refusal:
        if length < layout.SMALLEST_COMMAND:
            raise Distrust(f"a command's entry has {length} bytes, in which there is no room for an answer")
        memory = self._memory
        place = self._start + at
        _, number, _, _, pieces, second, others, cdb_at = _ENTRY(memory, place)
        if number in self.unanswered:
            raise Distrust(f"two commands have the number {number}")
        self.unanswered.add(number)
        iovecs_end = layout.IOVECS + layout.IOVEC.size * (pieces + second)
        if others or iovecs_end > length:
            return Refusal(number, f"{pieces}, {second} and {others} iovecs in an entry of {length} bytes")
        cdb = self._cdb(cdb_at, place + iovecs_end, place + length)
        if cdb is None:
            return Refusal(number, f"its CDB is at {cdb_at}, which is not in its entry")
        iovecs = place + layout.IOVECS
        data = self._views(iovecs, pieces)
        more = self._views(iovecs + layout.IOVEC.size * pieces, second) if second else ()
        if data is None or more is None:
            return Refusal(number, "its data is not in the data area")
        return Request(number, cdb, data, more)

    def _cdb(self, at: int, start: int, end: int) -> bytes | None:
        """A CDB that must lie between two places."""
        if not start <= at < end:
            return None
        memory = self._memory
        first = memory[at]
        size = layout.CDB_LENGTHS[first >> 5]
        if first == layout.VARIABLE_LENGTH:
            if at + 8 > end:
                return None
            size = memory[at + 7] + 8
        if at + size > end:
            return None
        return bytes(memory[at : at + size]).ljust(16, b"\0")

    def _views(self, at: int, count: int) -> Views | None:
        """The pieces of the data area that iovecs name; None when one lies elsewhere."""
        memory = self._memory
        lowest, total = self._start + self._size, len(memory)
        if count == 1:
            offset, length = _IOVEC(memory, at)
            return (memory[offset : offset + length],) if lowest <= offset <= total - length else None
        views: list[memoryview] = []
        room = total - lowest  # all pieces together are no more than there is, or they lie on one another
        for iovec in range(at, at + count * layout.IOVEC.size, layout.IOVEC.size):
            offset, length = _IOVEC(memory, iovec)
            room -= length
            if not lowest <= offset <= total - length or room < 0:
                return None
            views.append(memory[offset : offset + length])
        return tuple(views)

    def _managed(self, at: int, length: int, found: list[RingItem]) -> None:
        """A task management entry needs no answer, so one that says nothing sensible is passed over."""
        if length < layout.MANAGED:
            return
        place = self._start + at
        *_, function, count = layout.MANAGEMENT_ENTRY.unpack_from(self._memory, place)
        if layout.MANAGED + 2 * count <= length:
            numbers = self._memory[place + layout.MANAGED : place + layout.MANAGED + 2 * count].cast("H")
            found.append(Management(function, tuple(numbers)))

    # Answers

    def answer(self, number: int, status: int, sense: bytes = b"", length: int = 0, keep: bool = False) -> None:
        """Answer a command. length: how much data-in there is, if it is less than was asked for and not nothing; only
        where `flags` have READ_LENGTH. keep: its data is still used, see KEEP_BUFFER. KeyError when it is answered."""
        self.unanswered.remove(number)
        at, size, _ = self._places.popleft()
        flags = (layout.READ_LENGTH_GIVEN if length else 0) | (layout.BUFFER_KEPT if keep else 0)
        place = self._start + at + layout.ANSWER_AT
        if sense or status == CHECK_CONDITION:
            layout.ANSWER_WITH_SENSE.pack_into(self._memory, place, number, 0, flags, status, length, sense)
        else:
            layout.ANSWER.pack_into(self._memory, place, number, 0, flags, status, length)
        self._tail = (at + size) % self._size
        if self._places and self._places[0][2] != layout.COMMAND:
            self._pass_over()

    def _pass_over(self) -> None:
        """What needs no answer is done with when all before it is. A kind that nobody has told us of is marked."""
        places = self._places
        while places and places[0][2] != layout.COMMAND:
            at, length, kind = places.popleft()
            if kind not in (layout.PAD, layout.MANAGEMENT):
                self._memory[self._start + at + layout.FLAGS_AT] |= layout.UNKNOWN_KIND
            self._tail = (at + length) % self._size

    def publish(self) -> bool:
        """Let the kernel see the answers so far. True: there are some that it must be told of. Raises Distrust."""
        if self._tail == self._told:
            return False
        if self._words[layout.TAIL] != self._told:
            raise Distrust(_RESET)
        self._told = self._words[layout.TAIL] = self._tail
        return True

    def release(self) -> None:
        """Let go of the memory: nothing is taken or answered any more."""
        self._words.release()
        self._ring.release()
        self._memory = memoryview(b"")
        self.unanswered.clear()
