"""A disk in memory: fast, and gone with the daemon (mmap(2), madvise(2))."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Iterator
from functools import partial

from tgtd.media.anchorless import Anchorless
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.scsi.medium import Buffer, Work

_CHUNK = 1 << 30  # address space; memory is taken page by page, as it is written
_PAGE = mmap.PAGESIZE
_HELD, _FREE = b"\0", b"\1"
_NORESERVE = 0x4000  # Linux; mmap names it from Python 3.13 on


class RamMedium(Anchorless):
    """Anonymous memory in chunks of address space, so that growing moves nothing."""

    writable = True
    can_discard = True
    can_zero = True
    discard_granularity = _PAGE
    zero_after_discard = True
    volatile = False
    atomic_bytes = 1 << 20  # what a failure leaves of it is nothing at all; the bound keeps others from waiting long
    block_sizes: tuple[int, ...] = (512, 1024, 2048, 4096)

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> RamMedium:
        """Raises MediumError when no size is given, or there is no address space for it."""
        if not options.size:
            raise MediumError(errno.EINVAL, "a disk in memory has no size of its own", "give the medium a size")
        try:
            return cls(options.size, options.writable)
        except OSError as error:
            raise MediumError(
                error.errno or errno.ENOMEM, f"no memory for {options.size} bytes", "choose less"
            ) from error

    def __init__(self, size: int, writable: bool = True) -> None:
        self.writable = writable
        self.size = 0
        self._maps: list[mmap.mmap] = []
        self._views: list[memoryview] = []
        self._pages: dict[int, bytearray] = {}  # chunks with discarded pages: which they are
        self.grow(size)

    def grow(self, size: int) -> None:
        while len(self._maps) * _CHUNK < size:
            area = mmap.mmap(-1, _CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
            self._maps.append(area)
            self._views.append(memoryview(area))
        self.size = size

    def _pieces(self, offset: int, length: int) -> Iterator[tuple[int, int, int, int]]:
        """(chunk, offset in it, length, offset in the range) of each piece of a range."""
        done = 0
        while done < length:
            chunk, start = divmod(offset + done, _CHUNK)
            part = min(length - done, _CHUNK - start)
            yield chunk, start, part, done
            done += part

    def read_now(self, offset: int, into: memoryview) -> bool:
        chunk, start = divmod(offset, _CHUNK)
        end = start + len(into)
        if end > _CHUNK:
            return False
        into[:] = self._views[chunk][start:end]
        return True

    def write_now(self, offset: int, data: Buffer) -> bool:
        self.write(offset, data, durable=True)
        return True

    def read(self, offset: int, into: memoryview) -> None:
        for chunk, start, part, done in self._pieces(offset, len(into)):
            into[done : done + part] = self._views[chunk][start : start + part]

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        source = memoryview(data)
        for chunk, start, part, done in self._pieces(offset, len(source)):
            self._views[chunk][start : start + part] = source[done : done + part]

    def _write_and_hold(self, offset: int, data: Buffer, durable: bool) -> None:
        """`write` of a disk of which something was discarded; no other need pay for that."""
        RamMedium.write(self, offset, data, durable)
        self._hold(offset, len(data))

    def _hold(self, offset: int, length: int) -> None:
        for chunk, start, part, _ in self._pieces(offset, length):
            pages = self._pages.get(chunk)
            if pages is not None:
                first, end = start // _PAGE, (start + part - 1) // _PAGE + 1
                pages[first:end] = _HELD * (end - first)

    def _free(self, chunk: int, first: int, end: int) -> None:
        """Before they go back: a write that comes in between has the last word."""
        self.write = self._write_and_hold  # type: ignore[method-assign]
        pages = self._pages.get(chunk)
        if pages is None:
            pages = self._pages.setdefault(chunk, bytearray(_CHUNK // _PAGE))
        pages[first:end] = _FREE * (end - first)

    def reading(self, offset: int, into: memoryview) -> Work:
        return partial(self.read, offset, into)

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        return partial(self.write, offset, data, durable)

    def flush(self) -> None:
        """Nothing outlives the daemon, so there is nothing to make sure of."""

    def discard(self, offset: int, length: int) -> None:
        """Whole pages go back to the system, the rest is zeroed: all of it reads as zeros."""
        for chunk, start, part, _ in self._pieces(offset, length):
            first = -(-start // _PAGE) * _PAGE
            last = (start + part) // _PAGE * _PAGE
            if first >= last:
                self._views[chunk][start : start + part] = bytes(part)
                continue
            self._views[chunk][start:first] = bytes(first - start)
            self._free(chunk, first // _PAGE, last // _PAGE)
            self._maps[chunk].madvise(mmap.MADV_DONTNEED, first, last - first)
            self._views[chunk][last : start + part] = bytes(start + part - last)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        """What may not be discarded is mapped afterwards, though it takes no memory."""
        self.discard(offset, length)
        if not may_discard:
            self._hold(offset, length)

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        """Unmapped is what was discarded; what was never written counts as mapped."""
        for chunk, start, part, done in self._pieces(offset, length):
            pages, at, end = self._pages.get(chunk, b""), start, start + part
            while at < end:
                page = at // _PAGE
                mapped = pages[page : page + 1] != _FREE
                other = pages.find(_FREE if mapped else _HELD, page)
                upto = end if other < 0 else min(end, other * _PAGE)
                yield offset + done + at - start, upto - at, mapped
                at = upto

    def resize_probe(self) -> int:
        return self.size

    def close(self) -> None:
        """Memory goes back when the last read or write that still looks at it has ended."""
        self._views = []
        self._maps = []
