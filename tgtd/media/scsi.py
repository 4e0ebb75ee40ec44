"""A real SCSI device of this host, by Linux's SG_IO: version 3 for /dev/sg*, disks, tapes and the like, version 4 for
/dev/bsg/* (include/scsi/sg.h, include/uapi/linux/bsg.h).

The structures hold addresses of memory: the only place of the daemon where that is so.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Callable

from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.scsi.medium import Buffer
from tgtd.scsi.passthrough.exchange import DeviceReply, Portrait

SG_IO, SG_EMULATED_HOST, BLKSECTGET = 0x2285, 0x2203, 0x1267
_SG = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII0P")
_BSG = struct.Struct("@IIIIQQIIIIQIIIIQQIIQIIIIIIIIiiQII")
_NONE, _TO_DEVICE, _FROM_DEVICE = -1, -2, -3
_SENSE = 252
_SECONDS = 30  # for what is asked of the device when it is opened
_LONGEST_CDB = 255  # bytes; the structure of version 3 has no room for more
_USUAL_BYTES = 512 << 10  # most data of a command, where the host does not say

_HOST = {
    0x01: errno.ENODEV,  # DID_NO_CONNECT
    0x02: errno.EBUSY,  # DID_BUS_BUSY
    0x03: errno.ETIMEDOUT,  # DID_TIME_OUT
    0x04: errno.ENODEV,  # DID_BAD_TARGET
    0x05: errno.ETIMEDOUT,  # DID_ABORT
    0x08: errno.EBUSY,  # DID_RESET
    0x0B: errno.EBUSY,  # DID_SOFT_ERROR
    0x0C: errno.EBUSY,  # DID_IMM_RETRY
    0x0D: errno.EBUSY,  # DID_REQUEUE
    0x0E: errno.EBUSY,  # DID_TRANSPORT_DISRUPTED
    0x0F: errno.ENODEV,  # DID_TRANSPORT_FAILFAST
}
"""What the kernel says of the way to the device (include/scsi/scsi_status.h), where it is not DID_ERROR or DID_OK."""

_DRIVER_TIMEOUT = 0x06


class ScsiDeviceMedium:
    """A device that is open. Made by `open`."""

    writable = True

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path
        self._ask: Callable[[bytes, Buffer | None, memoryview | None, int], DeviceReply] = self._by_sg
        self.most_bytes = _most_bytes(fd)
        self.portrait = self._look()
        self.size = self.portrait.blocks * self.portrait.block_size

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> ScsiDeviceMedium:
        """May block. Raises MediumError. A block device is taken for us alone: what is mounted is refused."""
        if path is None:
            raise MediumError(errno.EINVAL, "no path is given", "say which SCSI device it is, such as /dev/sg2")
        fd = -1
        try:
            kind = os.stat(path).st_mode
            if not (stat.S_ISCHR(kind) or stat.S_ISBLK(kind)):
                raise MediumError(errno.ENOTTY, f"{path} is not a device", "name a SCSI device, such as /dev/sg2")
            fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_EXCL if stat.S_ISBLK(kind) else 0))
            return cls(fd, path)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            if isinstance(error, MediumError):
                raise
            raise _explain(error, path) from error

    def execute(self, cdb: bytes, out: Buffer | None, into: memoryview | None, seconds: int) -> DeviceReply:
        """See ScsiDevice."""
        if len(cdb) > _LONGEST_CDB:
            raise OSError(errno.EINVAL, f"a CDB of {len(cdb)} bytes is too long for this host", self._path)
        return self._ask(cdb, out, into, seconds)

    def _by_sg(self, cdb: bytes, out: Buffer | None, into: memoryview | None, seconds: int) -> DeviceReply:
        data, length, direction = _data(out, into)
        command, sense = ctypes.create_string_buffer(cdb, len(cdb)), ctypes.create_string_buffer(_SENSE)
        header = bytearray(
            _SG.pack(
                ord("S"), direction, len(cdb), _SENSE, 0, length, _address(data), ctypes.addressof(command),
                ctypes.addressof(sense), seconds * 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            )
        )  # fmt: skip
        fcntl.ioctl(self._fd, SG_IO, header)
        *_, status, _, _, written, host, driver, residual, _, _ = _SG.unpack(header)
        return self._reply(status, sense.raw[:written], host, driver, length - max(0, min(residual, length)))

    def _by_bsg(self, cdb: bytes, out: Buffer | None, into: memoryview | None, seconds: int) -> DeviceReply:
        data, length, direction = _data(out, into)
        command, sense = ctypes.create_string_buffer(cdb, len(cdb)), ctypes.create_string_buffer(_SENSE)
        outgoing, incoming = (length, 0) if direction == _TO_DEVICE else (0, length)
        header = bytearray(
            _BSG.pack(
                ord("Q"), 0, 0, len(cdb), ctypes.addressof(command), 0, 0, 0, 0, _SENSE, ctypes.addressof(sense),
                0, outgoing, 0, incoming, _address(data) if outgoing else 0, _address(data) if incoming else 0,
                seconds * 1000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            )
        )  # fmt: skip
        fcntl.ioctl(self._fd, SG_IO, header)
        found = _BSG.unpack(header)
        driver, host, status, written = found[21], found[22], found[23], found[27]
        residual = found[29] if outgoing else found[28]
        return self._reply(status, sense.raw[: min(written, _SENSE)], host, driver, length - min(residual, length))

    def _reply(self, status: int, sense: bytes, host: int, driver: int, moved: int) -> DeviceReply:
        """A status of the device counts for more than what the kernel thinks of the way to it."""
        if not status and driver & 0x0F == _DRIVER_TIMEOUT:
            host = host or 0x03
        if not status and host:
            number = _HOST.get(host, errno.EIO)
            raise OSError(number, f"{os.strerror(number)} (host status {host:02X}h)", self._path)
        return DeviceReply(status & 0x7E, sense, moved)

    def _look(self) -> Portrait:
        """Find the version of SG_IO, then who the device is. What it does not answer is left out."""
        try:
            inquiry = self._fetch(_inquiry(None, 252), 252)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise
            self._ask = self._by_bsg
            inquiry = self._fetch(_inquiry(None, 252), 252)
        if len(inquiry) < 36:
            raise MediumError(errno.EIO, f"{self._path} does not say what it is", "see the kernel's log about it")
        pages = {code: page for code in (0x00, 0x80, 0x83) if len(page := self._fetch(_inquiry(code, 252), 252)) >= 4}
        block_size, blocks = self._measure() if inquiry[0] & 0x1F in (0x00, 0x05, 0x07, 0x0E, 0x14) else (0, 0)
        return Portrait(inquiry, pages, block_size, blocks)

    def _measure(self) -> tuple[int, int]:
        """READ CAPACITY(10), or (16) where that does not suffice; (0, 0) without a medium."""
        short = self._fetch(bytes((0x25,)).ljust(10, b"\0"), 8)
        if len(short) < 8:
            return 0, 0
        last, size = struct.unpack(">II", short)
        if last == 0xFFFFFFFF:
            long = self._fetch(struct.pack(">BB8xI2x", 0x9E, 0x10, 32), 32)
            if len(long) < 12:
                return 0, 0
            last, size = struct.unpack_from(">QI", long)
        return size, last + 1

    def _fetch(self, cdb: bytes, room: int) -> bytes:
        """The data of a command, b"" when it does not end with GOOD; tried again after unit attentions."""
        for _ in range(4):
            into = bytearray(room)
            status, sense, moved = self.execute(cdb, None, memoryview(into), _SECONDS)
            if status == 0:
                return bytes(into[:moved])
            if status != 0x02 or len(sense) < 3 or sense[2 if sense[0] & 0x7F < 0x72 else 1] & 0x0F != 0x06:
                break
        return b""

    def flush(self) -> None:
        """What the device caches is its initiators' affair."""

    def resize_probe(self) -> int:
        """Raises ENODEV when the device is gone; asks the kernel, not the device."""
        try:
            fcntl.ioctl(self._fd, SG_EMULATED_HOST, bytes(4))
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.ENXIO):
                raise
        status = os.fstat(self._fd)
        sort = "block" if stat.S_ISBLK(status.st_mode) else "char"
        place = f"/sys/dev/{sort}/{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        if os.path.isdir("/sys/dev") and not os.path.exists(place):
            raise OSError(errno.ENODEV, "the device was taken away", self._path)
        return self.size

    def grow(self, size: int) -> None:
        """A device has the size that it has."""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _inquiry(page: int | None, room: int) -> bytes:
    return struct.pack(">BBBHB", 0x12, int(page is not None), page or 0, room, 0)


