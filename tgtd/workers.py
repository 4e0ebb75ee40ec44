"""The worker pool: blocking work on threads or by the kernel, completions back in the loop thread.

A lane is one medium's share of the pool: it bounds how many of its jobs run at once, so that a stalled medium cannot
keep the others from working. What is submitted in one turn of the loop is handed over together, and completions come
back together. Threads are daemonic: a system call that hangs for ever does not keep the process from ending.

Where there is a ring (tgtd.iouring), the kernel does transfers without a thread. Submitting them takes no waiting as a
rule; it has exceptions (a disk's queue that is full, a file whose map is not in memory). A lane whose transfers were
slow to submit goes back to threads for a while that doubles each time; one that hears nothing of its transfers for a
quarter of a second submits no more until it does. So a medium holds the loop up for a slow call now and then, at most.
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

from tgtd.iouring import EVENTS, IoUring, why_not
from tgtd.loop import Loop, Timer
from tgtd.scsi.medium import Transfer, Work

log = logging.getLogger(__name__)

Done = Callable[[BaseException | None], None]

_QUICK = 50e-6  # seconds: jobs of a lane that takes less are reported several at once
_RUN = 16  # most jobs of one lane that are reported at once
_SWEEP = 0.05  # seconds: the longest that a finished job may wait behind one that turned out slow
_STALLED = 1.0  # seconds without progress after which a full lane's threads no longer count against the pool
_SLOW = 0.01  # seconds: submitting transfers takes a thousandth of it
_FIRST_REST, _LONGEST_REST = 1.0, 64.0  # seconds on threads after submitting was slow
_DEPTH = 64  # transfers of one lane at once: enough for a fast disk, and fewer than the queue of one has places
_LATE = 0.25  # seconds without an end of a transfer after which a lane submits no more
_BY_THREAD = frozenset((errno.EINVAL, errno.EAGAIN, errno.EINTR, errno.EOPNOTSUPP, errno.ECANCELED, errno.ENOMEM))
"""What the kernel may say of a transfer that a thread can do nevertheless, in another way or with waiting."""
_OVERGROWTH = 8  # stalled lanes may make the pool this many times as large as was asked for


class Lane:
    """One medium's way into the pool (scsi.medium.Offload). Loop thread only.

    limit: how many jobs run on threads at once. running: how many do now. flying: transfers that the kernel does now.
    Jobs start in order.
    """

    __slots__ = (
        "_closing",
        "_heard",
        "_rest",
        "_resting",
        "_waiting",
        "_workers",
        "flying",
        "limit",
        "progress",
        "running",
    )

    def __init__(self, workers: Workers, limit: int) -> None:
        self.limit = limit
        self.running = 0
        self.flying = 0
        self.progress = 0.0
        """When (loop time) a job last started or ended on a thread."""
        self._heard = 0.0  # when a transfer last ended, or the first of those under way was submitted
        self._rest = 0.0
        self._resting = 0.0  # until when transfers go to threads
        self._workers = workers
        self._waiting: deque[tuple[Work, Done]] = deque()
        self._closing: list[Callable[[], None]] | None = None

    def submit(self, work: Work, done: Done) -> None:
        """See Offload. A closed lane answers ESHUTDOWN."""
        if self._closing is not None:
            error = OSError(errno.ESHUTDOWN, os.strerror(errno.ESHUTDOWN))
            self._workers.loop.call_soon(partial(done, error))
            return
        self._waiting.append((work, done))
        self._workers.dispatch(self)

    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return not self.running and not self.flying and not self._waiting

    def stalled(self) -> bool:
        """As many jobs as may run do, or the kernel has transfers, and none of them got anywhere for a second."""
        before = self._workers.loop.time() - _STALLED
        return bool((self.running >= self.limit and self.progress < before) or (self.flying and self._heard < before))

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

    def start_some(self, ready: deque[tuple[Lane, Work, Done]]) -> bool:
        """Start what may: transfers on the ring, other jobs by moving them into `ready`. Whether any did."""
        waiting = self._waiting
        ring = self._workers.ring if self._workers.transfers else None
        now = self._workers.loop.time()
        started = False
        while waiting:
            work, done = waiting[0]
            if (
                ring is not None
                and isinstance(work, Transfer)
                and now >= self._resting
                and ring.room()
                and not work.unwanted()
            ):
                if self.flying >= _DEPTH or (self.flying and now - self._heard > _LATE):
                    break
                if not self.flying:
                    self._heard = now
                self.flying += 1
                ring.put(work.write, work.fd, work.offset, work.buffer, work.flags, (self, work, done))
            elif self.running < self.limit:
                self.running += 1
                self.progress = now
                ready.append((self, work, done))
            else:
                break
            waiting.popleft()
            started = True
        return started

    def landed(self, transfer: Transfer, done: Done, result: int) -> None:
        """The kernel has ended a transfer. What it did not do, or only in part, a thread does once more, all of it."""
        self.flying -= 1
        self._heard = self._workers.loop.time()
        if result == len(transfer.buffer):
            self._workers.complete(self, done, None)
        elif result >= 0 or -result in _BY_THREAD:
            self._waiting.appendleft((transfer.__call__, done))
            self._workers.dispatch(self)
        else:
            self._workers.complete(self, done, OSError(-result, os.strerror(-result)))

    def was_slow(self) -> None:
        """Submitting transfers has kept the loop waiting: none for a while, twice as long if it was so lately."""
        now = self._workers.loop.time()
        lately = now - self._resting < _LONGEST_REST
        self._rest = min(self._rest * 2, _LONGEST_REST) if lately and self._rest else _FIRST_REST
        self._resting = now + self._rest


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
        self.ring: IoUring[tuple[Lane, Transfer, Done]] | None = None
        self.transfers = False
        """Whether the ring takes new ones."""
        self.io_uring = "not asked for"
        """Whether it is in use, or why not; for people."""
        self._changed: dict[Lane, None] = {}
        self._due = False
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

    def use_ring(self, wanted: bool) -> None:
        """Have the kernel do transfers from now on, if it offers that; or have it do no new ones."""
        self.transfers = False
        if not wanted:
            self.io_uring = "switched off in tgtd.toml"
        else:
            try:
                if self.ring is None:
                    self.ring = IoUring()
                    self.loop.watch(self.ring.event, EVENTS, self._rung)
                self.transfers = True
                self.io_uring = "in use"
            except OSError as error:
                self.io_uring = why_not(error)
        if self.transfers:
            log.info("io_uring is in use: what is not in the page cache is read without threads")
        else:
            log.info("io_uring is not used: %s; worker threads do all that blocks", self.io_uring)

    def close(self) -> None:
        """Give up the ring, when nothing is submitted any more."""
        if self.ring is not None:
            self.loop.unwatch(self.ring.event)
            self.ring.close()

    def dispatch(self, lane: Lane) -> None:
        """Hand the lane's jobs over at the end of this turn."""
        self._changed[lane] = None
        self._at_turn_end()

    def _at_turn_end(self) -> None:
        if not self._due:
            self._due = True
            self.loop.at_turn_end(self._hand_over)

    def _rung(self, events: int) -> None:
        if self.ring is not None and self.ring.due():
            self._at_turn_end()

    def _hand_over(self) -> None:
        self._due = False
        changed, self._changed = self._changed, {}
        ready = self._ready
        for lane in changed:
            if lane.start_some(ready):
                self.lanes[lane] = None
        if ready:
            self._wake()
        if self.ring is not None and self.ring.due():
            self._enter(self.ring, changed)
        if self._sweeper is None and self.lanes:
            self._sweeper = self.loop.call_later(_SWEEP, self._sweep)

    def _enter(self, ring: IoUring[tuple[Lane, Transfer, Done]], changed: dict[Lane, None]) -> None:
        """Submit to the kernel what was started, and end what it has done."""
        began = time.perf_counter()
        ended = ring.enter()
        if time.perf_counter() - began > _SLOW:
            for lane in changed:
                if lane.flying:
                    lane.was_slow()
        for (lane, transfer, done), result in ended:
            lane.landed(transfer, done, result)
        if ring.due():
            self.loop.call_soon(self._at_turn_end)

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
            self.complete(lane, done, error)

    def complete(self, lane: Lane, done: Done, error: BaseException | None) -> None:
        """A job of the lane, which is not counted any more, has ended."""
        if not lane.running and not lane.flying:
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
