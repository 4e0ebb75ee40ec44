"""tgtd.media.descriptor: whole reads and writes, whatever the kernel does with each call."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tgtd.media.descriptor import (
    KEEP_SIZE,
    PUNCH_HOLE,
    DescriptorMedium,
    fallocate,
    never_now,
    read_fully,
    takes_nowait,
    write_fully,
)
from tgtd.scsi.medium import Transfer

DATA = bytes(range(256)) * 64


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@pytest.fixture
def grudging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that moves at most 1000 bytes a call."""
    read, write = os.preadv, os.pwritev

    def some(buffers: Any) -> list[memoryview]:
        return [memoryview(buffers[0])[:1000]]

    monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset, flags=0: read(fd, some(buffers), offset, flags))
    monkeypatch.setattr(os, "pwritev", lambda fd, buffers, offset, flags=0: write(fd, some(buffers), offset, flags))


@pytest.mark.usefixtures("grudging")
def test_partial_calls_are_gone_on_with(fd: int) -> None:
    write_fully(fd, 10, DATA, 0)
    assert os.fstat(fd).st_size == 10 + len(DATA)
    into = memoryview(bytearray(len(DATA)))
    read_fully(fd, 10, into)
    assert into == DATA


@pytest.mark.usefixtures("grudging")
def test_a_short_read_is_not_in_the_cache(fd: int) -> None:
    write_fully(fd, 0, DATA, 0)
    medium = DescriptorMedium(fd, None, len(DATA), True, (512,))
    assert not medium.try_now(0, memoryview(bytearray(2000)))
    assert medium.try_now(0, memoryview(bytearray(1000)))
    assert not medium.read_at_once(0, memoryview(bytearray(2000)))
    assert medium.read_at_once(0, memoryview(bytearray(1000)))


def test_the_end_of_the_data_is_an_error(fd: int) -> None:
    os.pwrite(fd, b"abc", 0)
    with pytest.raises(OSError, match="ends at byte 3") as error:
        read_fully(fd, 0, memoryview(bytearray(10)))
    assert error.value.errno == errno.EIO


