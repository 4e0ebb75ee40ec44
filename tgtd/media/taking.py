"""Bytes that one file takes over from another, on one file system (copy_file_range(2))."""

from __future__ import annotations

import os


class Taking:
    """copy_file_range(2): shares the blocks where the file system can, and else copies inside the kernel.

    Holds a descriptor of its own of the source, whose medium may be closed meanwhile; the destination's lane is busy.
    """

    def __init__(self, source: int, destination: int, here: int, there: int, length: int, durable: bool) -> None:
        self.moved = 0
        self._source = os.dup(source)
        self._destination = destination
        self._here, self._there, self._length = here, there, length
        self._durable = durable

    def __call__(self) -> None:
        try:
            while self.moved < self._length and (count := self._some()):
                self.moved += count
        except OSError:
            pass  # comes again, and is reported, when the rest is read and written
        if self.moved and self._durable:
            os.fdatasync(self._destination)

    def _some(self) -> int:
        here, there, left = self._here + self.moved, self._there + self.moved, self._length - self.moved
        return os.copy_file_range(self._source, self._destination, left, offset_src=here, offset_dst=there)

    def close(self) -> None:
        source, self._source = self._source, -1
        if source >= 0:
            os.close(source)
