"""io_uring(7): reads and writes that the kernel carries out without a thread of ours. Knows nothing of the rest.

One thread submits and collects (SINGLE_ISSUER with DEFER_TASKRUN, Linux 6.1): completions are posted while that thread
is inside io_uring_enter(2), so the shared memory needs no barriers, of which Python has none. One such call does for
all that was put since the last one. No library that distributions package offers this to Python; hence ctypes.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import os
import select
import struct
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

Owner = TypeVar("Owner")

ENTRIES = 4096
"""Operations that may be under way at once. As many fit both queues, so neither overflows."""
EVENTS = select.EPOLLIN | select.EPOLLET
"""How the event descriptor is to be watched: it is never read."""

_SETUP, _ENTER, _REGISTER = 425, 426, 427  # the same on every architecture but Alpha
_CQSIZE, _SUBMIT_ALL, _TASKRUN_FLAG, _SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 3, 1 << 7, 1 << 9, 1 << 12, 1 << 13
_FLAGS = _CQSIZE | _SUBMIT_ALL | _TASKRUN_FLAG | _SINGLE_ISSUER | _DEFER_TASKRUN
_SQES = 0x10000000
_GETEVENTS = 1
_REGISTER_EVENTFD, _REGISTER_IOWQ_MAX_WORKERS = 4, 19
_TASKRUN, _OVERFLOW = 4, 2  # of the submission queue's flags: there is more to collect
_READ, _WRITE = 22, 23
_KERNEL_THREADS = 256  # for what the kernel cannot do without waiting; its own bound is 4 for each CPU
_ALL_ONES = 0xFFFFFFFF

_PARAMS = struct.Struct("=7I12x8IQ8IQ")
_SQE = struct.Struct("=BBHiQQIIQ24x")
_CQE = struct.Struct("=QiI")

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.argtypes = (ctypes.c_long,) * 7
_LIBC.syscall.restype = ctypes.c_long

_LATER = (errno.EINTR, errno.EAGAIN, errno.EBUSY)


class IoUring(Generic[Owner]):
    """A submission and a completion queue. Belongs to the thread that made it.

    event: a descriptor that becomes ready when `enter` has something to collect; watch it with EVENTS.
    under_way: whose operations have not been collected, with their buffers, to which the kernel may still write.
    Raises OSError; `why_not` says it in words.
    """

    def __init__(self, entries: int = ENTRIES) -> None:
        parameters = bytearray(_PARAMS.size)
        _PARAMS.pack_into(parameters, 0, 0, entries, _FLAGS, *(0,) * 22)
        self._fd = _call(_SETUP, entries, _address(parameters))
        self.under_way: dict[int, tuple[Owner, memoryview]] = {}
        self.event = -1
        self.broken = False
        fields = _PARAMS.unpack(parameters)
        self._entries, completions = fields[:2]
        sq, cq = fields[7:16], fields[16:25]
        try:
            size = max(sq[6] + self._entries * 4, cq[5] + completions * _CQE.size)
            self._rings = mmap.mmap(self._fd, size)
            self._sqes = mmap.mmap(self._fd, self._entries * _SQE.size, offset=_SQES)
            self.event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            _register(self._fd, _REGISTER_EVENTFD, (self.event,), 1)
            _register(self._fd, _REGISTER_IOWQ_MAX_WORKERS, (_KERNEL_THREADS, 0), 2)
        except OSError:
            os.close(self._fd)
            if self.event >= 0:
                os.close(self.event)
            raise
        self._words = words = memoryview(self._rings).cast("I")
        self._sq_tail, self._sq_flags = sq[1] // 4, sq[4] // 4
        self._cq_head, self._cq_tail, self._cqes, self._cq_mask = cq[0] // 4, cq[1] // 4, cq[5], completions - 1
        for place in range(self._entries):
            words[sq[6] // 4 + place] = place
        self._queued = 0
        self._tail = 0
        self._token = 0

    def room(self) -> bool:
        """Whether one more operation may be put."""
        return len(self.under_way) < self._entries and not self.broken

    def due(self) -> bool:
        """Whether `enter` has something to do."""
        words = self._words
        return bool(
            self._queued
            or words[self._sq_flags] & (_TASKRUN | _OVERFLOW)
            or words[self._cq_head] != words[self._cq_tail]
        )

    def put(self, write: bool, fd: int, offset: int, buffer: memoryview, flags: int, owner: Owner) -> None:
        """Queue a read into `buffer`, or a write of it: `enter` submits it, and gives `owner` back when it has ended.

        buffer: writable memory, even for a write. flags: RWF_*.
        """
        token = self._token = self._token + 1
        _SQE.pack_into(
            self._sqes, (self._tail & (self._entries - 1)) * _SQE.size,
            _WRITE if write else _READ, 0, 0, fd, offset, _address(buffer), len(buffer), flags, token,
        )  # fmt: skip
        self._tail = (self._tail + 1) & _ALL_ONES
        self._queued += 1
        self.under_way[token] = owner, buffer

    def enter(self) -> list[tuple[Owner, int]]:
        """Submit what was put; collect what has ended: whose it was, and bytes moved or a negative errno.

        Does not wait for the medium. What could not be submitted this time stays queued (`due`).
        """
        self._words[self._sq_tail] = self._tail
        taken = _LIBC.syscall(_ENTER, self._fd, self._queued, 0, _GETEVENTS, 0, 0)
        if taken >= 0:
            self._queued -= taken
        elif ctypes.get_errno() not in _LATER:
            return self._give_up(ctypes.get_errno())
        words = self._words
        head, tail = words[self._cq_head], words[self._cq_tail]
        ended = []
        while head != tail:
            token, result, _ = _CQE.unpack_from(self._rings, self._cqes + (head & self._cq_mask) * _CQE.size)
            ended.append((self.under_way.pop(token)[0], result))
            head = (head + 1) & _ALL_ONES
        words[self._cq_head] = head
        return ended

    def _give_up(self, number: int) -> list[tuple[Owner, int]]:
        """The kernel wants nothing of this ring any more: what it has not taken ends as cancelled."""
        log.error("io_uring failed, worker threads take over: %s", os.strerror(number))
        self.broken = True
        queued = sorted(self.under_way)[len(self.under_way) - self._queued :]
        self._queued = 0
        return [(self.under_way.pop(token)[0], -errno.ECANCELED) for token in queued]

    def close(self) -> None:
        """Give the descriptors back. What is still under way keeps its memory as long as the ring object lives."""
        self._words.release()
        self._rings.close()
        self._sqes.close()
        os.close(self._fd)
        os.close(self.event)


def why_not(error: OSError) -> str:
    """Why there is no ring, for people."""
    if error.errno == errno.EPERM:
        return "not permitted (kernel.io_uring_disabled, or a filter of system calls)"
    if error.errno in (errno.ENOSYS, errno.EINVAL):
        return "the kernel does not have it, or is older than Linux 6.1"
    return error.strerror or str(error)


def _call(number: int, *arguments: int) -> int:
    result: int = _LIBC.syscall(number, *arguments, *(0,) * (6 - len(arguments)))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _register(fd: int, what: int, values: tuple[int, ...], count: int) -> None:
    array = bytearray(struct.pack(f"={len(values)}i", *values))
    _call(_REGISTER, fd, what, _address(array), count)


def _address(memory: bytearray | memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
