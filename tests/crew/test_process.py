"""A worker's process: started, told from its end, and given what it needs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tgtd.crew.process import Process, environment
from tgtd.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    it = Loop()
    yield it
    it.close()


def turn_until(loop: Loop, ended: list[str]) -> None:
    deadline = time.monotonic() + 20
    while not ended:
        assert time.monotonic() < deadline
        loop.turn(0.02)


def test_it_is_killed_with_a_cause(loop: Loop) -> None:
    ended: list[str] = []
    process = Process(loop, lambda data: None, ended.append)
    assert process.status is None
    process.kill("it did not answer")
    process.kill("another cause")
    turn_until(loop, ended)
    assert ended == ["was killed by SIGKILL (it did not answer)"]
    assert process.status == -9


def test_it_ends_when_its_channel_does(loop: Loop) -> None:
    ended: list[str] = []
    process = Process(loop, lambda data: None, ended.append)
    process.channel.close()
    turn_until(loop, ended)
    assert ended == ["ended with status 0"]


def test_close_waits_and_tells_nobody(loop: Loop) -> None:
    ended: list[str] = []
    process = Process(loop, lambda data: None, ended.append)
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    loop.turn(0)
    assert ended == []
    process.close()


def test_environment() -> None:
    """What the service manager says is for the main process; modules come from the same places."""
    ours = {"NOTIFY_SOCKET": "x", "LISTEN_FDS": "2", "WATCHDOG_USEC": "1", "PATH": "/bin", "JOURNAL_STREAM": "1:2"}
    assert environment(ours, ["", "/lib"]) == {
        "PATH": "/bin",
        "JOURNAL_STREAM": "1:2",
        "PYTHONPATH": f"{os.getcwd()}:/lib",
    }
