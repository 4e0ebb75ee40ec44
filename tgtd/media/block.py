"""A disk on a block device (Linux: ioctl(2) BLK*, /sys/dev/block).

Opened with O_EXCL: a device that is mounted, or part of a volume or RAID, is refused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct

from tgtd.media.descriptor import DescriptorMedium
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError

BLKROGET, BLKSSZGET, BLKDISCARD, BLKZEROOUT, BLKGETSIZE64 = 0x125E, 0x1268, 0x1277, 0x127F, 0x80081272


class BlockDeviceMedium(DescriptorMedium):
    """A block device. Made by `open`."""

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> BlockDeviceMedium:
        """Open a device. size: bytes to serve of it, None: all. May block. Raises MediumError."""
        if path is None:
            raise MediumError(errno.EINVAL, "no path is given", "say which block device holds the data")
        if options.create:
            raise MediumError(errno.EINVAL, f"{path}: a block device cannot be created", "leave create out")
        flags = (os.O_RDWR if options.writable else os.O_RDONLY) | os.O_CLOEXEC
        opened: list[int] = []
        try:
            if not stat.S_ISBLK(os.stat(path).st_mode):
                raise MediumError(errno.ENOTBLK, f"{path} is not a block device", 'use type = "file"')
            opened.append(os.open(path, flags | os.O_EXCL))
            if options.direct:
                opened.append(os.open(path, flags | os.O_DIRECT))
            return cls(opened[0], opened[1] if options.direct else None, path, options.size, options.writable)
        except OSError as error:
            for fd in opened:
                os.close(fd)
            if isinstance(error, MediumError):
                raise
            raise _explain(error, path) from error

    def __init__(self, fd: int, direct: int | None, path: str, size: int | None, writable: bool) -> None:
        if writable and _number(fd, BLKROGET):
            raise MediumError(errno.EROFS, f"{path} is read-only", "set read_only = true for the LUN")
        sector = _number(fd, BLKSSZGET)
        there = _size(fd)
        if size is not None and size > there:
            raise MediumError(
                errno.EINVAL, f"{path} has {there} bytes, {size} are declared", "leave the size out, or make it smaller"
            )
        sizes = tuple(s for s in (512, 1024, 2048, 4096) if s % sector == 0)
        super().__init__(fd, direct, there if size is None else size, writable, sizes)
        if direct is None and self.can_tell:
            self.read_now = self.try_now
        self.discard_granularity = _discard_granularity(fd) if writable else 0
        self.can_discard = self.discard_granularity > 0

    def discard(self, offset: int, length: int) -> None:
        """BLKDISCARD; what a discarded block reads as is the device's affair."""
        fcntl.ioctl(self._fd, BLKDISCARD, struct.pack("QQ", offset, length))

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        """BLKZEROOUT; the kernel unmaps or writes as the device can, and the result reads as zeros."""
        fcntl.ioctl(self._fd, BLKZEROOUT, struct.pack("QQ", offset, length))

    def resize_probe(self) -> int:
        return _size(self._fd)

    def grow(self, size: int) -> None:
        """Raises MediumError when the device is smaller."""
        there = self.resize_probe()
        if there < size:
            raise MediumError(errno.ENOSPC, f"the device has {there} bytes, not {size}", "extend the device first")
        self.size = size


def _explain(error: OSError, path: str) -> MediumError:
    number = error.errno or errno.EIO
    if number == errno.EBUSY:
        return MediumError(number, f"{path} is mounted or otherwise in use", "unmount it; `lsblk` shows who holds it")
    if number == errno.ENOENT:
        return MediumError(number, f"{path} does not exist", "attach the device, or correct the path")
    if number in (errno.EACCES, errno.EPERM):
        return MediumError(
            number,
            f"the daemon may not open {path}",
            "give its user access to the device, and the service unit DeviceAllow= for it",
        )
    if number == errno.EROFS:
        return MediumError(number, f"{path} is read-only", "set read_only = true for the LUN")
    return MediumError(number, f"{path}: {os.strerror(number)}", "check the device")


def _number(fd: int, request: int) -> int:
    answer = fcntl.ioctl(fd, request, bytes(4))
    value: int = struct.unpack("i", answer)[0]
    return value


def _size(fd: int) -> int:
    value: int = struct.unpack("Q", fcntl.ioctl(fd, BLKGETSIZE64, bytes(8)))[0]
    return value


def _discard_granularity(fd: int) -> int:
    """Bytes; 0 when the device does not discard, or nobody says."""
    device = os.fstat(fd).st_rdev
    place = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    for queue in (f"{place}/queue", f"{place}/../queue"):  # a partition's is its disk's
        try:
            with open(f"{queue}/discard_max_bytes") as most, open(f"{queue}/discard_granularity") as granularity:
                return int(granularity.read()) if int(most.read()) else 0
        except FileNotFoundError:
            continue
    return 0
