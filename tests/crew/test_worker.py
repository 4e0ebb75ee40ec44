"""A worker, from the other end of its channel."""

from __future__ import annotations

import json
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crew.fakes import config, iqn
from tgtd.config.model import Config
from tgtd.config.plan import diff
from tgtd.crew.parts import outset
from tgtd.crew.speech import CLEAR, MEDIUM, STATUS, Hire

A = iqn("a")


class Boss:
    """The main process's end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(20)
        with theirs:
            self.process = subprocess.Popen(
                (sys.executable, "-m", "tgtd.crew.worker", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stderr=subprocess.PIPE,
                text=True,
            )
        self.lines = self.sock.makefile("rb")

    def say(self, *words: object) -> None:
        message = pickle.dumps(words)
        self.sock.sendall(struct.pack(">I", len(message)) + message)

    def hear(self, *wanted: str) -> dict[str, Any]:
        """The next of these words; what else it says is passed over."""
        while True:
            (length,) = struct.unpack(">I", self.lines.read(4))
            row: dict[str, Any] = json.loads(self.lines.read(length))
            if row["say"] in wanted:
                return row

    def hire(self, running: Config) -> None:
        self.say("hire", Hire(1, 2, b"i" * 16, self.place, running.daemon, None))

    def begin(self, running: Config) -> None:
        self.hire(running)
        self.say("prepare", 1, outset(running, {A: 1}, 1), frozenset())
        assert self.hear("ready", "refused") == {"say": "ready", "errand": 1, "errors": []}
        self.say("commit", 1)
        done = self.hear("done")
        assert (done["errors"], done["census"]["online"]) == ([], 1)

    def ask(self, topic: str, *arguments: object) -> str:
        self.say("ask", 5, topic, arguments)
        text = ""
        while (row := self.hear("piece", "answered"))["say"] == "piece":
            text += row["text"]
        return text

    def close(self) -> None:
        self.lines.close()
        self.sock.close()

    def end(self) -> tuple[int, str]:
        """Exit status and log."""
        _, log = self.process.communicate(timeout=20)
        return self.process.returncode, log


@pytest.fixture
def boss(tmp_path: Path) -> Iterator[Boss]:
    it = Boss(tmp_path)
    yield it
    it.close()
    it.process.kill()
    it.process.communicate()


def test_it_serves_what_it_is_given(boss: Boss, tmp_path: Path) -> None:
    running = config(tmp_path, ("a", ["1.img"]))
    boss.begin(running)
    (target,) = json.loads(f"[{boss.ask(STATUS)}]")
    assert (target["name"], target["worker"], target["luns"][0]["state"]) == (A, 1, "online")
    boss.say("ping")
    assert boss.hear("pong")["census"]["targets"] == 1
    assert "no LUN 9" in json.loads(boss.ask(CLEAR, A, 9))["error"]
    assert "no LUN 9" in json.loads(boss.ask(MEDIUM, A, 9, True, False))["error"]
    assert "internal error" in json.loads(boss.ask(MEDIUM, A, 1, "and more than it takes", 1, 2, 3))["error"]
    boss.say("stop", 1)
    assert boss.end()[0] == 0


def test_a_plan_that_it_refuses_changes_nothing(boss: Boss, tmp_path: Path) -> None:
    running = config(tmp_path, ("a", ["1.img"]))
    boss.begin(running)
    (tmp_path / "2.img").write_bytes(bytes(2 << 20))
    text = (tmp_path / "etc/targets.d/a.toml").read_text()
    assert 'size = "1 MiB"' in text
    wanted = config(tmp_path, ("a", ["1.img", "2.img"]))
    boss.say("prepare", 2, diff(running, wanted), frozenset())
    assert boss.hear("ready")["errand"] == 2
    boss.say("cancel", 2)
    boss.say("commit", 2)
    (target,) = json.loads(f"[{boss.ask(STATUS)}]")
    assert len(target["luns"]) == 1
    boss.say("prepare", 3, diff(running, wanted), frozenset())
    assert boss.hear("ready")["errand"] == 3
    boss.say("commit", 2)  # an old one
    boss.say("commit", 3)
    assert boss.hear("done")["errand"] == 3
    (target,) = json.loads(f"[{boss.ask(STATUS)}]")
    assert len(target["luns"]) == 2


def test_it_ends_with_the_main_process(boss: Boss, tmp_path: Path) -> None:
    boss.begin(config(tmp_path, ("a", ["1.img"])))
    boss.close()
    status, log = boss.end()
    assert status == 0
    assert "the main process is gone" in log
    assert "worker=1/2" in log


def test_before_it_was_told_anything(boss: Boss) -> None:
    boss.close()
    assert boss.end() == (0, "")


def test_signals_of_a_terminal_are_not_for_it(boss: Boss, tmp_path: Path) -> None:
    boss.begin(config(tmp_path, ("a", ["1.img"])))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        boss.process.send_signal(number)
    boss.say("ping")
    assert boss.hear("pong")
