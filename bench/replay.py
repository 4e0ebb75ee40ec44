"""A recorded batch of commands replayed through connection, session, unit and medium, with no kernel in between.

What it costs is what our own code costs: the socket is a buffer, the medium is memory, and time stands still.
"""

from __future__ import annotations

import itertools
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tests.initiator import Initiator, read10, write10
from tgtd.loop import Loop
from tgtd.media.ram import RamMedium
from tgtd.net.iscsi import connection as receiving
from tgtd.net.iscsi.connection import Connection
from tgtd.net.iscsi.node import IscsiTarget
from tgtd.net.iscsi.service import IscsiService
from tgtd.net.iscsi.settings import Access, Limits, Settings
from tgtd.scsi import pace
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import Identity
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target
from tgtd.workers import Workers

DEPTH = 32
BYTES = 4096
TARGET = "iqn.2026-11.com.example:replay"
_COMMAND = struct.Struct(">BB2xIQIIII16s")


@contextmanager
def clocks_standing() -> Iterator[None]:
    """What is slow is slow by the machine, or by being traced: nothing is left to workers or to a later turn for it."""
    still = itertools.repeat(0.0).__next__  # no Python function, of which the gate would count the calls
    with patch.object(receiving, "monotonic", still), patch.object(pace, "perf_counter", still):
        yield


class Tape:
    """In the place of a connection's socket once it is logged in: gives the batch, takes any answer."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.batch = b""
        self.answered = 0

    def recv_into(self, into: memoryview) -> int:
        into[: len(self.batch)] = self.batch
        return len(self.batch)

    def sendmsg(self, buffers: list[Any]) -> int:
        size = sum(map(len, buffers))
        self.answered += size
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Replay:
    """A logged-in connection on a disk in memory."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.pool = BufferPool(64 << 20)
        workers = Workers(self.loop, 1)
        identity = Identity("tgtd", "bench", "0001", "replay", bytes.fromhex("6" + "0" * 31))
        target = Target(TARGET, lambda number: Controller(identity, self.pool, workers.lane(1)))
        target.add_lun(1, Disk(identity, self.pool, workers.lane(4), RamMedium(16 << 20), DiskSettings()))
        self.service = IscsiService(self.loop, Limits(), self.pool, Access(anyone=True))
        node = IscsiTarget(target, access=Access(anyone=True), settings=Settings(nop_interval=0))
        self.service.add_target(node)
        portal = self.service.open_portal("127.0.0.1", 0)
        self.service.accept()
        node.portals = (("127.0.0.1", portal.port),)
        self._log_in(portal.port)

    def _log_in(self, port: int) -> None:
        """A real login, with the loop turned by hand; then the tape takes the socket's place."""
        initiator = _Turning(("127.0.0.1", port), TARGET, loop=self.loop)
        initiator.login()
        initiator.read(bytes(6), 0, lun=1)
        self.cmd_sn = initiator.cmd_sn
        (self.connection,) = self.service.connections
        self.tape = Tape(self.connection.sock)
        self.connection.sock = self.tape  # type: ignore[assignment]

    def run(self, cdb: bytes, data: bytes) -> None:
        """One batch of DEPTH commands and their answers. Raises RuntimeError when one is not answered."""
        flags = 0xA1 if data else 0xC1
        parts = []
        for number in range(DEPTH):
            parts.append(
                _COMMAND.pack(1, flags, len(data), 1 << 48, number + 1, BYTES, self.cmd_sn, 1, cdb.ljust(16, b"\0"))
            )
            parts.append(data)
            self.cmd_sn += 1
        self.tape.batch, self.tape.answered = b"".join(parts), 0
        with clocks_standing():
            self.turn()
        expected = DEPTH * (48 if data else 48 + BYTES)
        if self.tape.answered != expected:
            raise RuntimeError(f"{self.tape.answered} bytes of answers instead of {expected}")

    def turn(self) -> None:
        """What the loop does when the socket is readable."""
        connection: Connection = self.connection
        connection._ready(select.EPOLLIN)
        connection.flush()


class _Turning(Initiator):
    """An initiator that turns the loop while it waits for an answer."""

    def __init__(self, address: tuple[str, int], target: str, loop: Loop) -> None:
        self._loop = loop
        super().__init__(address, target)

    def _exactly(self, count: int) -> bytes:
        while not select.select([self.sock], [], [], 0)[0] and len(self._buffer) < count:
            self._loop.turn(0.01)
        return super()._exactly(count)


CASES = (("READ(10) 4 KiB", read10(0, 8), b""), ("WRITE(10) 4 KiB", write10(0, 8), bytes(BYTES)))
