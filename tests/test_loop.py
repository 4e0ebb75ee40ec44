"""The event loop, with real descriptors, signals and threads."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tgtd.loop import READ, WRITE, Loop, Timer


@pytest.fixture
def loop() -> Iterator[Loop]:
    it = Loop()
    yield it
    it.close()


def turn_until(loop: Loop, condition: Callable[[], bool], limit: float = 5.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        loop.turn(0.05)


def test_a_readable_descriptor_is_reported_until_unwatched(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        seen: list[int] = []
        loop.watch(one.fileno(), READ, seen.append)
        other.send(b"x")
        loop.turn(1)
        loop.turn(1)
        assert seen == [READ, READ]
        loop.unwatch(one.fileno())
        loop.turn(0)
        assert seen == [READ, READ]


def test_rewatch_changes_the_events(loop: Loop) -> None:
    one, other = socket.socketpair()
    with one, other:
        seen: list[int] = []
        loop.watch(one.fileno(), READ, seen.append)
        loop.rewatch(one.fileno(), WRITE)
        loop.turn(1)
        assert seen == [WRITE]
        loop.unwatch(one.fileno())
        with pytest.raises(KeyError):
            loop.rewatch(one.fileno(), READ)
        loop.unwatch(one.fileno())


def test_an_event_of_a_closed_descriptor_does_not_reach_its_successor(loop: Loop) -> None:
    """Two descriptors are ready in one turn; the callback of the first replaces the second by another file."""
    pairs = [socket.socketpair() for _ in range(2)]
    first, second = pairs[0][0], pairs[1][0]
    quiet = socket.socketpair()
    wrong: list[int] = []

    def replace(sock: socket.socket) -> Callable[[int], None]:
        def callback(events: int) -> None:
            victim = second if sock is first else first
            where = victim.fileno()
            for watched in (first, second):
                loop.unwatch(watched.fileno())
            victim.close()
            os.dup2(quiet[0].fileno(), where)
            loop.watch(where, READ, wrong.append)

        return callback

    for sock, peer in pairs:
        loop.watch(sock.fileno(), READ, replace(sock))
        peer.send(b"x")
    loop.turn(1)
    loop.turn(0)
    assert wrong == []
    for sock in (*pairs[0], *pairs[1], *quiet):
        sock.close()


@pytest.mark.parametrize("how", ["descriptor", "soon", "timer", "thread", "end"])
def test_an_exception_ends_neither_loop_nor_turn(loop: Loop, how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "tgtd")
    logging.getLogger("tgtd").propagate = True
    good: list[str] = []

    def fail(*events: int) -> None:
        raise ValueError("on purpose")

    one, other = socket.socketpair()
    with one, other:
        if how == "descriptor":
            loop.watch(one.fileno(), READ, fail)
            other.send(b"x")
        else:
            enter: Callable[[Callable[[], object]], object] = {
                "soon": loop.call_soon,
                "timer": lambda f: loop.call_later(0, f),
                "thread": loop.call_from_thread,
                "end": loop.at_turn_end,
            }[how]
            enter(fail)
            enter(lambda: good.append(how))
        turn_until(loop, lambda: loop.failures > 0)
        loop.call_soon(lambda: good.append("after"))
        loop.turn(0)
        assert good == (["after"] if how == "descriptor" else [how, "after"])
        assert "on purpose" in caplog.text


def test_timers_run_in_order_of_their_time(loop: Loop) -> None:
    seen: list[str] = []
    now = time.monotonic()
    loop.call_at(now + 0.02, lambda: seen.append("late"))
    loop.call_at(now + 0.01, lambda: seen.append("early"))
    cancelled = loop.call_at(now + 0.005, lambda: seen.append("never"))
    cancelled.cancel()
    cancelled.cancel()
    turn_until(loop, lambda: "late" in seen)
    assert seen == ["early", "late"]


def test_a_timer_may_cancel_another_that_is_due_in_the_same_turn(loop: Loop) -> None:
    seen: list[str] = []
    now = time.monotonic()
    timers: list[Timer] = []
    loop.call_at(now, lambda: [timer.cancel() for timer in timers])
    timers.append(loop.call_at(now, lambda: seen.append("never")))
    loop.turn(0.01)
    loop.turn(0.01)
    assert seen == []


def test_cancelled_timers_do_not_pile_up(loop: Loop) -> None:
    for _ in range(10_000):
        loop.call_later(3600, lambda: None).cancel()
    assert len(loop._timers) < 300


def test_time_stands_still_during_a_turn(loop: Loop) -> None:
    times: list[float] = []

    def note() -> None:
        times.append(loop.time())
        time.sleep(0.002)

    loop.call_soon(note)
    loop.call_soon(note)
    loop.turn()
    assert times[0] == times[1] <= time.monotonic()


def test_turn_end_hooks_run_once_after_all_callbacks_of_the_turn(loop: Loop) -> None:
    seen: list[str] = []

    def work() -> None:
        seen.append("work")
        if seen.count("work") == 1:
            loop.at_turn_end(lambda: seen.append("flush"))

    loop.call_soon(work)
    loop.call_soon(work)
    loop.turn()
    loop.turn(0)
    assert seen == ["work", "work", "flush"]


def test_calls_from_threads_all_arrive(loop: Loop) -> None:
    seen: list[int] = []

    def pour(base: int) -> None:
        for i in range(1000):
            loop.call_from_thread(lambda value=base + i: seen.append(value))  # type: ignore[misc]

    threads = [threading.Thread(target=pour, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    turn_until(loop, lambda: len(seen) == 4000)
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(4000))


def test_a_call_from_a_thread_wakes_a_waiting_loop(loop: Loop) -> None:
    threading.Timer(0.02, loop.call_from_thread, (loop.stop,)).start()
    began = time.monotonic()
    loop.call_later(10, loop.stop)
    loop.run()
    assert time.monotonic() - began < 5


def test_signals_are_callbacks_in_the_loop_thread(loop: Loop) -> None:
    seen: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    loop.on_signal(signal.SIGUSR1, lambda: seen.append(threading.get_ident()))
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    turn_until(loop, lambda: bool(seen))
    assert seen == [threading.get_ident()]
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) == before
    loop.__init__()  # type: ignore[misc]  # for the fixture, which closes it


def test_call_soon_from_call_soon_waits_for_the_next_turn(loop: Loop) -> None:
    seen: list[int] = []
    loop.call_soon(lambda: loop.call_soon(lambda: seen.append(1)))
    loop.turn()
    assert seen == []
    loop.turn()
    assert seen == [1]