def _data(out: Buffer | None, into: memoryview | None) -> tuple[memoryview | None, int, int]:
    """Memory, bytes of it, and their direction. What others left in memory that is to be filled does not stay there:
    not all drivers are right about how much of it they have filled."""
    if into is not None and len(into):
        ctypes.memset(_address(into), 0, len(into))
        return into, len(into), _FROM_DEVICE
    if out is not None and len(out):
        view = memoryview(out)
        return (view if not view.readonly else memoryview(bytearray(view))), len(view), _TO_DEVICE
    return None, 0, _NONE


def _address(data: memoryview | None) -> int:
    return 0 if data is None else ctypes.addressof(ctypes.c_char.from_buffer(data))


def _most_bytes(fd: int) -> int:
    """The most that the host moves in one command: disks answer in sectors (of a short), /dev/sg in bytes."""
    try:
        answer = fcntl.ioctl(fd, BLKSECTGET, bytes(8))
    except OSError:
        return _USUAL_BYTES
    if stat.S_ISBLK(os.fstat(fd).st_mode):
        return int(struct.unpack_from("@H", answer)[0]) << 9 or _USUAL_BYTES
    return int(struct.unpack_from("@i", answer)[0]) or _USUAL_BYTES


_CAUSES = (
    (
        (errno.ENOENT,),
        "{} does not exist",
        "attach the device, load the module that makes the node (modprobe sg), or correct the path (lsscsi -g)",
    ),
    (
        (errno.ENODEV, errno.ENXIO),
        "no device is behind {} now",
        "attach it, or correct the path; `lsscsi -g` lists what is there",
    ),
    (
        (errno.EACCES, errno.EPERM),
        "the daemon may not use {} as a SCSI device",
        "give its user access to the node, and the service DeviceAllow= for it; see PASSTHROUGH in tgtd-targets(5)",
    ),
    ((errno.EBUSY,), "{} is mounted or otherwise in use", "unmount it; `lsblk` shows who holds it"),
    (
        (errno.ENOTTY, errno.EINVAL),
        "{} is not a SCSI device",
        'name a SCSI device (`lsscsi -g` lists them), or use device = "disk" with a medium of type "block"',
    ),
)
"""errno, cause and fix."""


def _explain(error: OSError, path: str) -> MediumError:
    number = error.errno or errno.EIO
    for numbers, cause, fix in _CAUSES:
        if number in numbers:
            return MediumError(number, cause.format(path), fix)
    return MediumError(
        number, f"{path}: {error.strerror or os.strerror(number)}", "see the kernel's log about the device"
    )
