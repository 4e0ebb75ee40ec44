"""A disk in a regular file, sparse or not (open(2), fallocate(2), lseek(2))."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator

from tgtd.media.descriptor import (
    KEEP_SIZE,
    PUNCH_HOLE,
    ZERO_RANGE,
    DescriptorMedium,
    fallocate,
)
from tgtd.media.fiemap import can_tell, unwritten
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.media.regular import explain, explain_creation, lock
from tgtd.media.taking import Taking
from tgtd.scsi.medium import Store
from tgtd.scsi.room import Room

_IN_MEMORY = {0x01021994: "tmpfs", 0x858458F6: "ramfs"}
"""Magic numbers of file systems in which reading is copying memory (statfs(2))."""

_EXT = 0xEF53
_KEEPING_SPACE = {0x58465342: "xfs", 0x9123683E: "btrfs"}
"""Those in which any file can have space for zeros that were not written, and FIEMAP calls it unwritten."""

_CACHED = {
    _EXT: "ext2, ext3, ext4",
    **_KEEPING_SPACE,
    0xF2F52010: "f2fs",
    0x794C7630: "overlay",
    **_IN_MEMORY,
}
"""Those in which writing whole pages is copying memory as a rule; not those behind a network or a process."""

_FS_IOC_GETFLAGS = 2 << 30 | struct.calcsize("l") << 16 | ord("f") << 8 | 1
_EXTENTS_FL = 0x00080000

_LIBC = ctypes.CDLL(None, use_errno=True)


class FileMedium(DescriptorMedium):
    """A regular file. Made by `open`."""

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> FileMedium:
        """Open, lock and size a file. May block.

        A file shorter than the size is extended with a hole when it is writable. Raises MediumError.
        """
        if path is None:
            raise MediumError(errno.EINVAL, "no path is given", "say which file holds the data")
        writable = options.writable
        flags = os.O_DSYNC if options.sync else 0
        fd, made = _open(path, options.size, options.create, writable, flags)
        unaligned = None
        try:
            lock(fd, path, writable)
            size = _measure(fd, path, options.size, writable)
            if options.preallocate and writable:
                _allocate(fd, path, size)
            unaligned = _open_direct(fd, path, writable, flags) if options.direct else None
            return cls(fd, unaligned, size, writable, options.sync, options.preallocate)
        except BaseException as error:
            for opened in (fd, unaligned):
                if opened is not None:
                    os.close(opened)
            if made and not (isinstance(error, MediumError) and error.errno == errno.EBUSY):
                os.unlink(path)  # unless another has locked it before us: then it is that one's disk
            if isinstance(error, OSError) and not isinstance(error, MediumError):
                raise explain(error, path, writable) from error
            raise

    def __init__(
        self,
        fd: int,
        direct: int | None,
        size: int,
        writable: bool,
        sync: bool = False,
        preallocate: bool = False,
    ) -> None:
        super().__init__(fd, direct, size, writable, (512, 1024, 2048, 4096))
        self.volatile = not sync
        self._preallocate = preallocate and writable
        self._home = os.fstat(fd).st_dev
        if direct is None:
            kind = _file_system(fd)
            if self.can_tell:
                self.read_now = self.try_now
            elif kind in _IN_MEMORY:
                self.read_now = self.read_at_once
            if writable and kind in _CACHED and not sync:
                self.write_now = self.cache_now
        self.can_discard = self.zero_after_discard = writable and _can_punch(fd, size)
        if self.can_discard:
            self.discard_granularity = os.fstat(fd).st_blksize
            self.can_anchor = _can_anchor(fd)
        self.room = self.look_for_room()

    def look_for_room(self) -> Room:
        """The pool is the file system, as df(1) has it: without what is kept for root."""
        pool, taken = os.fstatvfs(self._fd), os.fstat(self._fd).st_blocks * 512
        total = (pool.f_blocks - pool.f_bfree + pool.f_bavail) * pool.f_frsize
        return Room(total, pool.f_bavail * pool.f_frsize, taken)

    def discard(self, offset: int, length: int) -> None:
        """A hole: reads as zeros, takes no space."""
        fallocate(self._fd, KEEP_SIZE | PUNCH_HOLE, offset, length)
        self._settle()

    def anchor(self, offset: int, length: int) -> None:
        """Space without data: reads as zeros."""
        fallocate(self._fd, KEEP_SIZE | ZERO_RANGE, offset, length)
        self._settle()

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """Where the page cache has something of what was not written, that may be data, or the zeros that were read."""
        for start, size in unwritten(self._fd, offset, length):
            if _seek(self._fd, start, os.SEEK_DATA, start + size) >= start + size:
                yield start, size
            else:
                yield from unwritten(self._fd, start, size, settled=True)

    def _settle(self) -> None:
        """O_DSYNC says nothing of holes and zeros."""
        if not self.volatile:
            self.flush()

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        mode = PUNCH_HOLE if may_discard and self.can_discard else ZERO_RANGE
        try:
            fallocate(self._fd, KEEP_SIZE | mode, offset, length)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            self.write_zeros(offset, length)
        self._settle()

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        """By SEEK_DATA and SEEK_HOLE; a file system that does not know them calls everything data."""
        end = offset + length
        while offset < end:
            data = min(_seek(self._fd, offset, os.SEEK_DATA, end), end)
            if data > offset:
                yield offset, data - offset, False
            if data < end:
                hole = min(_seek(self._fd, data, os.SEEK_HOLE, end), end)
                yield data, hole - data, True
                data = hole
            offset = data

    def taking(self, source: Store, here: int, there: int, length: int, durable: bool) -> Taking | None:
        """Between files of one file system; not where space was taken in advance, which sharing would give away."""
        if not isinstance(source, FileMedium) or source._home != self._home:
            return None
        if self._preallocate or source._preallocate:
            return None
        return Taking(source._fd, self._fd, here, there, length, durable or not self.volatile)

    def resize_probe(self) -> int:
        return os.fstat(self._fd).st_size

    def grow(self, size: int) -> None:
        """Raises OSError when the file is shorter and cannot be extended."""
        if self.resize_probe() < size:
            os.ftruncate(self._fd, size)
        if self._preallocate:
            fallocate(self._fd, 0, 0, size)
        self.size = size


def _open(path: str, size: int | None, create: bool, writable: bool, more: int) -> tuple[int, bool]:
    """(descriptor, whether the file was made just now)."""
    flags = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_NONBLOCK | more  # a FIFO must not block
    try:
        return os.open(path, flags), False
    except FileNotFoundError as error:
        if not create or not writable:
            raise explain(error, path, writable) from error
    except OSError as error:
        raise explain(error, path, writable) from error
    if size is None:
        raise MediumError(errno.EINVAL, f"{path} does not exist and no size is given", "give the medium a size")
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
    except OSError as error:
        raise explain_creation(error, path) from error


def _allocate(fd: int, path: str, size: int) -> None:
    """Space for all of it; data that are there stay. Raises MediumError."""
    try:
        fallocate(fd, 0, 0, size)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MediumError(
                error.errno,
                f"there is no room for the {size} bytes of {path}",
                "make room on its file system, or leave preallocate out",
            ) from error
        if error.errno == errno.EOPNOTSUPP:
            raise MediumError(
                error.errno, f"the file system of {path} cannot take space in advance", "leave preallocate out"
            ) from error
        raise


def _open_direct(fd: int, path: str, writable: bool, more: int) -> int:
    """The same file once more: not by its path, which may lead to another one by now."""
    try:
        way = (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC | os.O_DIRECT | more
        return os.open(f"/proc/self/fd/{fd}", way)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise MediumError(
                error.errno, f"the file system of {path} has no direct I/O", "set direct = false for this medium"
            ) from error
        raise


def _measure(fd: int, path: str, size: int | None, writable: bool) -> int:
    """The size to serve, extending the file when it is shorter."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        kind = "block" if stat.S_ISBLK(status.st_mode) else "other"
        advice = 'use type = "block"' if kind == "block" else "name a regular file"
        raise MediumError(errno.EINVAL, f"{path} is not a regular file", advice)
    if size is None:
        if not status.st_size:
            raise MediumError(errno.EINVAL, f"{path} is empty and no size is given", "give the medium a size")
        return status.st_size
    if status.st_size < size:
        if not writable:
            raise MediumError(
                errno.EINVAL,
                f"{path} has {status.st_size} bytes, {size} are declared, and it is read-only",
                "leave the size out, or extend the file",
            )
        os.ftruncate(fd, size)
    return size


