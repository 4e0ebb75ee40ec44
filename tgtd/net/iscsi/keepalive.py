"""Keeping watch over a silent initiator with NOP-In pings (RFC 7143 11.19, 4.2.7). Pure but for the loop's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgtd.net.iscsi.connection import Connection
    from tgtd.net.iscsi.loops import Timer


class KeepAlive:
    """Calls `ping` after `interval` seconds of silence; closes the connection after `timeout` more of it.

    A peer that still reads what was queued ahead of the ping is slow, not gone.
    """

    def __init__(self, connection: Connection, ping: Callable[[], None]) -> None:
        self._connection = connection
        self._ping = ping
        self._timer: Timer | None = None
        self._pinged: float | None = None
        self._mark = 0
        self._sent = 0
        self._interval = 0.0
        self._timeout = 0.0

    def start(self, interval: float, timeout: float) -> None:
        """interval 0: never ping. Seconds."""
        self.stop()
        self._interval, self._timeout = interval, timeout
        if interval:
            self._timer = self._connection.loop.call_later(interval, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        connection = self._connection
        if connection.closed:
            return
        now = connection.loop.time()
        if self._pinged is not None and connection.heard >= self._pinged:
            self._pinged = None
        if self._pinged is not None and self._sent < self._mark and connection.sent > self._sent:
            self._pinged = now
        if self._pinged is not None and now - self._pinged >= self._timeout:
            connection.close(f"no answer to NOP-In for {self._timeout:g} s")
            return
        if self._pinged is None and now - connection.heard >= self._interval * 0.9:
            self._pinged = now
            self._ping()
            self._mark = connection.queued
        self._sent = connection.sent
        wait = self._interval
        if self._pinged is not None:
            wait = min(wait, self._pinged + self._timeout - now)
        self._timer = connection.loop.call_later(wait, self._tick)
