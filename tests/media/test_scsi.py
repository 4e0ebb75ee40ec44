"""tgtd.media.scsi: the kernel's structures, against a kernel that reads them as its headers have them.

tests/guest/test_passthrough.py has the real one.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.scsi.passthrough.stand_in import StandIn
from tests.scsi.workbench import TUR, cdb10
from tgtd.media import scsi
from tgtd.media.problem import MediumError
from tgtd.media.scsi import BLKSECTGET, SG_EMULATED_HOST, SG_IO, ScsiDeviceMedium
from tgtd.scsi.passthrough.exchange import DeviceReply


class Version3(ctypes.Structure):
    """struct sg_io_hdr."""

    _fields_ = (
        ("interface_id", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("cdb_length", ctypes.c_ubyte),
        ("sense_room", ctypes.c_ubyte),
        ("iovec_count", ctypes.c_ushort),
        ("length", ctypes.c_uint),
        ("data", ctypes.c_void_p),
        ("cdb", ctypes.c_void_p),
        ("sense", ctypes.c_void_p),
        ("timeout", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("pack_id", ctypes.c_int),
        ("usr_ptr", ctypes.c_void_p),
        ("status", ctypes.c_ubyte),
        ("masked_status", ctypes.c_ubyte),
        ("msg_status", ctypes.c_ubyte),
        ("sense_written", ctypes.c_ubyte),
        ("host_status", ctypes.c_ushort),
        ("driver_status", ctypes.c_ushort),
        ("residual", ctypes.c_int),
        ("duration", ctypes.c_uint),
        ("info", ctypes.c_uint),
    )


class Version4(ctypes.Structure):
    """struct sg_io_v4."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("guard", "protocol", "subprotocol", "cdb_length")),
        *((name, ctypes.c_uint64) for name in ("cdb", "tag")),
        *((name, ctypes.c_uint32) for name in ("attribute", "priority", "extra", "sense_room")),
        ("sense", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("out_iovecs", "out_length", "in_iovecs", "in_length")),
        *((name, ctypes.c_uint64) for name in ("out_data", "in_data")),
        *((name, ctypes.c_uint32) for name in ("timeout", "flags")),
        ("usr_ptr", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("spare_in", "driver_status", "host_status", "status")),
        *((name, ctypes.c_uint32) for name in ("retry_delay", "info", "duration", "sense_written")),
        *((name, ctypes.c_int32) for name in ("in_residual", "out_residual")),
        ("generated_tag", ctypes.c_uint64),
        *((name, ctypes.c_uint32) for name in ("spare_out", "padding")),
    )


