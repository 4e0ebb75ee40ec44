"""One worker process: how it is started, spoken to, watched and killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping

from tgtd.crew.channel import Channel
from tgtd.loop import READ, Loop

MOST_HEARD = 1 << 20
"""Bytes of the longest message that a worker may send."""

_GRACE = 1.0
_LAST_WAIT = 5.0
_OURS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_MAIN_ONLY = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class Process:
    """Started when it is made. `heard(message)`; `ended(why)` once, when it has exited. Raises OSError."""

    def __init__(self, loop: Loop, heard: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self._loop = loop
        self._ended = ended
        self._cause = ""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._popen = _start(theirs.fileno())
        except OSError:
            ours.close()
            raise
        self.pid = self._popen.pid
        self._pidfd = os.pidfd_open(self.pid)
        loop.watch(self._pidfd, READ, self._exited)
        self.channel = Channel(loop, ours, lambda data, _: heard(data), self._mute, MOST_HEARD, sockets=False)

    @property
    def status(self) -> int | None:
        """Its exit status; negative: the signal that killed it. None while it runs."""
        return self._popen.returncode

    def kill(self, why: str) -> None:
        """Now, and whatever it does. Harmless when it has ended."""
        self._cause = self._cause or why
        self._popen.kill()

    def close(self) -> None:
        """End it if it runs, and wait for that; `ended` is not called any more."""
        self.channel.close()
        if self._pidfd < 0:
            return
        self._popen.kill()
        try:
            self._popen.wait(_LAST_WAIT)
        except subprocess.TimeoutExpired:  # in a system call that cannot be interrupted
            pass
        self._forget()

    def _mute(self, why: str) -> None:
        """It can say no more, so it is ending, or it must."""
        self._loop.call_later(_GRACE, lambda: self.kill(f"its channel broke: {why}"))

    def _exited(self, events: int) -> None:
        status = self._popen.wait()
        self._forget()
        self.channel.close()
        end = f"was killed by {_signal(-status)}" if status < 0 else f"ended with status {status}"
        self._ended(f"{end} ({self._cause})" if self._cause else end)

    def _forget(self) -> None:
        self._loop.unwatch(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1


def _start(channel: int) -> subprocess.Popen[bytes]:
    """It starts with our signals blocked: what ends us must not reach it before it knows that it is to ignore them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
    try:
        return subprocess.Popen(
            (sys.executable, *_flags(), "-m", "tgtd.crew.worker", str(channel)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(channel,),
            env=environment(os.environ, sys.path),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _flags() -> list[str]:
    """-P: what lies in the working directory is not imported. The rest as we were started."""
    flags = {"-I": sys.flags.isolated, "-E": sys.flags.ignore_environment, "-s": sys.flags.no_user_site}
    return ["-P", *(flag for flag, given in flags.items() if given)]


def environment(ours: Mapping[str, str], path: list[str]) -> dict[str, str]:
    """A worker's: the same modules from the same places, and nothing of what the service manager tells the main one."""
    theirs = {name: value for name, value in ours.items() if name not in _MAIN_ONLY}
    return theirs | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, path))}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
