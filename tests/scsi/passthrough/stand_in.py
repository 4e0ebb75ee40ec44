"""A stand-in for a real SCSI device: one of our own disks, asked as a host asks."""

from __future__ import annotations

from typing import Any

from tests.scsi.workbench import IDENTITY, Bench
from tgtd.scsi.passthrough.device import Passthrough, PassthroughSettings
from tgtd.scsi.passthrough.exchange import DeviceReply, Portrait
from tgtd.scsi.task import SIMPLE, Task


class StandIn:
    """The disk has 1 MiB. asked: (CDB, bytes out, room, seconds) of each command. trouble: raised instead."""

    writable = True
    size = 1 << 20

    def __init__(self, **settings: Any) -> None:
        self.bench = Bench()
        self.disk = self.bench.disk(**settings)
        self.bench.ready()
        self.most_bytes = 64 << 10
        self.asked: list[tuple[bytes, int, int, int]] = []
        self.trouble: OSError | None = None
        self.replies: list[DeviceReply] = []
        self.portrait = Portrait(
            self.bench.good(bytes.fromhex("120000010000")),
            {code: self.bench.good(bytes((0x12, 1, code, 1, 0, 0))) for code in (0x00, 0x80, 0x83)},
            512,
            2048,
        )

    def execute(self, cdb: bytes, out: Any, into: memoryview | None, seconds: int) -> DeviceReply:
        self.asked.append((cdb, len(out or b""), len(into or b""), seconds))
        if self.trouble is not None:
            raise self.trouble
        if self.replies:
            return self.replies.pop(0)
        task = self.bench.run(cdb, None if out is None else bytes(out))
        data = (task.data_in or b"")[: len(into or b"")]
        if into is not None:
            into[: len(data)] = data
        return DeviceReply(
            task.status, task.sense, len(data) if into is not None else min(task.wanted_out, len(out or b""))
        )

    def flush(self) -> None:
        pass

    def resize_probe(self) -> int:
        return self.size

    def grow(self, size: int) -> None:
        pass

    def close(self) -> None:
        pass


class PassBench(Bench):
    """A target with a passthrough at LUN 0; `run` takes what the initiator expects."""

    def __init__(self, there: bool = True, timeout: int = 60, **settings: Any) -> None:
        super().__init__()
        self.real = StandIn(**settings)
        self.unit = Passthrough(IDENTITY, self.pool, self.lane, PassthroughSettings(timeout))
        self.target.add_lun(0, self.unit)
        if there:
            self.unit.insert(self.real)
        self.room = 0
        self.ready()

    def task(self, cdb: bytes, data: bytes | None = None, **more: Any) -> Any:
        """As a transport does: what the initiator expects is known before the unit is asked how much it wants."""
        self.tags += 1
        itl = self.itl(0, more.get("nexus"))
        task = Task(itl, self.tags, more.get("attribute", SIMPLE), cdb.ljust(16, b"\0"), self.room, self._finished)
        task.expected_out = len(data or b"")
        wanted = min(itl.lu.data_out_length(task), task.expected_out)
        if wanted:
            assert data is not None
            buffer = task.allocate(self.pool, wanted)
            buffer[:] = data[:wanted]
            task.data_out = buffer
        return task

    def fetch(self, cdb: bytes, room: int, **more: Any) -> Any:
        """Run a command of which so many bytes are expected."""
        self.room = room
        try:
            return self.run(cdb, **more)
        finally:
            self.room = 0
