"""The worker pool, with real threads."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tgtd import workers as module
from tgtd.iouring import IoUring
from tgtd.loop import Loop
from tgtd.scsi.medium import Transfer
from tgtd.workers import Lane, Workers


@pytest.fixture
def loop() -> Iterator[Loop]:
    it = Loop()
    yield it
    it.close()


def turn_until(loop: Loop, condition: Callable[[], bool], limit: float = 10.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        loop.turn(0.05)


def test_work_runs_elsewhere_and_completes_here(loop: Loop) -> None:
    lane = Workers(loop, 2).lane(1)
    places: list[int] = []
    errors: list[BaseException | None] = []

    def done(error: BaseException | None) -> None:
        places.append(threading.get_ident())
        errors.append(error)

    lane.submit(lambda: places.append(threading.get_ident()), done)
    assert not lane.idle()
    turn_until(loop, lambda: bool(errors))
    assert errors == [None]
    assert places[0] != threading.get_ident() == places[1]
    assert lane.idle()


def test_an_error_of_the_work_is_handed_to_done(loop: Loop) -> None:
    lane = Workers(loop, 1).lane(1)
    errors: list[BaseException | None] = []

    def fail() -> None:
        raise OSError(errno.EIO, "broken")

    lane.submit(fail, errors.append)
    turn_until(loop, lambda: bool(errors))
    assert isinstance(errors[0], OSError)
    assert errors[0].errno == errno.EIO


def test_a_failing_completion_does_not_stop_the_others(loop: Loop) -> None:
    lane = Workers(loop, 1).lane(4)
    seen: list[int] = []

    def fail(error: BaseException | None) -> None:
        raise ValueError("on purpose")

    for i in range(3):
        lane.submit(lambda: None, fail if i == 1 else lambda error, i=i: seen.append(i))  # type: ignore[misc]
    turn_until(loop, lambda: len(seen) == 2)
    turn_until(loop, lane.idle)
    assert seen == [0, 2]


def test_jobs_of_a_lane_start_in_order_and_all_are_done(loop: Loop) -> None:
    lane = Workers(loop, 8).lane(1)
    started: list[int] = []
    done: list[int] = []
    for i in range(500):
        lane.submit(lambda i=i: started.append(i), lambda error, i=i: done.append(i))  # type: ignore[misc]
    turn_until(loop, lambda: len(done) == 500)
    assert started == done == list(range(500))


def test_no_more_than_the_limit_of_a_lane_run_at_once(loop: Loop) -> None:
    pool = Workers(loop, 16)
    lane = pool.lane(3)
    lock = threading.Lock()
    running = [0, 0]
    done: list[None] = []

    def work() -> None:
        with lock:
            running[0] += 1
            running[1] = max(running)
        time.sleep(0.002)
        with lock:
            running[0] -= 1

    for _ in range(30):
        lane.submit(work, lambda error: done.append(None))
    turn_until(loop, lambda: len(done) == 30)
    assert 1 < running[1] <= 3
    assert pool.threads < 16  # one may be made while another is on its way back


def stall(lane: Lane, jobs: int, gate: threading.Event) -> None:
    for _ in range(jobs):
        lane.submit(gate.wait, lambda error: None)


def test_a_stalled_lane_does_not_stop_others(loop: Loop) -> None:
    pool = Workers(loop, 4)
    gate = threading.Event()
    stalled = pool.lane(2)
    stall(stalled, 50, gate)
    healthy = pool.lane(2)
    done: list[None] = []
    try:
        for _ in range(100):
            healthy.submit(lambda: None, lambda error: done.append(None))
        turn_until(loop, lambda: len(done) == 100)
        assert stalled.running == 2
    finally:
        gate.set()
    turn_until(loop, stalled.idle)


def test_when_stalled_lanes_hold_every_thread_the_pool_grows(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STALLED", 0.1)
    pool = Workers(loop, 2)
    gate = threading.Event()
    lanes = [pool.lane(1) for _ in range(2)]
    for lane in lanes:
        stall(lane, 2, gate)
    healthy = pool.lane(1)
    done: list[None] = []
    try:
        turn_until(loop, lambda: pool.threads == 2)
        healthy.submit(lambda: None, lambda error: done.append(None))
        turn_until(loop, lambda: bool(done))
        assert all(lane.stalled() for lane in lanes)
        assert not healthy.stalled()
        assert pool.threads == 3
    finally:
        gate.set()
    turn_until(loop, lambda: all(lane.idle() for lane in lanes))


def test_a_quick_job_is_reported_though_the_next_one_hangs(loop: Loop) -> None:
    lane = Workers(loop, 1).lane(8)
    gate = threading.Event()
    done: list[str] = []
    try:
        lane.submit(lambda: None, lambda error: done.append("quick"))
        lane.submit(gate.wait, lambda error: done.append("slow"))
        turn_until(loop, lambda: done == ["quick"])
    finally:
        gate.set()
    turn_until(loop, lambda: done == ["quick", "slow"])


def test_closing_waits_for_what_was_taken(loop: Loop) -> None:
    lane = Workers(loop, 2).lane(1)
    gate = threading.Event()
    events: list[str] = []
    lane.submit(gate.wait, lambda error: events.append("first"))
    lane.submit(lambda: None, lambda error: events.append("second"))
    loop.turn(0.01)
    lane.close(lambda: events.append("closed"))
    loop.turn(0.01)
    assert events == []
    gate.set()
    turn_until(loop, lambda: "closed" in events)
    assert events == ["first", "second", "closed"]


def test_an_idle_lane_closes_at_once_and_then_refuses(loop: Loop) -> None:
    lane = Workers(loop, 1).lane(1)
    closed: list[None] = []
    errors: list[BaseException | None] = []
    lane.close(lambda: closed.append(None))
    lane.submit(lambda: None, errors.append)
    turn_until(loop, lambda: bool(closed and errors))
    assert isinstance(errors[0], OSError)
    assert errors[0].errno == errno.ESHUTDOWN


def test_many_turns_with_many_lanes_lose_nothing(loop: Loop) -> None:
    pool = Workers(loop, 8)
    lanes = [pool.lane(1 + n % 4) for n in range(20)]
    submitted = 0
    done: list[BaseException | None] = []

    def submit() -> None:
        nonlocal submitted
        lanes[submitted % 20].submit(lambda: None, ended)
        submitted += 1

    def ended(error: BaseException | None) -> None:
        done.append(error)
        if submitted < 5000:
            submit()

    for _ in range(100):
        submit()
    turn_until(loop, lambda: len(done) == 5000)
    assert done == [None] * 5000
    assert all(lane.idle() for lane in lanes)
    assert pool.lanes == {}


@pytest.fixture
def ringed(loop: Loop) -> Iterator[Workers]:
    """Workers that have a ring."""
    pool = Workers(loop, 2)
    pool.use_ring(True)
    if pool.ring is None:
        pytest.skip(f"no io_uring here: {pool.io_uring}")
    yield pool
    pool.close()


class Pipe:
    """A descriptor whose reads hang until something is written: a medium that stalls."""

    def __init__(self) -> None:
        self.end, self.other = os.pipe()
        self.called = 0

    def read(self, length: int = 1) -> Transfer:
        buffer = memoryview(bytearray(length))
        return Transfer(False, self.end, 0, buffer, 0, self.call)

    def call(self) -> None:
        self.called += 1

    def close(self) -> None:
        os.close(self.end)
        os.close(self.other)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    it = Pipe()
    yield it
    it.close()


def test_the_kernel_does_transfers(loop: Loop, ringed: Workers, pipe: Pipe) -> None:
    lane = ringed.lane(1)
    done: list[BaseException | None] = []
    job = pipe.read(3)
    lane.submit(job, done.append)
    loop.turn(0)
    assert not lane.idle()
    os.write(pipe.other, b"abc")
    turn_until(loop, lambda: bool(done))
    assert done == [None]
    assert (job.buffer, pipe.called, ringed.threads) == (b"abc", 0, 0)
    assert lane.idle()


@pytest.mark.parametrize("wanted", [False, None])
def test_without_a_ring_a_thread_calls_them(loop: Loop, pipe: Pipe, wanted: bool | None) -> None:
    pool = Workers(loop, 2)
    if wanted is not None:
        pool.use_ring(wanted)
        assert pool.io_uring == "switched off in tgtd.toml"
    done: list[BaseException | None] = []
    pool.lane(1).submit(pipe.read(), done.append)
    turn_until(loop, lambda: bool(done))
    assert (done, pipe.called) == ([None], 1)


def test_a_kernel_that_refuses_is_told_of(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> Any:
        raise OSError(errno.EPERM, "no")

    monkeypatch.setattr(module, "IoUring", refuse)
    pool = Workers(loop, 2)
    with caplog.at_level("INFO"):
        pool.use_ring(True)
    assert "not permitted" in pool.io_uring
    assert "not permitted" in caplog.text


def test_switching_off_lets_what_flies_land(loop: Loop, ringed: Workers, pipe: Pipe) -> None:
    lane = ringed.lane(1)
    done: list[str] = []
    lane.submit(pipe.read(), lambda error: done.append("ring"))
    loop.turn(0)
    ringed.use_ring(False)
    lane.submit(pipe.read(), lambda error: done.append("thread"))
    turn_until(loop, lambda: done == ["thread"])
    os.write(pipe.other, b"a")
    turn_until(loop, lambda: done == ["thread", "ring"])
    assert pipe.called == 1


def test_what_the_kernel_does_in_part_a_thread_does_again(loop: Loop, ringed: Workers, pipe: Pipe) -> None:
    done: list[BaseException | None] = []
    os.write(pipe.other, b"a")
    ringed.lane(1).submit(pipe.read(2), done.append)
    turn_until(loop, lambda: bool(done))
    assert (done, pipe.called) == ([None], 1)


@pytest.mark.parametrize(
    ("number", "called"), [(errno.EIO, 0), (errno.ENOSPC, 0), (errno.EINVAL, 1), (errno.EAGAIN, 1)]
)
def test_errors_of_transfers(loop: Loop, ringed: Workers, pipe: Pipe, number: int, called: int) -> None:
    """Those of the medium are reported; those that mean "not in this way" are a thread's."""
    lane = ringed.lane(1)
    done: list[BaseException | None] = []
    lane.flying += 1
    lane.landed(pipe.read(), done.append, -number)
    turn_until(loop, lambda: bool(done))
    assert pipe.called == called
    assert getattr(done[0], "errno", None) == (None if called else number)
    assert lane.idle()


