"""The event loop: file descriptors, timers, signals and wake-ups from other threads, on one thread.

All protocol and device state belongs to the thread that calls `run`. The loop knows no protocol, and no callback may
block. Built on epoll(7), level-triggered, and eventfd(2).
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable

log = logging.getLogger(__name__)

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
ERROR = select.EPOLLERR

_SWEEP = 64  # cancelled timers that may lie in the heap before it is worth rebuilding


class Timer:
    """A call that is due at a time; made by Loop.call_at and Loop.call_later."""

    __slots__ = ("_loop", "callback", "when")

    def __init__(self, loop: Loop, when: float, callback: Callable[[], object]) -> None:
        self._loop = loop
        self.when = when
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """Do not call. Harmless when it was called or cancelled before."""
        if self.callback is not None:
            self.callback = None
            self._loop._timer_cancelled()


class Loop:
    """One thread's epoll loop. Everything but `call_from_thread` belongs to the thread that calls `run`.

    An exception in a callback is logged and ends neither the loop nor the turn. A turn is: wait, callbacks of ready
    file descriptors, due timers, calls from other threads, `call_soon`, then the `at_turn_end` hooks.
    """

    def __init__(self) -> None:
        self.turns = 0
        self.failures = 0
        """Callbacks that raised."""
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._stale: set[int] = set()
        self._soon: list[Callable[[], object]] = []
        self._ends: list[Callable[[], object]] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._from_threads: deque[Callable[[], object]] = deque()
        self._woken = False
        self._running = False
        self._now = time.monotonic()
        self._signals: dict[int, Callable[[], object]] = {}
        self._handlers: dict[int, object] = {}
        self._signal_ends: tuple[socket.socket, socket.socket] | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch(self._wake, READ, self._awoken)

    # File descriptors

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call `callback(events)` whenever fd is ready (READ, WRITE; ERROR and EPOLLHUP come unasked).

        Raises FileExistsError when the descriptor is watched already, PermissionError for a regular file.
        """
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def rewatch(self, fd: int, events: int) -> None:
        """Wait for other events. KeyError when the descriptor is not watched."""
        if fd not in self._callbacks:
            raise KeyError(fd)
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Watch no longer; call it before closing the descriptor. Harmless when it is not watched."""
        if self._callbacks.pop(fd, None) is None:
            return
        self._stale.add(fd)
        try:
            self._epoll.unregister(fd)
        except OSError:
            log.warning("descriptor %d was closed while it was watched", fd)

    # Calls

    def time(self) -> float:
        """Seconds on the monotonic clock when this turn began."""
        return self._now

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call in this turn or, from a `call_soon` callback or a turn-end hook, in the next one."""
        self._soon.append(function)

    def at_turn_end(self, function: Callable[[], object]) -> None:
        """Call once when this turn's callbacks have run: the place to flush what they gathered."""
        self._ends.append(function)

    def call_at(self, when: float, function: Callable[[], object]) -> Timer:
        """Call at a time on the monotonic clock."""
        timer = Timer(self, when, function)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(self, seconds: float, function: Callable[[], object]) -> Timer:
        """Call after some seconds."""
        return self.call_at(time.monotonic() + seconds, function)

    def call_from_thread(self, function: Callable[[], object]) -> None:
        """Call in the loop thread. May be used from any thread, in any number: one eventfd write wakes for all."""
        self._from_threads.append(function)
        if not self._woken:
            self._woken = True
            os.eventfd_write(self._wake, 1)

    def on_signal(self, number: int, function: Callable[[], object]) -> None:
        """Call in the loop thread when the signal arrives. Main thread only; `close` puts the old handler back."""
        if self._signal_ends is None:
            self._signal_ends = inner, outer = socket.socketpair()
            inner.setblocking(False)
            outer.setblocking(False)
            signal.set_wakeup_fd(outer.fileno(), warn_on_full_buffer=False)
            self.watch(inner.fileno(), READ, self._signalled)
        if number not in self._handlers:
            self._handlers[number] = signal.signal(number, _noted)
        self._signals[number] = function

    # Running

    def run(self) -> None:
        """Turn until `stop`."""
        self._running = True
        while self._running:
            self.turn()

    def stop(self) -> None:
        """End `run` after this turn."""
        self._running = False

    def turn(self, limit: float | None = None) -> None:
        """One turn; waits at most `limit` seconds for something to happen."""
        ready = self._epoll.poll(self._patience(limit))
        self._now = time.monotonic()
        self.turns += 1
        callbacks = self._callbacks
        stale = self._stale
        stale.clear()
        for fd, events in ready:
            # A descriptor given up in this turn may be another file by now: its event is not the new file's.
            if stale and fd in stale:
                continue
            callback = callbacks.get(fd)
            if callback is not None:
                try:
                    callback(events)
                except Exception:
                    self._failed(callback)
        timers = self._timers
        if timers and timers[0][0] <= self._now:
            self._run_timers()
        if self._soon:
            calls, self._soon = self._soon, []
            self._call_each(calls)
        while self._ends:
            calls, self._ends = self._ends, []
            self._call_each(calls)

    def close(self) -> None:
        """Give up the loop's descriptors and signal handlers. Not while it runs."""
        if self._signal_ends is not None:
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)  # type: ignore[arg-type]
            for end in self._signal_ends:
                end.close()
            self._signal_ends = None
        self._woken = True  # a late thread must not write to a descriptor that may be another file by then
        self._callbacks.clear()
        self._epoll.close()
        os.close(self._wake)

    def _patience(self, limit: float | None) -> float | None:
        if self._soon or self._ends:
            return 0
        if self._timers:
            wait = max(0.0, self._timers[0][0] - time.monotonic())
            return wait if limit is None else min(wait, limit)
        return limit

    def _run_timers(self) -> None:
        timers = self._timers
        due = []
        while timers and timers[0][0] <= self._now:
            due.append(heapq.heappop(timers)[2])
        for timer in due:
            callback = timer.callback
            if callback is None:
                self._cancelled -= 1
            else:
                timer.callback = None
                self._call_each((callback,))

    def _timer_cancelled(self) -> None:
        self._cancelled += 1
        if self._cancelled > _SWEEP and self._cancelled * 2 > len(self._timers):
            self._timers[:] = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _awoken(self, events: int) -> None:
        os.eventfd_read(self._wake)
        self._woken = False  # before the queue is emptied: who appends later writes the eventfd anew
        calls = self._from_threads
        self._call_each([calls.popleft() for _ in range(len(calls))])

    def _signalled(self, events: int) -> None:
        assert self._signal_ends is not None
        for number in self._signal_ends[0].recv(512):
            callback = self._signals.get(number)
            if callback is not None:
                self._call_each((callback,))

    def _call_each(self, callbacks: list[Callable[[], object]] | tuple[Callable[[], object], ...]) -> None:
        for callback in callbacks:
            try:
                callback()
            except Exception:
                self._failed(callback)

    def _failed(self, callback: object) -> None:
        self.failures += 1
        log.exception("a callback failed: %r", callback)


def _noted(number: int, frame: object) -> None:
    """The C handler has written the signal's number to the wake-up descriptor; there is nothing left to do here."""
