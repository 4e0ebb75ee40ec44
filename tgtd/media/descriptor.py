"""Reading and writing through a file descriptor: what files and block devices have in common.

Positional and stateless, so that several workers may use one descriptor. Linux: preadv2(2), pwritev2(2), fallocate(2).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from functools import partial

from tgtd.media.anchorless import Anchorless
from tgtd.scsi.medium import Buffer, Transfer, Work

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)

KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 0x01, 0x02, 0x10

_STEP = 1 << 20
_MOST = 1 << 20  # bytes of one transfer by the kernel: it copies in the thread that submits, which is the loop's
_PAGE_MASK = mmap.PAGESIZE - 1
_UNABLE = (errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY)


def fallocate(fd: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2) with its modes, which os.posix_fallocate does not offer. Raises OSError."""
    while _LIBC.fallocate(fd, mode, offset, length) != 0:
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def read_fully(fd: int, offset: int, into: memoryview) -> None:
    """Fill `into`. Raises EIO when the data ends before."""
    while into:
        count = os.preadv(fd, (into,), offset)
        if not count:
            raise OSError(errno.EIO, f"the data ends at byte {offset}, where more was expected")
        into = into[count:]
        offset += count


def write_fully(fd: int, offset: int, data: Buffer, flags: int) -> None:
    """Write all of `data`, going on after partial writes."""
    rest = memoryview(data)
    while rest:
        count = os.pwritev(fd, (rest,), offset, flags)
        if not count:
            raise OSError(errno.EIO, f"nothing could be written at byte {offset}")
        rest = rest[count:]
        offset += count


def takes_nowait(fd: int) -> bool:
    """Whether the kernel can tell of this descriptor that it would have to wait (RWF_NOWAIT).

    Where it cannot, io_uring would hand each read to one of its threads, which all descriptors share: a medium that
    hangs could hold up others.
    """
    try:
        os.preadv(fd, (mmap.mmap(-1, mmap.PAGESIZE),), 0, os.RWF_NOWAIT)
    except OSError as error:
        return error.errno not in _UNABLE
    return True


def never_now(offset: int, data: Buffer) -> bool:
    """`read_now` and `write_now` of a store of which nobody can say that it takes no waiting."""
    return False


class DescriptorMedium(Anchorless):
    """The storage verbs on a descriptor. Kinds of store differ in opening, size, discard, zero and extents.

    fd: buffered. direct: the same object opened with O_DIRECT, or None; what is not aligned well enough for it goes
    through the page cache, which the kernel keeps coherent.
    """

    volatile = True
    can_zero = True
    atomic_bytes = 0

    def __init__(self, fd: int, direct: int | None, size: int, writable: bool, block_sizes: tuple[int, ...]) -> None:
        self.size = size
        self.writable = writable
        self.block_sizes = block_sizes
        self.can_discard = False
        self.discard_granularity = 0
        self.zero_after_discard = False
        self.read_now: Callable[[int, memoryview], bool] = never_now
        self.write_now: Callable[[int, Buffer], bool] = never_now
        self._fd = fd
        self._direct = direct
        self._dsync = os.RWF_DSYNC
        self.can_tell = takes_nowait(fd if direct is None else direct)

    def try_now(self, offset: int, into: memoryview) -> bool:
        """`read_now` where the kernel can tell whether reading would wait (RWF_NOWAIT)."""
        try:
            return os.preadv(self._fd, (into,), offset, os.RWF_NOWAIT) == len(into)
        except OSError:
            return False  # a real error comes again, and is reported, when a worker reads

    def read_at_once(self, offset: int, into: memoryview) -> bool:
        """`read_now` where reading is copying memory."""
        try:
            return os.preadv(self._fd, (into,), offset) == len(into)
        except OSError:
            return False

    def cache_now(self, offset: int, data: Buffer) -> bool:
        """`write_now` into the page cache. Whole pages only: the rest of a page might have to be read first."""
        if (offset | len(data)) & _PAGE_MASK:
            return False
        try:
            return os.pwritev(self._fd, (data,), offset) == len(data)
        except OSError:
            return False  # comes again, and is reported, when a worker writes

    def reading(self, offset: int, into: memoryview) -> Work:
        work = partial(self.read, offset, into)
        if not self.can_tell or len(into) > _MOST:
            return work
        return Transfer(False, self._fd if self._direct is None else self._direct, offset, into, 0, work)

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        """Only past the page cache: through it the kernel would use a thread of its own, and one for each file."""
        work = partial(self.write, offset, data, durable)
        flags = self._dsync if durable else 0
        possible = self._direct is not None and self.can_tell and (flags or not durable) and len(data) <= _MOST
        if not possible or not isinstance(data, memoryview) or data.readonly:
            return work
        assert self._direct is not None
        return Transfer(True, self._direct, offset, data, flags, work)

    def read(self, offset: int, into: memoryview) -> None:
        if self._direct is not None:
            try:
                return read_fully(self._direct, offset, into)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        return read_fully(self._fd, offset, into)

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        flags = self._dsync if durable else 0
        try:
            self._write(offset, data, flags)
        except OSError as error:
            if error.errno not in _UNABLE or not flags:
                raise
            self._dsync = 0  # the file system knows no RWF_DSYNC: write, then flush
            self._write(offset, data, 0)
        if durable and not self._dsync:
            self.flush()

    def _write(self, offset: int, data: Buffer, flags: int) -> None:
        if self._direct is not None:
            try:
                return write_fully(self._direct, offset, data, flags)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
        return write_fully(self._fd, offset, data, flags)

    def flush(self) -> None:
        os.fdatasync(self._fd)

    def write_zeros(self, offset: int, length: int) -> None:
        """Zeros the long way, for stores that have no shorter one."""
        zeros = memoryview(bytes(min(length, _STEP)))
        for at in range(0, length, _STEP):
            write_fully(self._fd, offset + at, zeros[: min(_STEP, length - at)], 0)

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        yield offset, length, True

    def close(self) -> None:
        """Idempotent: a descriptor number that was given back belongs to somebody else."""
        fds, self._fd, self._direct = (self._fd, self._direct), -1, None
        for fd in fds:
            if fd is not None and fd >= 0:
                os.close(fd)
