"""A server on plain memory, with the kernel's side of its ring, for tests."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from tests.hw.tcmu.kernel import ALL, Answer, Kernel
from tests.scsi.workbench import Bench
from tgtd.hw.tcmu.server import Server
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.target import encode_lun


class HandLoop:
    """A loop that turns when told."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[int], None]] = {}
        self._soon: list[Callable[[], object]] = []
        self._ends: list[Callable[[], object]] = []
        self.timers: list[tuple[float, Callable[[], object]]] = []

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        self.watched[fd] = callback

    def unwatch(self, fd: int) -> None:
        self.watched.pop(fd, None)

    def call_soon(self, function: Callable[[], object]) -> None:
        self._soon.append(function)

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        self.timers.append((seconds, function))

    def at_turn_end(self, function: Callable[[], object]) -> None:
        self._ends.append(function)

    def turn(self, *ready: int) -> None:
        for fd in ready:
            if fd in self.watched:
                self.watched[fd](1)
        soon, self._soon = self._soon, []
        for call in soon:
            call()
        while self._ends:
            ends, self._ends = self._ends, []
            for call in ends:
                call()


class MadeDevice:
    """The device of a made kernel. gone: every verb fails. told: how often the kernel was told of answers."""

    def __init__(self, kernel: Kernel) -> None:
        self.name = "user_0/made"
        self.fd = 5
        self.kernel = kernel
        self.memory = kernel.memory
        self.gone = False
        self.closed = 0
        self.told = 0
        self.given_back: list[int] = []

    def _check(self) -> None:
        if self.gone:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def hear(self) -> None:
        self._check()

    def tell(self) -> None:
        self._check()
        self.told += 1
        self.kernel.reap()

    def give_back(self, number: int) -> None:
        self._check()
        self.kernel.give_back(number)  # KeyError unless it has been answered
        self.given_back.append(number)

    def close(self) -> None:
        self.closed += 1


class Served:
    """LUN 0 of a bench behind a ring."""

    def __init__(self, bench: Bench, flags: int = ALL, pages: int = 16) -> None:
        self.bench = bench
        self.kernel = Kernel(flags=flags, pages=pages, size=16384)
        self.device = MadeDevice(self.kernel)
        self.loop = HandLoop()
        self.lost: list[str] = []
        self.nexus = Nexus(bench.target, "", "", b"")
        bench.target.connect(self.nexus)
        self.server = Server(self.loop, bench.pool, self.nexus, encode_lun(0), self.device, self.lost.append)
        self.turn()

    def turn(self) -> None:
        self.loop.turn(self.device.fd)

    def put(self, cdb: bytes, out: bytes | None = None, room: int = 0, scattered: bool = False) -> int:
        number = self.kernel.put(cdb, out, room, scattered)
        assert number is not None, "the ring is full"
        return number

    def ask(self, cdb: bytes, out: bytes | None = None, room: int = 0, scattered: bool = False) -> Answer:
        """One command through to its end, whatever its lane has to do for it."""
        number = self.put(cdb, out, room, scattered)
        self.kernel.answers.pop(number, None)
        self.turn()
        while number not in self.kernel.answers:
            assert self.bench.lane.jobs, "nobody is at work on it"
            self.bench.lane.step()
            self.turn()
        return self.kernel.answers.pop(number)

    def awake(self) -> Served:
        """The unit attention of a nexus that has just come to be is told."""
        assert self.ask(bytes(6)).status == 2
        assert self.ask(bytes(6)).status == 0
        return self
