"""A disk that keeps nothing: reads give zeros, writes vanish. For measuring everything but the medium."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterator
from functools import partial

from tgtd.media.anchorless import Anchorless
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.scsi.medium import Buffer, Work

_ZEROS = 1 << 20


class NullMedium(Anchorless):
    """Says of itself that nothing is mapped, that it has no cache, and that it cannot discard."""

    can_discard = False
    can_zero = True
    discard_granularity = 0
    zero_after_discard = False
    volatile = False
    atomic_bytes = 0
    block_sizes: tuple[int, ...] = (512, 1024, 2048, 4096)

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> NullMedium:
        """Raises MediumError when no size is given."""
        if not options.size:
            raise MediumError(errno.EINVAL, "a null disk has no size of its own", "give the medium a size")
        return cls(options.size, options.writable)

    def __init__(self, size: int, writable: bool = True) -> None:
        self.size = size
        self.writable = writable
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._zeros = memoryview(mmap.mmap(-1, _ZEROS, prot=mmap.PROT_READ, flags=flags))

    def read_now(self, offset: int, into: memoryview) -> bool:
        self.read(offset, into)
        return True

    def write_now(self, offset: int, data: Buffer) -> bool:
        return True

    def read(self, offset: int, into: memoryview) -> None:
        for at in range(0, len(into), _ZEROS):
            part = into[at : at + _ZEROS]
            part[:] = self._zeros[: len(part)]

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        """Gone."""

    def reading(self, offset: int, into: memoryview) -> Work:
        return partial(self.read, offset, into)

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        return partial(self.write, offset, data, durable)

    def flush(self) -> None:
        """There is nothing to flush."""

    def discard(self, offset: int, length: int) -> None:
        """There is nothing to discard."""

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        """It is zero already."""

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        yield offset, length, False

    def resize_probe(self) -> int:
        return self.size

    def grow(self, size: int) -> None:
        self.size = size

    def close(self) -> None:
        """Nothing is open."""
