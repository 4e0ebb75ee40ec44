"""What a block device keeps its data on, as storage verbs. Media see no CDB and build no sense: they raise OSError."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

Buffer = memoryview | bytes | bytearray
Work = Callable[[], object]


def _never() -> bool:
    return False


class Transfer:
    """A read or a write of a descriptor, as work that an Offload may have the kernel do, without a thread.

    Called, it is done by the caller, who waits. fd, offset, flags (RWF_*): as for preadv2(2) and pwritev2(2). buffer:
    writable memory in either direction. work: does the same, in whatever way, and blocks. unwanted: asked before it
    starts; true when it is not to be done any more.
    """

    __slots__ = ("buffer", "fd", "flags", "offset", "unwanted", "work", "write")

    def __init__(self, write: bool, fd: int, offset: int, buffer: memoryview, flags: int, work: Work) -> None:
        self.write = write
        self.fd = fd
        self.offset = offset
        self.buffer = buffer
        self.flags = flags
        self.work = work
        self.unwanted: Callable[[], bool] = _never

    def __call__(self) -> None:
        if not self.unwanted():
            self.work()


class Store(Protocol):
    """What a medium of any kind can be asked. Every verb may block, and raises OSError."""

    size: int
    writable: bool

    def flush(self) -> None:
        """Everything written so far is on stable storage on return."""

    def resize_probe(self) -> int:
        """The size the backing object has now."""

    def grow(self, size: int) -> None:
        """Use `size` bytes from now on; extends a file that is shorter."""

    def close(self) -> None: ...


class BlockMedium(Store, Protocol):
    """A byte-addressed store. Offsets and lengths are in bytes and lie within `size`; every verb raises OSError.

    The can_* answers and sizes are plain attributes, cached by the medium: reading them does no I/O.
    `read_now`, `write_now`, `reading` and `writing` are called from the loop thread; the other verbs may block and are
    called from a worker thread, several at once.
    """

    can_discard: bool
    can_anchor: bool
    """Space can be kept for what is discarded, and `anchored` tells where that is so."""
    can_zero: bool
    discard_granularity: int
    """Bytes; 0 when can_discard is false."""
    zero_after_discard: bool
    volatile: bool
    """True when a completed write may still be lost with the power until `flush`."""
    atomic_bytes: int
    """The longest write of which all or nothing is there after any failure; 0 when nothing is promised."""
    block_sizes: tuple[int, ...]
    """Logical block sizes this medium can serve (a block device: multiples of its own sector)."""

    def read_now(self, offset: int, into: memoryview) -> bool:
        """Fill `into` if that takes no waiting (page cache, RAM). False: use `read`."""

    def write_now(self, offset: int, data: Buffer) -> bool:
        """Take `data`, not yet durably, if that is copying memory as a rule. False: use `write`, for all of it.

        The rule has exceptions (a full page cache must be emptied first): scsi.sbc.pace says what is done then.
        """

    def read(self, offset: int, into: memoryview) -> None: ...

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        """durable: the data is on stable storage on return (FUA)."""

    def reading(self, offset: int, into: memoryview) -> Work:
        """`read` as work for an Offload: a Transfer where the kernel can do it without a thread that waits."""

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        """`write` as work for an Offload."""

    def discard(self, offset: int, length: int) -> None: ...

    def zero(self, offset: int, length: int, may_discard: bool) -> None: ...

    def anchor(self, offset: int, length: int) -> None:
        """Discard, and have space for all of it: it reads as zeros, and writing it cannot fail for want of space."""

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Yields (offset, length), in order, of what has space within a range and holds no data, whatever `extents`
        calls it: that may take zeros which were read for data."""

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        """Yields (offset, length, mapped), in order, covering the range."""


class Taking(Protocol):
    """Work that moves bytes from one medium to another with no buffer of ours in between.

    moved: how many bytes, from the first on, once it was called. What stops it earlier is no error: whoever moves the
    rest by reading and writing meets it again. Raises OSError when what was moved cannot be made durable.
    """

    moved: int

    def __call__(self) -> None: ...

    def close(self) -> None:
        """It is not called any more. Idempotent."""


@runtime_checkable
class Taker(Protocol):
    """A medium that can take data over from another one. Layers cannot: data must not pass by what they do."""

    def taking(self, source: Store, here: int, there: int, length: int, durable: bool) -> Taking | None:
        """`length` bytes from `here` of the source to `there`, which do not overlap; None when they must be read and
        written. The space that they take may be shared afterwards. Loop thread, takes no waiting."""


class Offload(Protocol):
    """A way to have blocking work done without blocking the loop (see tgtd.workers.Lane)."""

    def submit(self, work: Work, done: Callable[[BaseException | None], None]) -> None:
        """Run `work()` in a worker thread, or have the kernel do a Transfer; then `done(error)` in the loop thread.

        Order is kept for starts only.
        """
