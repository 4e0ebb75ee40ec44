"""Notifications to a service manager, played by a datagram socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgtd.loop import Loop
from tgtd.notify import InheritedSockets, Notifier, watchdog_period


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        yield sock


def heard(manager: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


def test_ready_and_status_arrive(manager: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready("2 targets")
    assert heard(manager) == {"READY": "1", "STATUS": "2 targets"}
    notifier.status("refused:\nline 3\n")
    assert heard(manager) == {"STATUS": "refused: line 3"}
    notifier.stopping("draining")
    assert heard(manager) == {"STOPPING": "1", "STATUS": "draining"}


def test_reloading_carries_the_monotonic_time(manager: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    Notifier().reloading()
    message = heard(manager)
    assert message["RELOADING"] == "1"
    assert before <= int(message["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready("fine")


def test_a_missing_socket_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notifier = Notifier()
    notifier.ready("a")
    notifier.status("b")
    assert caplog.text.count("cannot notify systemd") == 1


def pings(manager: socket.socket) -> int:
    manager.setblocking(False)
    count = 0
    while True:
        try:
            count += manager.recv(4096) == b"WATCHDOG=1"
        except BlockingIOError:
            return count


def test_the_watchdog_hears_a_living_loop_and_not_a_hanging_one(manager: socket.socket) -> None:
    loop = Loop()
    notifier = Notifier()
    notifier.watch_over(loop, {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())})
    count = 0
    end = time.monotonic() + 5
    while count < 5:
        assert time.monotonic() < end
        loop.turn(0.05)
        count += pings(manager)
    loop.call_soon(lambda: time.sleep(0.1))
    loop.turn()
    assert pings(manager) <= 1
    notifier.unwatch()
    loop.turn(0.03)
    assert pings(manager) == 0
    loop.close()


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_period(environment: dict[str, str], period: float | None) -> None:
    assert watchdog_period(environment) == period


def listener(family: socket.AddressFamily = socket.AF_INET, address: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(family)
    sock.bind((address, 0))
    sock.listen()
    return sock


def test_inherited_sockets_are_found_by_their_address_again_and_again() -> None:
    sock = listener()
    port = sock.getsockname()[1]
    inherited = InheritedSockets([sock.detach()])
    for _ in range(2):
        taken = inherited.take("127.0.0.1", port)
        assert taken is not None
        with taken, socket.create_connection(("127.0.0.1", port), timeout=5):
            taken.setblocking(True)
            taken.accept()[0].close()
    assert inherited.take("127.0.0.1", port + 1) is None
    assert inherited.take("0.0.0.0", port) is None
    assert inherited.addresses() == [("127.0.0.1", port)]
    inherited.close()
    assert len(inherited) == 0


def test_what_is_no_tcp_listener_is_put_away(caplog: pytest.LogCaptureFixture) -> None:
    odd, peer = socket.socketpair()
    with peer:
        assert len(InheritedSockets([odd.detach()])) == 0
        assert peer.recv(1) == b""
    assert "no TCP listener" in caplog.text


def test_sockets_of_another_process_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", "1")
    assert len(InheritedSockets.from_environment()) == 0
