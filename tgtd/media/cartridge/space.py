"""Which parts of a cartridge's file a partition's stream takes: segments, given out in order.

A stream is written and read by its own offsets. A record may lie across two segments.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator

from tgtd.media.cartridge.label import DATA, MOST_SEGMENTS
from tgtd.media.descriptor import KEEP_SIZE, PUNCH_HOLE, fallocate, read_fully, write_fully
from tgtd.scsi.medium import Buffer

_SMALLEST = 1 << 20
_STEP = 1 << 20
_AHEAD = 4 << 20  # bytes
_UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS)


def segment_size(capacity: int) -> int:
    """A power of two that needs at most half as many segments for a capacity as there may be."""
    return max(_SMALLEST, 1 << (capacity // (MOST_SEGMENTS // 2)).bit_length())


class Space:
    """The segments of a file. size: of one, in bytes. used: their numbers."""

    def __init__(self, fd: int, size: int, used: Iterable[int]) -> None:
        self.fd = fd
        self.size = size
        self._used = set(used)

    def take(self) -> int:
        """The lowest that is free. Raises ENOSPC."""
        for number in range(MOST_SEGMENTS):
            if number not in self._used:
                self._used.add(number)
                return number
        raise OSError(errno.ENOSPC, "the cartridge has no free segment left")

    def give(self, numbers: Iterable[int]) -> None:
        """They are free, and take no space in the file system any more, where that can punch holes."""
        for number in numbers:
            self._used.discard(number)
            with contextlib.suppress(OSError):
                fallocate(self.fd, KEEP_SIZE | PUNCH_HOLE, DATA + number * self.size, self.size)
        self.trim()

    def trim(self) -> None:
        """The file takes no space behind its end: ext4 keeps what lies there when a hole is punched."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.fd, os.fstat(self.fd).st_size)

    def free(self) -> list[int]:
        """The segments of the file that nothing uses."""
        count = -(-(os.fstat(self.fd).st_size - DATA) // self.size)
        return [number for number in range(count) if number not in self._used]

    def clean(self, numbers: Iterable[int]) -> Iterator[int]:
        """Nothing is left in these segments. Yields bytes that were erased, in bounded steps. Raises OSError."""
        for number in numbers:
            yield from self.erase(DATA + number * self.size, self.size)

    def erase(self, at: int, length: int) -> Iterator[int]:
        """Zeros, that take no space in the file system where that can be. Yields and raises as `clean`."""
        try:
            fallocate(self.fd, KEEP_SIZE | PUNCH_HOLE, at, length)
        except OSError as error:
            if error.errno not in _UNABLE:
                raise
            end = min(at + length, os.fstat(self.fd).st_size)
            for begin in range(at, end, _STEP):
                part = min(_STEP, end - begin)
                write_fully(self.fd, begin, bytes(part), 0)
                yield part
        else:
            yield length


class Stream:
    """A partition's bytes. segments: its part of the space, in order; they grow as it is written to.

    The file system is asked for space some way ahead of what is written, as finding it for many small pieces costs a
    third of writing them.
    """

    def __init__(self, space: Space, segments: list[int]) -> None:
        self.space = space
        self.segments = segments
        self._ahead = 0  # up to which offset it was asked

    def pieces(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Offset in the file and length, in order. Raises EIO where the stream has no segment."""
        size = self.space.size
        while length:
            which, inside = divmod(offset, size)
            if which >= len(self.segments):
                raise OSError(errno.EIO, f"byte {offset} lies behind the data")
            part = min(length, size - inside)
            yield DATA + self.segments[which] * size + inside, part
            offset += part
            length -= part

    def read(self, offset: int, into: memoryview) -> None:
        """Raises OSError."""
        for at, length in self.pieces(offset, len(into)):
            read_fully(self.space.fd, at, into[:length])
            into = into[length:]

    def read_now(self, offset: int, head: bytearray, into: memoryview) -> bool:
        """`head`, then `into`, where the page cache has all of it, in one piece; False otherwise."""
        length = len(head) + len(into)
        which, inside = divmod(offset, self.space.size)
        if which >= len(self.segments) or inside + length > self.space.size:
            return False
        at = DATA + self.segments[which] * self.space.size + inside
        try:
            return os.preadv(self.space.fd, (head, into), at, os.RWF_NOWAIT) == length
        except OSError:
            return False  # a real error comes again, and is reported, when a worker reads

    def write(self, offset: int, head: bytes, data: Buffer = b"") -> None:
        """`head`, then `data`. Raises OSError: what was there from `offset` on may be lost."""
        length = len(head) + len(data)
        while offset + length > len(self.segments) * self.space.size:
            self.segments.append(self.space.take())
        if offset + length > self._ahead:
            self._reserve(offset, offset + length)
        at, first = next(self.pieces(offset, length))
        if first == length:
            written = os.pwritev(self.space.fd, (head, data), at)
            if written == length:
                return
        rest = memoryview(b"".join((head, data)))
        for at, part in self.pieces(offset, length):
            write_fully(self.space.fd, at, rest[:part], 0)
            rest = rest[part:]

    def _reserve(self, offset: int, end: int) -> None:
        """Where there is no space, or none can be reserved, writing itself says so or finds it."""
        begin = max(offset, self._ahead)
        self._ahead = min(-(-end // _AHEAD) * _AHEAD, len(self.segments) * self.space.size)
        with contextlib.suppress(OSError):
            for at, part in self.pieces(begin, self._ahead - begin):
                fallocate(self.space.fd, KEEP_SIZE, at, part)

    def release(self, offset: int) -> None:
        """Give back the space that was reserved from `offset` on."""
        begin, end = offset, self._ahead
        self._ahead = min(begin, end)
        with contextlib.suppress(OSError):
            for at, part in self.pieces(begin, max(0, end - begin)):
                fallocate(self.space.fd, KEEP_SIZE | PUNCH_HOLE, at, part)

    def wipe(self, offset: int) -> Iterator[int]:
        """Zeros from `offset` on. Yields and raises as `Space.clean`."""
        self._ahead = min(self._ahead, offset)
        for at, length in self.pieces(offset, len(self.segments) * self.space.size - offset):
            yield from self.space.erase(at, length)

    def shrink(self, length: int) -> list[int]:
        """Drop the segments behind `length` bytes; their numbers, to be given back."""
        kept = -(-length // self.space.size)
        dropped = self.segments[kept:]
        del self.segments[kept:]
        self._ahead = min(self._ahead, kept * self.space.size)
        return dropped
