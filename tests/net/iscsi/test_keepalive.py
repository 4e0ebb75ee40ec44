"""Pings on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tgtd.net.iscsi.keepalive import KeepAlive


class Clock:
    """A loop of which only the timers matter."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[FakeTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, function: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(self.now + seconds, function)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((t for t in self.timers if t.function and t.when <= end), key=lambda t: t.when):
            self.now = due[0].when
            function, due[0].function = due[0].function, None
            assert function is not None
            function()
        self.now = end


class FakeTimer:
    def __init__(self, when: float, function: Callable[[], object]) -> None:
        self.when = when
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        self.function = None


class Wire:
    """A connection of which only the counters matter."""

    def __init__(self, clock: Clock) -> None:
        self.loop = clock
        self.heard = 0.0
        self.queued = self.sent = 0
        self.closed = False
        self.why = ""
        self.pings: list[float] = []
        self.stuck = False

    def ping(self) -> None:
        self.pings.append(self.loop.now)
        self.queued += 48
        if not self.stuck:
            self.sent = self.queued

    def close(self, why: str) -> None:
        self.closed, self.why = True, why


@pytest.fixture
def wire() -> Wire:
    return Wire(Clock())


def watch(wire: Wire, interval: float, timeout: float) -> KeepAlive:
    connection: Any = wire
    keepalive = KeepAlive(connection, wire.ping)
    keepalive.start(interval, timeout)
    return keepalive


def test_silence_is_pinged_and_then_the_end(wire: Wire) -> None:
    watch(wire, 10, 5)
    wire.loop.advance(9)
    assert not wire.pings
    wire.loop.advance(1.5)
    assert len(wire.pings) == 1
    wire.loop.advance(4)
    assert not wire.closed
    wire.loop.advance(1)
    assert "NOP-In" in wire.why


def test_an_answer_keeps_it_alive(wire: Wire) -> None:
    watch(wire, 10, 5)
    for _ in range(5):
        wire.loop.advance(12)
        wire.heard = wire.loop.now
    assert not wire.closed
    assert wire.pings


def test_traffic_needs_no_ping(wire: Wire) -> None:
    watch(wire, 10, 5)
    for _ in range(50):
        wire.loop.advance(1)
        wire.heard = wire.loop.now
    assert not wire.pings


def test_who_still_reads_is_slow_and_not_gone(wire: Wire) -> None:
    wire.stuck, wire.queued = True, 1000
    watch(wire, 10, 5)
    for _ in range(8):
        wire.loop.advance(5)
        wire.sent += 100
    assert not wire.closed
    wire.loop.advance(11)
    assert wire.closed


@pytest.mark.parametrize("interval", [0, 10])
def test_off_and_stopped(wire: Wire, interval: float) -> None:
    keepalive = watch(wire, interval, 5)
    keepalive.stop()
    wire.loop.advance(1000)
    assert not wire.pings
    assert not wire.closed


def test_an_answer_is_seen_before_a_long_timeout_is_over(wire: Wire) -> None:
    watch(wire, 1, 100)
    for _ in range(10):
        wire.loop.advance(2)
        wire.heard = wire.loop.now
    assert len(wire.pings) >= 5
    wire.loop.advance(99)
    assert not wire.closed
    wire.loop.advance(3)
    assert wire.closed
