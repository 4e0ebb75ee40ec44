"""Listening sockets."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest

from tests.net.iscsi.test_keepalive import Clock
from tgtd.loop import Loop
from tgtd.net.iscsi.portal import Portal


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_accepts_and_hands_over(loop: Loop, address: str) -> None:
    got: list[socket.socket] = []
    portal = Portal(loop, address, 0, got.append, None)
    portal.start()
    clients = [socket.create_connection((address, portal.port)) for _ in range(3)]
    loop.turn(5)
    assert [s.getpeername()[1] for s in got] == [c.getsockname()[1] for c in clients]
    portal.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, portal.port))
    for sock in [*clients, *got]:
        sock.close()


def test_adopts_a_socket_that_listens(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        portal = Portal(loop, "127.0.0.1", 0, lambda sock: sock.close(), server)
        portal.start()
        assert (portal.adopted, portal.port) == (True, server.getsockname()[1])
        portal.close()


def test_address_in_use(loop: Loop) -> None:
    first = Portal(loop, "127.0.0.1", 0, lambda sock: None, None)
    with pytest.raises(OSError, match="in use"):
        Portal(loop, "127.0.0.1", first.port, lambda sock: None, None)
    first.close()


class Refusing:
    """A listening socket whose accept fails as the list says."""

    def __init__(self, errors: list[int]) -> None:
        self.errors = errors
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))

    def accept(self) -> tuple[socket.socket, object]:
        if self.errors:
            raise OSError(self.errors.pop(0), "no")
        raise BlockingIOError

    def setblocking(self, flag: bool) -> None: ...

    def fileno(self) -> int:
        return self.sock.fileno()

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 1

    def close(self) -> None:
        self.sock.close()


class Watching(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.watched: list[int] = []

    def watch(self, fd: int, events: int, callback: object) -> None:
        self.watched.append(events)

    def rewatch(self, fd: int, events: int) -> None:
        self.watched.append(events)

    def unwatch(self, fd: int) -> None: ...


def test_out_of_descriptors_it_rests_and_tries_again(caplog: pytest.LogCaptureFixture) -> None:
    clock = Watching()
    portal = Portal(clock, "127.0.0.1", 0, lambda sock: None, Refusing([errno.ECONNABORTED, errno.EMFILE]))  # type: ignore[arg-type]
    portal.start()
    portal._ready(1)
    assert clock.watched[-1] == 0
    assert "cannot accept" in caplog.text
    clock.advance(2)
    assert clock.watched[-1] == clock.watched[0]
    portal.close()


def test_nobody_is_accepted_before_the_start(loop: Loop) -> None:
    """What initiators may ask for is not in place yet: they wait, instead of hearing that there is no such target."""
    got: list[socket.socket] = []
    portal = Portal(loop, "127.0.0.1", 0, got.append, None)
    with socket.create_connection(("127.0.0.1", portal.port)):
        loop.turn(0.05)
        assert got == []
        portal.start()
        portal.start()
        loop.turn(5)
        assert len(got) == 1
        got[0].close()
    portal.close()
