"""The ring, on the kernel that is there."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgtd import iouring as module
from tgtd.iouring import EVENTS, IoUring, why_not

PAGE = mmap.PAGESIZE


@pytest.fixture
def ring() -> Iterator[IoUring[str]]:
    try:
        it: IoUring[str] = IoUring(8)
    except OSError as error:
        pytest.skip(f"no io_uring here: {why_not(error)}")
    yield it
    it.close()


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    os.write(opened, bytes(range(256)) * 256)
    yield opened
    os.close(opened)


def collect(ring: IoUring[str], count: int) -> list[tuple[str, int]]:
    """Wait by the event descriptor, as the loop does, for so many ends."""
    ended: list[tuple[str, int]] = []
    with select.epoll() as epoll:
        epoll.register(ring.event, EVENTS)
        ended += ring.enter()
        while len(ended) < count:
            assert ring.due() or epoll.poll(20), "nothing comes"
            ended += ring.enter()
    return ended


def test_reading_and_writing(ring: IoUring[str], fd: int) -> None:
    into, data = memoryview(bytearray(1000)), memoryview(bytearray(b"new" * 100))
    ring.put(False, fd, 256, into, 0, "read")
    assert collect(ring, 1) == [("read", 1000)]
    assert into == (bytes(range(256)) * 4)[:1000]
    ring.put(True, fd, 5000, data, os.RWF_DSYNC, "write")
    assert collect(ring, 1) == [("write", 300)]
    assert os.pread(fd, 300, 5000) == data


def test_errors_and_short_reads_are_told(ring: IoUring[str], fd: int) -> None:
    into = memoryview(bytearray(PAGE))
    ring.put(False, fd, 65536 - 100, into, 0, "short")
    ring.put(False, fd, 1 << 20, into, 0, "past the end")
    ring.put(False, 9999, 0, into, 0, "no file")
    assert sorted(collect(ring, 3)) == [("no file", -errno.EBADF), ("past the end", 0), ("short", 100)]


def test_many_times_around_the_queues(ring: IoUring[str], fd: int) -> None:
    """A ring of 8 places; what is cold on the way is read by the kernel later."""
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    buffers = [memoryview(bytearray(512)) for _ in range(8)]
    for turn in range(100):
        for place, buffer in enumerate(buffers):
            assert ring.room()
            ring.put(False, fd, (turn * 8 + place) * 512 % 65536, buffer, 0, str(place))
        assert not ring.room()
        assert sorted(collect(ring, 8)) == [(str(place), 512) for place in range(8)]
        assert not ring.under_way
    assert buffers[0] == bytes(range(256)) * 2


def test_the_event_comes_after_a_wait(ring: IoUring[str]) -> None:
    """What hangs is told of when it ends, and holds up nothing else meanwhile."""
    end, other = os.pipe()
    into = memoryview(bytearray(3))
    try:
        ring.put(False, end, 0, into, 0, "pipe")
        assert ring.enter() == []
        assert not ring.due()
        assert [owner for owner, _ in ring.under_way.values()] == ["pipe"]
        with select.epoll() as epoll:
            epoll.register(ring.event, EVENTS)
            epoll.poll(0)
            os.write(other, b"abc")
            assert epoll.poll(20)
            assert ring.due()
            ended = ring.enter()
            while not ended:  # Linux 6.1 takes two steps: the pipe can be read, it has been read
                assert ring.due() or epoll.poll(20), "nothing comes"
                ended = ring.enter()
        assert ended == [("pipe", 3)]
        assert into == b"abc"
    finally:
        os.close(end)
        os.close(other)


def test_closing_with_something_under_way(fd: int) -> None:
    try:
        ring: IoUring[str] = IoUring(8)
    except OSError as error:
        pytest.skip(f"no io_uring here: {why_not(error)}")
    end, other = os.pipe()
    ring.put(False, end, 0, memoryview(bytearray(3)), 0, "pipe")
    ring.enter()
    ring.close()
    os.close(end)
    os.close(other)


def test_descriptors_are_not_inherited(ring: IoUring[str]) -> None:
    assert not os.get_inheritable(ring._fd)
    assert not os.get_inheritable(ring.event)


@pytest.mark.parametrize("number", [errno.EINTR, errno.EAGAIN, errno.EBUSY])
def test_what_the_kernel_does_not_take_now_is_submitted_again(
    ring: IoUring[str], fd: int, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    ring.put(False, fd, 0, memoryview(bytearray(10)), 0, "read")
    with monkeypatch.context() as refused:
        refused.setattr(module, "_LIBC", Refusing(number))
        assert ring.enter() == []
    assert ring.due()
    assert collect(ring, 1) == [("read", 10)]


def test_a_ring_that_fails_gives_back_what_was_not_taken(
    ring: IoUring[str], fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, other = os.pipe()
    ring.put(False, end, 0, memoryview(bytearray(3)), 0, "taken")
    ring.enter()
    ring.put(False, fd, 0, memoryview(bytearray(10)), 0, "queued")
    monkeypatch.setattr(module, "_LIBC", Refusing(errno.EBADFD))
    assert ring.enter() == [("queued", -errno.ECANCELED)]
    assert not ring.room()
    os.close(end)
    os.close(other)


class Refusing:
    """Stands in for the C library: every system call fails."""

    def __init__(self, number: int) -> None:
        self.number = number

    def syscall(self, *_: int) -> int:
        ctypes.set_errno(self.number)
        return -1


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EPERM, "not permitted"), (errno.ENOSYS, "does not have it"), (errno.ENOMEM, "Cannot allocate")],
)
def test_no_ring(monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    monkeypatch.setattr(module, "_LIBC", Refusing(number))
    with pytest.raises(OSError) as error:  # noqa: PT011
        IoUring()
    assert words in why_not(error.value)


FORBIDDEN = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
steps = ((0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000))  # io_uring_setup: EPERM
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
filter = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(program)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0
from tgtd.iouring import IoUring, why_not
try:
    IoUring()
except OSError as error:
    print(why_not(error))
"""


def test_a_sandbox_that_forbids_it() -> None:
    """A filter of system calls, as containers have it (seccomp(2))."""
    told = subprocess.run((sys.executable, "-c", FORBIDDEN), capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.startswith("not permitted")


def test_what_ended_while_it_was_submitted_is_due(ring: IoUring[str], fd: int) -> None:
    """Completions that lie in the queue already are to be collected, though the kernel has no work left to tell of."""
    into = memoryview(bytearray(10))
    ring.put(False, fd, 0, into, 0, "cached")
    ring._words[ring._sq_tail] = ring._tail
    assert module._call(module._ENTER, ring._fd, 1, 0, 0, 0) == 1
    ring._queued = 0
    assert ring.due()
    assert collect(ring, 1) == [("cached", 10)]
    assert not ring.due()
