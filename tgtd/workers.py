"""The worker pool: blocking work on threads, completions back in the loop thread.

A lane is one medium's share of the pool: it bounds how many of its jobs run at once, so that a stalled medium cannot
keep the others from working. What is submitted in one turn of the loop is handed over together, and completions come
back together. Threads are daemonic: a system call that hangs for ever does not keep the process from ending.
"""

from __future__ import annotations

import _thread
import errno
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from tgtd.loop import Loop, Timer

log = logging.getLogger(__name__)

Work = Callable[[], object]
Done = Callable[[BaseException | None], None]

_QUICK = 50e-6  # seconds: jobs of a lane that takes less are reported several at once
_RUN = 16  # most jobs of one lane that are reported at once
_SWEEP = 0.05  # seconds: the longest that a finished job may wait behind one that turned out slow
_STALLED = 1.0  # seconds without progress after which a full lane's threads no longer count against the pool
_OVERGROWTH = 8  # stalled lanes may make the pool this many times as large as was asked for


class Lane:
    """One medium's way into the pool (scsi.medium.Offload). Loop thread only.

    limit: how many jobs run at once. running: how many do now. Jobs start in order.
    """

    __slots__ = ("_closing", "_waiting", "_workers", "limit", "progress", "running")

    def __init__(self, workers: Workers, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.progress = 0.0
        """When (loop time) a job last started or ended."""
        self._workers = workers
        self._waiting: deque[tuple[Work, Done]] = deque()
        self._closing: list[Callable[[], None]] | None = None

    def submit(self, work: Work, done: Done) -> None:
        """Run `work()` in a worker thread, then `done(error)` in the loop thread. A closed lane answers ESHUTDOWN."""
        if self._closing is not None:
            error = OSError(errno.ESHUTDOWN, os.strerror(errno.ESHUTDOWN))
            self._workers.loop.call_soon(partial(done, error))
            return
        self._waiting.append((work, done))
        self._workers.dispatch(self)

    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self.running and not self._waiting

    def stalled(self) -> bool:
        """As many jobs as may run do, and none of them got anywhere for a second."""
        return self.running >= self.limit and self._workers.loop.time() - self.progress > _STALLED

    def close(self, done: Callable[[], None]) -> None:
        """Take no more; call `done()` once, from the loop, when all that was taken has ended."""
        if self._closing is None:
            self._closing = []
        self._closing.append(done)
        self.settle()

    def settle(self) -> None:
        """Report the closing when the last job has ended."""
        if self._closing and self.idle():
            for done in self._closing:
                self._workers.loop.call_soon(done)
            self._closing.clear()

    def start_some(self, ready: deque[tuple[Lane, Work, Done]]) -> int:
        """Move jobs that may start into `ready`; how many."""
        count = min(self.limit - self.running, len(self._waiting))
        for _ in range(count):
            ready.append((self, *self._waiting.popleft()))
        if count:
            self.running += count
            self.progress = self._workers.loop.time()
        return count


class Workers:
    """Threads that grow on demand to max_threads; all but `_serve` belongs to the loop thread.

    While all threads are taken by stalled lanes the pool grows further (to eight times as many), so that the other
    lanes go on.
    """

    def __init__(self, loop: Loop, max_threads: int) -> None:
        self.loop = loop
        self.max_threads = max_threads
        self.threads = 0
        self.lanes: dict[Lane, None] = {}
        """Lanes with jobs that run."""
        self._changed: dict[Lane, None] = {}
        self._sweeper: Timer | None = None
        # Shared with the threads; each operation on these is atomic.
        self._ready: deque[tuple[Lane, Work, Done]] = deque()
        self._finished: deque[tuple[Lane, Done, BaseException | None]] = deque()
        self._parked: list[_thread.LockType] = []
        self._waking = False
        self._reported = False
        self._growing = threading.Lock()

    def lane(self, limit: int) -> Lane:
        """A new lane of at most `limit` jobs at once."""
        return Lane(self, limit)

    def dispatch(self, lane: Lane) -> None:
        """Hand the lane's jobs over at the end of this turn."""
        if not self._changed:
            self.loop.at_turn_end(self._hand_over)
        self._changed[lane] = None

    def _hand_over(self) -> None:
        changed, self._changed = self._changed, {}
        ready = self._ready
        for lane in changed:
            if lane.start_some(ready):
                self.lanes[lane] = None
        if ready:
            self._wake()
        if self._sweeper is None and self.lanes:
            self._sweeper = self.loop.call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        if self._finished:
            self._collect()
        if self._ready:
            self._wake()
        if self.lanes:
            self._sweeper = self.loop.call_later(_SWEEP, self._sweep)

    def _collect(self) -> None:
        """Take what has finished. The loop thread is told once for all that finished meanwhile."""
        self._reported = False
        finished = self._finished
        now = self.loop.time()
        for _ in range(len(finished)):
            lane, done, error = finished.popleft()
            lane.running -= 1
            lane.progress = now
            if not lane.running:
                self.lanes.pop(lane, None)
            try:
                done(error)
            except Exception:
                log.exception("a completion failed: %r", done)
            if lane._waiting:
                self.dispatch(lane)
            elif lane._closing:
                lane.settle()

    def _bound(self) -> int:
        stuck = sum(lane.running for lane in list(self.lanes) if lane.stalled())
        return min(self.max_threads + stuck, self.max_threads * _OVERGROWTH)

    # From here on in any thread.

    def _wake(self) -> None:
        """Have one more thread look for work, unless one is on its way. It wakes the next while there is more."""
        if self._waking:
            return
        self._waking = True
        try:
            self._parked.pop().release()
        except IndexError:
            self._grow()

    def _grow(self) -> None:
        with self._growing:
            may = self.threads < self.max_threads or self.threads < self._bound()
            if may:
                self.threads += 1
        if not may:
            self._waking = False
            return
        try:
            threading.Thread(target=self._serve, name=f"worker-{self.threads}", daemon=True).start()
        except RuntimeError as trouble:
            self.threads -= 1
            self._waking = False
            log.error("cannot start worker thread %d: %s", self.threads + 1, trouble)

    def _serve(self) -> None:
        ready = self._ready
        parking = _thread.allocate_lock()
        parking.acquire()
        self._waking = False
        while True:
            try:
                job = ready.popleft()
            except IndexError:
                self._park(parking)
                continue
            if ready and not self._waking:
                self._wake()
            self._run_one(job)
            del job  # what it refers to may be given up now

    def _park(self, parking: _thread.LockType) -> None:
        """Sleep until `_wake` picks this thread."""
        if self._finished and not self._reported:
            self._report()
        self._parked.append(parking)
        if self._ready:  # came between the last look and the parking; nobody may have seen us parked
            try:
                self._parked.remove(parking)
            except ValueError:
                pass  # picked already: the lock is or will be released
            else:
                return
        parking.acquire()
        self._waking = False

    def _run_one(self, job: tuple[Lane, Work, Done]) -> None:
        """Run a job, and while they are quick those of the same lane that follow it; then report them together."""
        ready = self._ready
        finished = self._finished
        lane = job[0]
        for count in range(_RUN):
            began = time.perf_counter()
            error: BaseException | None = None
            try:
                job[1]()
            except BaseException as trouble:
                error = trouble
            finished.append((lane, job[2], error))
            if time.perf_counter() - began > _QUICK or count == _RUN - 1:
                break
            try:
                job = ready.popleft()
            except IndexError:
                break
            if job[0] is not lane:
                ready.appendleft(job)
                break
        if not self._reported:
            self._report()

    def _report(self) -> None:
        self._reported = True
        self.loop.call_from_thread(self._collect)