def test_a_write_that_writes_nothing_is_an_error(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwritev", lambda *_: 0)
    with pytest.raises(OSError, match="nothing could be written") as error:
        write_fully(fd, 0, DATA, 0)
    assert error.value.errno == errno.EIO


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EOPNOTSUPP, errno.EIO])
def test_now_is_no_when_the_kernel_refuses(fd: int, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    medium = DescriptorMedium(fd, None, 4096, True, (512,))

    def refuse(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(os, "preadv", refuse)
    assert not medium.try_now(0, memoryview(bytearray(512)))
    assert not medium.read_at_once(0, memoryview(bytearray(512)))
    assert takes_nowait(fd) is (number != errno.EOPNOTSUPP)


def test_nobody_can_say() -> None:
    assert not never_now(0, memoryview(bytearray(1)))


class Calls:
    """Stands in for os.pwritev: notes flags, and refuses some."""

    def __init__(self, refuses: int, number: int) -> None:
        self.refuses = refuses
        self.number = number
        self.flags: list[int] = []

    def __call__(self, fd: int, buffers: Any, offset: int, flags: int = 0) -> int:
        self.flags.append(flags)
        if flags & self.refuses:
            raise OSError(self.number, "refused")
        return len(buffers[0])


def test_durable_writes_use_dsync(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(0, 0)
    monkeypatch.setattr(os, "pwritev", calls)
    medium = DescriptorMedium(fd, None, 4096, True, (512,))
    medium.write(0, DATA, False)
    medium.write(0, DATA, True)
    assert calls.flags == [0, os.RWF_DSYNC]


def test_durable_writes_without_dsync_flush(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(os.RWF_DSYNC, errno.EOPNOTSUPP)
    flushed: list[int] = []
    monkeypatch.setattr(os, "pwritev", calls)
    monkeypatch.setattr(os, "fdatasync", flushed.append)
    medium = DescriptorMedium(fd, None, 4096, True, (512,))
    medium.write(0, DATA, True)
    medium.write(0, DATA, True)
    assert calls.flags == [os.RWF_DSYNC, 0, 0]
    assert flushed == [fd, fd]


def test_write_errors_are_not_swallowed(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwritev", Calls(os.RWF_DSYNC, errno.EIO))
    medium = DescriptorMedium(fd, None, 4096, True, (512,))
    with pytest.raises(OSError, match="refused"):
        medium.write(0, DATA, True)


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_what_is_not_aligned_goes_through_the_cache(
    fd: int, monkeypatch: pytest.MonkeyPatch, number: int, raises: bool
) -> None:
    """Only EINVAL says so: an I/O error of the direct descriptor is an I/O error."""
    medium = DescriptorMedium(fd, 1 << 20, 4096, True, (512,))
    read, write = os.preadv, os.pwritev

    def preadv(where: int, *rest: Any) -> int:
        if where == 1 << 20:
            raise OSError(number, "direct")
        return read(where, *rest)

    def pwritev(where: int, *rest: Any) -> int:
        if where == 1 << 20:
            raise OSError(number, "direct")
        return write(where, *rest)

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "pwritev", pwritev)
    into = memoryview(bytearray(len(DATA)))
    if raises:
        with pytest.raises(OSError, match="direct"):
            medium.write(0, DATA, False)
        with pytest.raises(OSError, match="direct"):
            medium.read(0, into)
        return
    medium.write(0, DATA, False)
    medium.read(0, into)
    assert into == DATA


def test_zeros_the_long_way(fd: int) -> None:
    write_fully(fd, 0, b"\xff" * (3 << 20), 0)
    medium = DescriptorMedium(fd, None, 3 << 20, True, (512,))
    medium.write_zeros(100, (2 << 20) + 7)
    into = memoryview(bytearray(3 << 20))
    medium.read(0, into)
    assert into[:100] == b"\xff" * 100
    assert into[100 : (2 << 20) + 107] == bytes((2 << 20) + 7)
    assert into[(2 << 20) + 107 :] == b"\xff" * ((1 << 20) - 107)
    assert list(medium.extents(5, 6)) == [(5, 6, True)]


def test_fallocate_raises(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    reading = os.open(tmp_path / "x", os.O_RDONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        fallocate(reading, KEEP_SIZE | PUNCH_HOLE, 0, 4096)
    os.close(reading)


def test_close_gives_each_descriptor_back_once(tmp_path: Path) -> None:
    first, second = (os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT) for _ in range(2))
    medium = DescriptorMedium(first, second, 0, True, (512,))
    medium.close()
    medium.close()
    for number in (first, second):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


def test_work_is_a_transfer_where_the_kernel_can_do_it(fd: int) -> None:
    into = memoryview(bytearray(512))
    cached = DescriptorMedium(fd, None, 4096, True, (512,))
    reading = cached.reading(1024, into)
    assert isinstance(reading, Transfer)
    assert (reading.write, reading.fd, reading.offset, reading.buffer) == (False, fd, 1024, into)
    assert not isinstance(cached.writing(0, into, False), Transfer), "through the page cache the kernel needs a thread"
    assert not isinstance(cached.reading(0, memoryview(bytearray((1 << 20) + 512))), Transfer)
    cached.can_tell = False
    assert not isinstance(cached.reading(0, into), Transfer)


def test_writes_past_the_cache(fd: int) -> None:
    data = memoryview(bytearray(DATA))
    other = os.dup(fd)
    direct = DescriptorMedium(fd, other, len(DATA), True, (512,))
    for durable, flags in ((False, 0), (True, os.RWF_DSYNC)):
        writing = direct.writing(512, data, durable)
        assert isinstance(writing, Transfer)
        assert (writing.write, writing.fd, writing.offset, writing.flags) == (True, other, 512, flags)
    assert not isinstance(direct.writing(0, DATA, False), Transfer), "bytes have no address that Python tells"
    direct._dsync = 0
    assert not isinstance(direct.writing(0, data, True), Transfer), "durable only by a flush that follows"
    os.close(other)


def test_work_does_the_same_when_it_is_called(fd: int) -> None:
    medium = DescriptorMedium(fd, None, len(DATA), True, (512,))
    medium.writing(0, DATA, True)()
    into = memoryview(bytearray(len(DATA)))
    reading = medium.reading(0, into)
    assert isinstance(reading, Transfer)
    reading.unwanted = lambda: True
    reading()
    assert into == bytes(len(DATA))
    reading.unwanted = lambda: False
    reading()
    assert into == DATA
