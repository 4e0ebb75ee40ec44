"""Asking a daemon, and what is said when there is none or it misbehaves."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import control
from tgtd.cli import client
from tgtd.cli.client import NotRunning, Trouble, ask
from tgtd.premises import CONTROL_SOCKET


def test_a_question_and_its_answer(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.answer({"level": "info"})
        assert ask(tmp_path, "log-level", {"level": "info"}) == {"level": "info"}
        assert it.asked == [{"version": 1, "command": "log-level", "arguments": {"level": "info"}}]


def test_both_ends_agree() -> None:
    assert client.VERSION == control.VERSION
    assert client.SOCKET == CONTROL_SOCKET


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match=r"not running \(no socket at .*control.sock\); start it with: tgtd --run"):
        ask(tmp_path, "status")


def test_a_socket_without_a_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "control.sock"))
    with pytest.raises(NotRunning, match="nobody listens"):
        ask(tmp_path, "status")


def _crowded(place: Path) -> tuple[socket.socket, list[socket.socket]]:
    """A daemon that is busy, and as many clients as its queue holds."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / "control.sock"))
    listener.listen(1)
    waiting: list[socket.socket] = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(str(place / "control.sock"))
        except BlockingIOError:
            return listener, waiting


def test_while_many_others_wait(tmp_path: Path) -> None:
    listener, waiting = _crowded(tmp_path)

    def serve() -> None:
        for _ in range(len(waiting) - 1):
            listener.accept()[0].close()
        sock, _ = listener.accept()
        with sock:
            sock.recv(4096)
            sock.sendall(b'{"version": 1, "ok": true, "result": {"level": "info"}}\n')

    late = threading.Timer(0.3, serve)
    late.start()
    assert ask(tmp_path, "log-level") == {"level": "info"}
    late.join()
    for sock in (listener, *waiting):
        sock.close()


def test_when_nobody_is_let_in(tmp_path: Path) -> None:
    listener, waiting = _crowded(tmp_path)
    with pytest.raises(Trouble, match="too many others wait"):
        ask(tmp_path, "log-level", timeout=0.2)
    for sock in (listener, *waiting):
        sock.close()


def test_the_installed_daemon_is_started_by_systemd() -> None:
    assert client._start(Path("/run/tgtd/control.sock")).endswith("systemctl start tgtd")


def test_too_long_a_path(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="--run"):
        ask(tmp_path / ("x" * 120), "status")


def test_a_refusal_is_passed_on(tmp_path: Path) -> None:
    with desk(tmp_path) as it:
        it.refuse("because")
        with pytest.raises(Trouble, match="because"):
            ask(tmp_path, "reload")


@pytest.mark.parametrize(("line", "words"), [(b"garbage\n", "same version"), (b'{"version": 1', "without an answer")])
def test_an_answer_that_is_none(tmp_path: Path, line: bytes, words: str) -> None:
    with desk(tmp_path) as it:
        it.raw.append(line)
        with pytest.raises(Trouble, match=words):
            ask(tmp_path, "status")


def test_a_daemon_that_does_not_answer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "control.sock"))
        sock.listen()
        with pytest.raises(Trouble, match="did not answer"):
            ask(tmp_path, "status", timeout=0.05)
