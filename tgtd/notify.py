"""What the daemon and systemd tell each other: readiness, reloads, status, the watchdog, and sockets passed at start.

Follows sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3). Without systemd all of it does nothing.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import time
from collections.abc import Mapping

from systemd.daemon import listen_fds, notify

from tgtd.loop import Loop, Timer

log = logging.getLogger(__name__)


class Notifier:
    """Tells systemd how the daemon is. Trouble with the notification socket is logged once and never raised."""

    def __init__(self) -> None:
        self._broken = False
        self._pinger: Timer | None = None

    def ready(self, status: str) -> None:
        """Started, or done with a reload."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def reloading(self) -> None:
        """A reload began (Type=notify-reload wants the time of it); `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reloading")

    def stopping(self, status: str) -> None:
        self._send(f"STOPPING=1\nSTATUS={_one_line(status)}")

    def status(self, status: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={_one_line(status)}")

    def watch_over(self, loop: Loop, environment: Mapping[str, str] = os.environ) -> None:
        """Ping the watchdog twice per period from a timer of the loop: a loop that hangs does not ping."""
        period = watchdog_period(environment)
        if period is not None:
            self._ping(loop, period / 2)

    def unwatch(self) -> None:
        """Ping no more."""
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None

    def _ping(self, loop: Loop, interval: float) -> None:
        self._send("WATCHDOG=1")
        self._pinger = loop.call_later(interval, lambda: self._ping(loop, interval))

    def _send(self, message: str) -> None:
        if self._broken:
            return
        try:
            notify(message)
        except OSError as trouble:
            self._broken = True
            log.warning("cannot notify systemd at %s: %s", os.environ.get("NOTIFY_SOCKET"), trouble.strerror or trouble)


def watchdog_period(environment: Mapping[str, str]) -> float | None:
    """Seconds within which systemd wants to hear from this process; None when it does not watch."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    process = environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    if process and process != str(os.getpid()):
        return None
    return int(microseconds) / 1e6


class InheritedSockets:
    """Listening sockets that systemd passed, by the address they are bound to.

    systemd keeps its own copy open, so that nobody can bind such an address again: `take` hands out duplicates and
    keeps the original for a portal that is closed and opened later.
    """

    def __init__(self, descriptors: list[int]) -> None:
        self._sockets: dict[tuple[str, int], socket.socket] = {}
        for descriptor in descriptors:
            self._adopt(socket.socket(fileno=descriptor))

    @classmethod
    def from_environment(cls) -> InheritedSockets:
        """LISTEN_FDS and LISTEN_PID, which are removed from the environment."""
        return cls(listen_fds(unset_environment=True))

    def _adopt(self, sock: socket.socket) -> None:
        sock.set_inheritable(False)
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
            log.warning("systemd passed a socket that is no TCP listener: %r; see ListenStream= in tgtd.socket", sock)
            sock.close()
            return
        sock.setblocking(False)
        address, port = sock.getsockname()[:2]
        self._sockets[_canonical(address), port] = sock

    def __len__(self) -> int:
        return len(self._sockets)

    def addresses(self) -> list[tuple[str, int]]:
        return list(self._sockets)

    def take(self, address: str, port: int) -> socket.socket | None:
        """A duplicate of the socket bound to exactly this address, or None."""
        sock = self._sockets.get((_canonical(address), port))
        return None if sock is None else sock.dup()

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()


def _canonical(address: str) -> str:
    return str(ipaddress.ip_address(address.partition("%")[0]))


def _one_line(text: str) -> str:
    return " ".join(text.split())
