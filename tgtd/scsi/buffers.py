"""Pooled page-aligned buffers (anonymous mmap), in power-of-two sizes.

Page alignment decides how fast the kernel copies into and out of them; the pool also bounds what all initiators
together can make the daemon hold.
"""

from __future__ import annotations

import mmap

from tgtd.scsi.sense import BUSY, Refused

_SMALLEST = 12  # 4 KiB: a page
_KEEP = 24 << 20  # bytes of free buffers that are kept for reuse


class BufferPool:
    """Takes and gives buffers; `limit` bounds the bytes handed out, and may be assigned. Belongs to the loop thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._kept = 0
        self._free: list[list[memoryview]] = [[] for _ in range(48)]

    @property
    def share(self) -> int:
        """Bytes left. An I_T nexus may hold as much as it leaves for the others: no one takes the last of it."""
        return self.limit - self.used

    def take(self, length: int) -> memoryview:
        """A buffer of at least `length` bytes, contents arbitrary. Raises Refused(BUSY) at the limit."""
        order = (length - 1).bit_length() if length > 4096 else _SMALLEST
        size = 1 << order
        if self.used + size > self.limit:
            raise Refused(BUSY)
        self.used += size
        free = self._free[order]
        if free:
            self._kept -= size
            return free.pop()
        return memoryview(mmap.mmap(-1, size))

    def give(self, buffer: memoryview) -> None:
        """Return what `take` handed out (the same object, not a slice of it)."""
        size = len(buffer)
        self.used -= size
        if self._kept + size <= _KEEP:
            self._kept += size
            self._free[size.bit_length() - 1].append(buffer)
