"""A daemon of its own in a directory of its own, for tests and benchmarks that talk to one."""

from __future__ import annotations

import itertools
import os
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0


def _ports() -> Iterator[int]:
    """Candidates, each once before any comes again: below what the kernel gives to clients (32768), and to no two of
    the processes that share a test run.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = range(10000 + worker % _SHARES, 32768, _SHARES)
    return itertools.cycle(random.sample(share, len(share)))


_SHARES = 16
_PORTS = _ports()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that nobody is given before it is used."""
    while True:
        port = next(_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


@contextmanager
def daemon(place: Path, program: Sequence[str | Path] = ("-m", "tgtd")) -> Iterator[subprocess.Popen[str]]:
    """Runs tgtd with place/etc, place/state and place/run; it is ready inside, and was stopped by SIGTERM afterwards.

    program: what Python is to run, if not tgtd itself.

    Its log goes to place/log. Raises AssertionError, with the log, when it does not start or does not stop in time.
    """
    for name in ("etc/targets.d", "state", "run"):
        (place / name).mkdir(parents=True, exist_ok=True)
    options = ("--config", place / "etc", "--state", place / "state", "--run", place / "run")
    with (place / "log").open("a") as log:
        process = subprocess.Popen((sys.executable, *program, *options), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            _await_ready(process, place / "log")
            yield process
        finally:
            _stop(process, place / "log")


def _await_ready(process: subprocess.Popen[str], log: Path) -> None:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
    line = process.stdout.readline() if readable else ""
    assert line, f"tgtd is not ready after {START_TIMEOUT:.0f} s or ended:\n{log.read_text()}"


def _stop(process: subprocess.Popen[str], log: Path) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"tgtd did not stop within {STOP_TIMEOUT:.0f} s:\n{log.read_text()}") from None
    finally:
        if process.stdout is not None:
            process.stdout.close()


def eventually(true: Callable[[], bool], patience: float = 20.0) -> bool:
    """Whether it becomes true in time; asks 20 times a second."""
    deadline = time.monotonic() + patience
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