class Kernel:
    """ioctl of a device that is a StandIn. version: of SG_IO that it knows."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.real = StandIn()
        self.host = self.driver = 0
        self.timeouts: list[int] = []
        self.trouble: OSError | None = None
        self.most = 128 << 10

    def ioctl(self, fd: int, request: int, argument: Any) -> Any:
        if request == BLKSECTGET:
            return self.most.to_bytes(8, "little")
        if self.trouble is not None:
            raise self.trouble
        if request == SG_EMULATED_HOST:
            return bytes(4)
        assert request == SG_IO
        if argument[0] != ord("S" if self.version == 3 else "Q"):
            raise OSError(errno.EINVAL, "Invalid argument")
        (self.third if self.version == 3 else self.fourth)(argument)
        return 0

    def third(self, argument: bytearray) -> None:
        assert len(argument) >= ctypes.sizeof(Version3)
        header = Version3.from_buffer(argument)
        outgoing = header.direction == -2
        assert (header.direction == -1) == (header.length == 0) == (header.data is None)
        reply = self.carry_out(header, header.data, outgoing, header.length)
        header.residual = header.length - reply.moved
        header.status = reply.status

    def fourth(self, argument: bytearray) -> None:
        assert len(argument) == ctypes.sizeof(Version4)
        header = Version4.from_buffer(argument)
        assert not (header.out_length and header.in_length)
        outgoing = bool(header.out_length)
        length = header.out_length or header.in_length
        reply = self.carry_out(header, header.out_data or header.in_data, outgoing, length)
        header.out_residual = header.out_length - reply.moved if outgoing else 0
        header.in_residual = 0 if outgoing else header.in_length - reply.moved
        header.status = reply.status

    def carry_out(self, header: Any, address: int | None, outgoing: bool, length: int) -> DeviceReply:
        self.timeouts.append(header.timeout)
        cdb = ctypes.string_at(header.cdb, header.cdb_length)
        memory = memoryview((ctypes.c_char * length).from_address(address)).cast("B") if address else None
        if memory is not None and not outgoing:
            assert not any(memory), "what others left there"
        reply = self.real.execute(cdb, memory if outgoing else None, None if outgoing else memory, 0)
        ctypes.memmove(header.sense, reply.sense, len(reply.sense))
        header.sense_written = len(reply.sense)
        header.host_status, header.driver_status = self.host, self.driver
        return reply


@pytest.fixture(params=[3, 4])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(request.param)
    monkeypatch.setattr(scsi.fcntl, "ioctl", kernel.ioctl)
    return kernel


@pytest.fixture
def device(kernel: Kernel) -> ScsiDeviceMedium:
    return ScsiDeviceMedium.open("/dev/null")


def test_sizes_of_the_structures() -> None:
    assert (ctypes.sizeof(Version3), ctypes.sizeof(Version4)) == (88, 160)


def test_who_it_is(kernel: Kernel, device: ScsiDeviceMedium) -> None:
    assert device.portrait == kernel.real.portrait
    assert (device.size, device.most_bytes) == (1 << 20, 128 << 10)
    assert device.resize_probe() == device.size
    device.close()
    device.close()


def test_data_goes_both_ways(kernel: Kernel, device: ScsiDeviceMedium) -> None:
    data = bytes(range(256)) * 2
    assert device.execute(cdb10(0x2A, 5, 1), data, None, 9) == DeviceReply(0, b"", 512)
    into = memoryview(bytearray(b"\xff" * 2048))
    assert device.execute(cdb10(0x28, 5, 1), None, into, 9) == DeviceReply(0, b"", 512)
    assert into[:512] == data
    assert device.execute(TUR, None, None, 9) == DeviceReply(0, b"", 0)
    assert kernel.timeouts[-1] == 9000


def test_a_cdb_that_no_structure_holds(kernel: Kernel, device: ScsiDeviceMedium) -> None:
    """The longest that SPC-5 has is 260 bytes; a byte is what version 3 has for their number."""
    asked = len(kernel.timeouts)
    with pytest.raises(OSError, match="CDB of 260 bytes") as caught:
        device.execute(bytes((0x7F, 0, 0, 0, 0, 0, 0, 252)) + bytes(252), None, None, 9)
    assert (caught.value.errno, len(kernel.timeouts)) == (errno.EINVAL, asked)


def test_sense_comes_along(device: ScsiDeviceMedium) -> None:
    reply = device.execute(cdb10(0x28, 1 << 30, 1), None, memoryview(bytearray(512)), 9)
    assert (reply.status, reply.moved, len(reply.sense)) == (2, 0, 18)
    assert reply.sense[12] == 0x21


@pytest.mark.parametrize(
    ("host", "driver", "number"),
    [(1, 0, errno.ENODEV), (2, 0, errno.EBUSY), (3, 0, errno.ETIMEDOUT), (7, 0, errno.EIO), (0, 6, errno.ETIMEDOUT)],
)
def test_the_way_to_the_device(kernel: Kernel, device: ScsiDeviceMedium, host: int, driver: int, number: int) -> None:
    kernel.host, kernel.driver = host, driver
    with pytest.raises(OSError, match="host status") as trouble:
        device.execute(TUR, None, None, 9)
    assert trouble.value.errno == number
    kernel.real.replies.append(DeviceReply(0x18, b"", 0))
    assert device.execute(TUR, None, None, 9).status == 0x18, "the device's own status counts for more"


def test_a_device_that_is_gone(kernel: Kernel, device: ScsiDeviceMedium) -> None:
    kernel.trouble = OSError(errno.ENODEV, "No such device")
    with pytest.raises(OSError, match="No such device"):
        device.resize_probe()


@pytest.mark.parametrize("kernel", [3], indirect=True)
@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, "may not use"),
        (errno.ENOTTY, "is not a SCSI device"),
        (errno.ENODEV, "no device is behind"),
        (errno.EIO, "the kernel's log"),
    ],
)
def test_why_it_cannot_be_opened(kernel: Kernel, number: int, words: str) -> None:
    kernel.trouble = OSError(number, os.strerror(number))
    with pytest.raises(MediumError, match=words) as error:
        ScsiDeviceMedium.open("/dev/null")
    assert error.value.errno == number
    assert error.value.advice


def test_what_is_no_device(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path, words in ((tmp_path / "file", "is not a device"), (tmp_path / "none", "does not exist")):
        with pytest.raises(MediumError, match=words):
            ScsiDeviceMedium.open(str(path))
    with pytest.raises(MediumError, match="is not a SCSI device"):
        ScsiDeviceMedium.open("/dev/null")
