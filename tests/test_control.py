"""The control socket, with real clients, well-behaved and otherwise."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tgtd import control
from tgtd.control import LONGEST_REQUEST, ControlServer, Reply, Unanswerable
from tgtd.loop import Loop

Arguments = Mapping[str, object]


class Bench:
    """A server with a few commands, and clients of it."""

    def __init__(self, place: Path) -> None:
        self.loop = Loop()
        self.later: list[Reply] = []
        self.path = place / "control.sock"
        commands: dict[str, control.ControlCommand] = {
            "echo": lambda arguments, reply: reply({"arguments": dict(arguments)}),
            "later": lambda arguments, reply: self.later.append(reply),
            "big": lambda arguments, reply: reply(self._big()),
            "refuse": self._refuse,
            "fail": lambda arguments, reply: {}["nothing"],
            "broken": lambda arguments, reply: reply(self._broken()),
        }
        self.server = ControlServer(self.loop, self.path, commands)
        self.clients: list[socket.socket] = []

    @staticmethod
    def _big() -> Iterator[str]:
        yield "["
        for number in range(100_000):
            yield f"{number}, "
        yield "null]"

    @staticmethod
    def _broken() -> Iterator[str]:
        yield "["
        raise ValueError("on purpose")

    @staticmethod
    def _refuse(arguments: Arguments, reply: Reply) -> None:
        raise Unanswerable("because")

    def client(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.path))
        sock.setblocking(False)
        self.clients.append(sock)
        return sock

    def turn_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < end, "it did not happen in time"
            self.loop.turn(0.02)

    def answer(self, sock: socket.socket) -> Any:
        """The next line; None at the end of the connection."""
        data = b""
        end = time.monotonic() + 10
        while not data.endswith(b"\n"):
            assert time.monotonic() < end, "no answer in time"
            self.loop.turn(0.02)
            try:
                piece = sock.recv(1 << 16)
            except BlockingIOError:
                continue
            if not piece:
                return None
            data += piece
        return json.loads(data)

    def close(self) -> None:
        self.server.close()
        for sock in self.clients:
            sock.close()
        self.loop.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    it = Bench(tmp_path)
    yield it
    it.close()


def request(command: str, **arguments: object) -> bytes:
    return json.dumps({"version": 1, "command": command, "arguments": arguments}).encode() + b"\n"


def test_a_request_and_its_answer(bench: Bench) -> None:
    sock = bench.client()
    sock.send(request("echo", a=1))
    assert bench.answer(sock) == {"version": 1, "ok": True, "result": {"arguments": {"a": 1}}}


def test_the_socket_is_for_owner_and_group(bench: Bench) -> None:
    mode = bench.path.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o660


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"garbage\n", "JSON"),
        (b"\xff\xfe\n", "JSON"),
        (b"[" * 50_000 + b"\n", "JSON"),
        (b"[1]\n", "object"),
        (b'{"version": 1, "command": "echo", "arguments": 3}\n', "object"),
        (b'{"command": "echo"}\n', "version 1"),
        (b'{"version": 2, "command": "echo"}\n', "version 1"),
        (b'{"version": 1, "command": "dance"}\n', "echo"),
        (b'{"version": 1, "command": ["echo"]}\n', "echo"),
        (request("refuse"), "because"),
        (request("fail"), "internal error"),
    ],
)
def test_a_bad_request_is_answered_and_the_next_one_served(bench: Bench, line: bytes, words: str) -> None:
    sock = bench.client()
    sock.sendall(line)
    refused = bench.answer(sock)
    assert refused["ok"] is False
    assert words in refused["error"]
    sock.send(request("echo"))
    assert bench.answer(sock)["ok"] is True


def test_requests_may_come_in_pieces_and_together(bench: Bench) -> None:
    sock = bench.client()
    for byte in request("echo", a=1):
        sock.send(bytes((byte,)))
        bench.loop.turn(0.01)
    assert bench.answer(sock)["result"] == {"arguments": {"a": 1}}
    sock.send(request("echo", a=2) + request("echo", a=3))
    bench.turn_until(lambda: not bench.loop._soon)
    for _ in range(10):
        bench.loop.turn(0.01)
    lines = sock.recv(1 << 16).splitlines()
    assert [json.loads(line)["result"]["arguments"]["a"] for line in lines] == [2, 3]


def test_a_huge_line_is_refused_and_the_connection_ends(bench: Bench) -> None:
    sock = bench.client()
    sock.setblocking(True)
    sock.settimeout(5)
    sent = 0
    sock.setblocking(False)
    while sent <= LONGEST_REQUEST:
        try:
            sent += sock.send(b"x" * 4096)
        except BlockingIOError:
            pass
        bench.loop.turn(0.01)
    assert str(LONGEST_REQUEST) in bench.answer(sock)["error"]
    bench.turn_until(lambda: not bench.server.clients)


def test_half_open_and_silent_clients_are_harmless(bench: Bench) -> None:
    silent = bench.client()
    half = bench.client()
    half.send(b'{"version": 1, "comm')
    half.shutdown(socket.SHUT_WR)
    bench.turn_until(lambda: len(bench.server.clients) == 1)
    gone = bench.client()
    gone.send(request("later"))
    bench.turn_until(lambda: bool(bench.later))
    gone.close()
    bench.turn_until(lambda: len(bench.server.clients) == 1)
    bench.later[0]({"too": "late"})
    good = bench.client()
    good.send(request("echo"))
    assert bench.answer(good)["ok"] is True
    silent.close()


def test_a_silent_client_is_dropped_after_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    bench.client()
    bench.turn_until(lambda: len(bench.server.clients) == 1)
    bench.turn_until(lambda: not bench.server.clients)


def test_an_answer_may_come_later_and_only_once(bench: Bench) -> None:
    slow, quick = bench.client(), bench.client()
    slow.send(request("later"))
    quick.send(request("echo"))
    assert bench.answer(quick)["ok"] is True
    bench.later[0]({"done": True})
    assert bench.answer(slow)["result"] == {"done": True}
    with pytest.raises(RuntimeError):
        bench.later[0]({})


def test_a_big_answer_takes_no_more_memory_than_a_piece(bench: Bench) -> None:
    sock = bench.client()
    sock.send(request("big"))
    bench.turn_until(lambda: bool(bench.server.clients))
    for _ in range(50):
        bench.loop.turn(0.002)
    (client,) = bench.server.clients
    assert client._ready == client._send  # the socket is full, and so it rests
    assert len(client._unsent) <= 1 << 17
    other = bench.client()
    other.send(request("echo"))
    assert bench.answer(other)["ok"] is True
    assert bench.answer(sock)["result"] == [*range(100_000), None]


def test_an_answer_that_breaks_off_ends_the_connection(bench: Bench) -> None:
    sock = bench.client()
    sock.send(request("broken"))
    assert bench.answer(sock) is None


def test_clients_are_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MOST_CLIENTS", 2)
    for _ in range(2):
        bench.client()
    bench.turn_until(lambda: len(bench.server.clients) == 2)
    assert "try again" in bench.answer(bench.client())["error"]


def test_running_out_of_descriptors_is_survived_quietly(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(control, "REST", 1.0)
    sock = bench.client()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        for _ in range(10):
            bench.loop.turn(0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caplog.text.count("cannot accept") == 1
    sock.send(request("echo"))
    assert bench.answer(sock)["ok"] is True


def test_a_stranger_is_turned_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_may_control", lambda sock, group: False)
    assert "permission denied" in bench.answer(bench.client())["error"]


@pytest.mark.parametrize(
    ("uid", "gid", "groups", "allowed"),
    [
        (0, 5, (), True),
        (77, 5, (), False),
        (77, 9, (), True),
        (77, 5, (3, 9), True),
        (3_000_000_000, 5, (), True),  # the daemon's own: numbers of users may be that large in user namespaces
    ],
)
def test_who_may_control(
    monkeypatch: pytest.MonkeyPatch, uid: int, gid: int, groups: tuple[int, ...], allowed: bool
) -> None:
    class Peer:
        def getsockopt(self, level: int, option: int, length: int) -> bytes:
            assert option == socket.SO_PEERCRED
            return b"".join(part.to_bytes(4, "little") for part in (1, uid, gid))

    monkeypatch.setattr(os, "geteuid", lambda: 3_000_000_000)
    monkeypatch.setattr(control, "_peer_groups", lambda sock: groups)
    assert control._may_control(Peer(), 9) is allowed  # type: ignore[arg-type]


def test_the_kernel_tells_our_own_groups() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert set(control._peer_groups(one)) == set(os.getgroups())


def test_a_socket_left_over_is_replaced_and_ours_is_removed(tmp_path: Path) -> None:
    loop = Loop()
    for _ in range(2):
        server = ControlServer(loop, tmp_path / "control.sock", {})
    server.close()
    assert list(tmp_path.iterdir()) == []
    loop.close()


def test_too_long_a_path_is_told(tmp_path: Path) -> None:
    loop = Loop()
    with pytest.raises(OSError, match="shorter --run"):
        ControlServer(loop, tmp_path / ("x" * 110), {})
    loop.close()