def test_nobody_wants_it_any_more(loop: Loop, ringed: Workers, pipe: Pipe) -> None:
    job = pipe.read()
    job.unwanted = lambda: True
    done: list[BaseException | None] = []
    ringed.lane(1).submit(job, done.append)
    turn_until(loop, lambda: bool(done))
    assert (done, pipe.called) == ([None], 0)


def test_a_lane_that_hangs_in_the_kernel(
    loop: Loop, ringed: Workers, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a bound, is called stalled, is not closed, and leaves the others alone."""
    monkeypatch.setattr(module, "_STALLED", 0.1)
    hung, healthy = ringed.lane(1), ringed.lane(1)
    ended: list[str] = []
    for _ in range(100):
        hung.submit(pipe.read(), lambda error: ended.append("hung"))
    hung.close(lambda: ended.append("closed"))
    turn_until(loop, hung.stalled)
    assert hung.flying == module._DEPTH
    other = Pipe()
    os.write(other.other, b"x" * 200)
    fine: list[BaseException | None] = []
    for _ in range(200):
        healthy.submit(other.read(), fine.append)
    turn_until(loop, lambda: len(fine) == 200)
    assert fine == [None] * 200
    assert ended == []
    os.write(pipe.other, b"x" * 100)
    turn_until(loop, lambda: "closed" in ended)
    assert ended == ["hung"] * 100 + ["closed"]
    other.close()


def test_a_lane_that_hears_nothing_submits_no_more(
    loop: Loop, ringed: Workers, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LATE", 0.0)
    lane = ringed.lane(1)
    done: list[BaseException | None] = []
    lane.submit(pipe.read(), done.append)
    loop.turn(0)
    time.sleep(0.01)
    lane.submit(pipe.read(), done.append)
    for _ in range(3):
        loop.turn(0.01)
    assert lane.flying == 1
    os.write(pipe.other, b"xx")
    turn_until(loop, lambda: len(done) == 2)


def test_a_full_ring_leaves_the_rest_to_threads(loop: Loop, pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IoUring", lambda: IoUring(2))
    pool = Workers(loop, 2)
    pool.use_ring(True)
    if pool.ring is None:
        pytest.skip(f"no io_uring here: {pool.io_uring}")
    lane = pool.lane(1)
    done: list[BaseException | None] = []
    for _ in range(5):
        lane.submit(pipe.read(), done.append)
    turn_until(loop, lambda: len(done) == 3)
    assert pipe.called == 3
    os.write(pipe.other, b"xx")
    turn_until(loop, lambda: len(done) == 5)
    assert pipe.called == 3
    pool.close()


def test_where_submitting_is_slow_threads_take_over_for_a_while(
    loop: Loop, ringed: Workers, pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SLOW", -1.0)
    monkeypatch.setattr(module, "_FIRST_REST", 0.2)
    os.write(pipe.other, b"x" * 3)
    lane = ringed.lane(1)
    done: list[BaseException | None] = []
    lane.submit(pipe.read(), done.append)
    turn_until(loop, lambda: len(done) == 1)
    assert pipe.called == 0
    lane.submit(pipe.read(), done.append)
    turn_until(loop, lambda: len(done) == 2)
    assert pipe.called == 1
    time.sleep(0.25)
    loop.turn(0)
    lane.submit(pipe.read(), done.append)
    turn_until(loop, lambda: len(done) == 3)
    assert pipe.called == 1
