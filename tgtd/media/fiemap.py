"""Which parts of a file have space and no data yet (ioctl(2) FS_IOC_FIEMAP; the kernel's filesystems/fiemap)."""

from __future__ import annotations

import errno
import fcntl
import struct
from collections.abc import Iterator

FS_IOC_FIEMAP = 0xC020660B
_SYNC = 0x1
_UNWRITTEN, _LAST = 0x800, 0x001
_HEAD = struct.Struct("=QQIIII")
_EXTENT = struct.Struct("=QQQQQIIII")
_AT_ONCE = 64
_UNABLE = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL)


def unwritten(fd: int, offset: int, length: int, settled: bool = False) -> Iterator[tuple[int, int]]:
    """(offset, length), in order, of what is allocated in a range and was not written yet. Raises OSError.

    What was written and is in the page cache only counts as not written, unless settled: that is written out first.
    """
    end = offset + length
    while offset < end:
        asked = _HEAD.pack(offset, end - offset, _SYNC * settled, 0, _AT_ONCE, 0)
        buffer = bytearray(asked + bytes(_AT_ONCE * _EXTENT.size))
        fcntl.ioctl(fd, FS_IOC_FIEMAP, buffer)
        count = _HEAD.unpack_from(buffer)[3]
        flags = _LAST
        for n in range(count):
            start, _, size, *_, flags, _, _, _ = _EXTENT.unpack_from(buffer, _HEAD.size + n * _EXTENT.size)
            first, last = max(start, offset), min(start + size, end)
            offset = max(offset, last)
            if flags & _UNWRITTEN and last > first:
                yield first, last - first
        if flags & _LAST:
            return


def can_tell(fd: int) -> bool:
    """Whether the file system answers."""
    try:
        list(unwritten(fd, 0, 1))
    except OSError as error:
        if error.errno in _UNABLE:
            return False
        raise
    return True