def _can_punch(fd: int, size: int) -> bool:
    """Ask by punching where there is nothing: past the end."""
    try:
        fallocate(fd, KEEP_SIZE | PUNCH_HOLE, max(size, os.fstat(fd).st_size) + (1 << 20) & ~0xFFF, 4096)
    except OSError:
        return False
    return True


def _can_anchor(fd: int) -> bool:
    """To try it would leave traces: ext4 does not give back what is past the end of a file."""
    kind = _file_system(fd)
    return (kind in _KEEPING_SPACE or (kind == _EXT and _in_extents(fd))) and can_tell(fd)


def _in_extents(fd: int) -> bool:
    """Files that were made by ext3 are not, and cannot keep space without data."""
    try:
        flags: int = struct.unpack("l", fcntl.ioctl(fd, _FS_IOC_GETFLAGS, bytes(struct.calcsize("l"))))[0]
    except OSError:
        return False
    return bool(flags & _EXTENTS_FL)


def _file_system(fd: int) -> int:
    """The file system's magic number: the first word of struct statfs, which is larger than 120 bytes nowhere."""
    status = (ctypes.c_long * 32)()
    if _LIBC.fstatfs(fd, ctypes.byref(status)) != 0:
        return 0
    return status[0] & 0xFFFFFFFF


def _seek(fd: int, offset: int, whence: int, end: int) -> int:
    """lseek(2) for data or a hole; nothing more of it means the end. All other I/O is positional."""
    try:
        return os.lseek(fd, offset, whence)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return end
        if error.errno == errno.EINVAL:
            return offset if whence == os.SEEK_DATA else end
        raise
