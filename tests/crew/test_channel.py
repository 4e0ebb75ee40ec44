"""Messages between processes: whole, in order, with sockets, and a clear end."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from tgtd.crew.channel import Channel
from tgtd.loop import Loop

MOST = 1 << 20


class Ends:
    """Two channels on one loop, and what each has heard."""

    def __init__(self) -> None:
        self.loop = Loop()
        left, right = socket.socketpair()
        self.raw = left
        self.heard: list[tuple[bytes, socket.socket | None]] = []
        self.ended: list[str] = []
        self.lost: list[str] = []
        self.sender = Channel(self.loop, left, lambda *_: None, self.lost.append, MOST, sockets=False)
        self.receiver = Channel(
            self.loop, right, lambda data, sock: self.heard.append((data, sock)), self.ended.append, MOST, sockets=True
        )

    def turn_until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not true():
            assert time.monotonic() < deadline
            self.loop.turn(0.02)

    def write(self, data: bytes) -> None:
        """Past the channel."""
        os.write(self.raw.fileno(), data)


@pytest.fixture
def ends() -> Iterator[Ends]:
    it = Ends()
    yield it
    it.sender.close()
    it.receiver.close()
    it.loop.close()


def test_messages_of_all_sizes_in_order(ends: Ends) -> None:
    messages = [bytes([size & 255]) * size for size in (0, 1, 5, 4096, 1 << 17, MOST, 3)] * 2
    for message in messages:
        ends.sender.send(message)
    ends.turn_until(lambda: len(ends.heard) == len(messages))
    assert [data for data, _ in ends.heard] == messages


def test_sockets_go_along_with_their_messages(ends: Ends) -> None:
    pairs = [socket.socketpair() for _ in range(5)]
    ends.sender.send(b"x" * 300_000)
    for number, (ours, _) in enumerate(pairs):
        ends.sender.send(str(number).encode(), ours)
        ends.sender.send(b"without")
    ends.turn_until(lambda: len(ends.heard) == 11)
    came = {data: sock for data, sock in ends.heard if sock is not None}
    assert sorted(came) == [b"0", b"1", b"2", b"3", b"4"]
    for number, (ours, theirs) in enumerate(pairs):
        assert ours.fileno() == -1, "it belongs to the channel"
        with came[str(number).encode()] as sock, theirs:
            sock.sendall(b"hello")
            assert theirs.recv(5) == b"hello"


def test_too_long(ends: Ends) -> None:
    ends.write(struct.pack(">I", MOST + 1))
    ends.turn_until(lambda: ends.ended)
    assert ends.ended == [f"a message of {MOST + 1} bytes, where {MOST} is the limit"]


def test_a_descriptor_that_is_announced_and_does_not_come(ends: Ends) -> None:
    ends.write(struct.pack(">I", 1 << 31 | 3) + b"abc")
    ends.turn_until(lambda: ends.ended)
    assert "without the descriptor" in ends.ended[0]
    assert ends.heard == []


@pytest.mark.parametrize("cut", range(1, 9))
def test_an_end_in_the_middle_of_a_message(ends: Ends, cut: int) -> None:
    ends.write(struct.pack(">I", 5)[:cut] + b"hello"[: max(0, cut - 4)])
    ends.sender.close()
    ends.turn_until(lambda: ends.ended)
    assert len(ends.ended) == 1
    assert ends.heard == []


def test_nobody_is_there_any_more(ends: Ends) -> None:
    """It is told once, from the loop; what is sent afterwards is lost, and its socket closed."""
    ends.receiver.close()
    ends.sender.send(b"x")
    assert ends.lost == []
    ends.turn_until(lambda: ends.lost)
    ours, theirs = socket.socketpair()
    ends.sender.send(b"y", ours)
    assert ours.fileno() == -1
    theirs.close()
    ends.loop.turn(0.02)
    assert len(ends.lost) == 1


def test_close_gives_up_what_is_queued(ends: Ends) -> None:
    ours, theirs = socket.socketpair()
    ends.sender.send(b"x" * MOST)
    ends.sender.send(b"y", ours)
    ends.sender.close()
    assert ours.fileno() == -1
    theirs.close()
