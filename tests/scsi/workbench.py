"""A workbench for SCSI tests: lanes that run when told, a target with its placeholders, and a transport of one task."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tgtd.media.ram import RamMedium
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import Identity, LogicalUnit
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.reservation.transportid import iscsi_port
from tgtd.scsi.room import Room
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.spc.absent import AbsentUnit
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target, encode_lun
from tgtd.scsi.task import SIMPLE, Task

IDENTITY = Identity("TGTD", "DISK", "0001", "SN0001", bytes.fromhex("60000000000000000000000000000001"))
NAME = "iqn.2026-11.com.example:bench"
GOOD, CHECK_CONDITION = 0x00, 0x02

Work = Callable[[], object]
Done = Callable[[BaseException | None], None]


class ManualLane:
    """Keeps what is submitted until the test says so."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Work, Done]] = []

    def submit(self, work: Work, done: Done) -> None:
        self.jobs.append((work, done))

    def step(self, at: int = 0) -> None:
        """Do one job and complete it."""
        work, done = self.jobs.pop(at)
        error: BaseException | None = None
        try:
            work()
        except Exception as trouble:
            error = trouble
        done(error)

    def drain(self) -> None:
        while self.jobs:
            self.step()


class Pooled(RamMedium):
    """Memory that knows what it is taken from: a pool of 100 MiB, of which 40 are free."""

    def __init__(self, size: int, writable: bool = True) -> None:
        super().__init__(size, writable)
        self.room = Room(100 << 20, 40 << 20, 3 << 20)

    def look_for_room(self) -> Room:
        return self.room


class Anchoring(RamMedium):
    """Memory that notes for what space was to be kept."""

    can_anchor = True

    def __init__(self, size: int, writable: bool = True) -> None:
        super().__init__(size, writable)
        self.kept: list[tuple[int, int]] = []

    def anchor(self, offset: int, length: int) -> None:
        self.discard(offset, length)
        self.kept.append((offset, length))


class Bench:
    """One target. `run` carries a task through to its end; `start` only submits it."""

    def __init__(self, unit: LogicalUnit | None = None, number: int = 0) -> None:
        self.lane = ManualLane()
        self.pool = BufferPool(1 << 30)
        self.target = Target(NAME, self.placeholder)
        self.done: list[Task] = []
        self.tags = 0
        if unit is not None:
            self.target.add_lun(number, unit)
        self.nexus = self.connect("a")

    def placeholder(self, number: int) -> LogicalUnit:
        kind = Controller if number == 0 else AbsentUnit
        return kind(IDENTITY, self.pool, self.lane)

    def connect(self, initiator: str, relative_port: int = 1, target: Target | None = None) -> Nexus:
        name = f"iqn.2026-11.com.example:{initiator}"
        port = f"{name},i,0x000000000001"
        nexus = Nexus(target or self.target, name, port, iscsi_port(port), relative_port)
        nexus.target.connect(nexus)
        return nexus

    def disk(self, medium: Any = None, number: int = 0, **settings: Any) -> Disk:
        """Add a disk; 1 MiB of RAM unless told otherwise."""
        medium = RamMedium(1 << 20) if medium is None else medium
        disk = Disk(IDENTITY, self.pool, self.lane, medium or None, DiskSettings(**settings))
        self.target.add_lun(number, disk)
        return disk

    def protected(self, kind: int, number: int = 0, below: RamMedium | None = None, **settings: Any) -> Disk:
        """Add a disk that keeps protection information; 1 MiB of RAM, and what is beside it."""
        size = settings.get("block_size", 512)
        medium = ProtectedMedium(below or RamMedium(1 << 20), RamMedium(room(1 << 20, size)), size, kind)
        return self.disk(medium, number, **settings)

    def itl(self, number: int = 0, nexus: Nexus | None = None) -> LunNexus:
        return (nexus or self.nexus).lun(encode_lun(number))

    def task(
        self,
        cdb: bytes,
        data: bytes | None = None,
        *,
        lun: int = 0,
        nexus: Nexus | None = None,
        attribute: int = SIMPLE,
    ) -> Task:
        """A task as a transport makes it: data-out in a pooled buffer, no more than is wanted."""
        self.tags += 1
        itl = self.itl(lun, nexus)
        task = Task(itl, self.tags, attribute, cdb.ljust(16, b"\0"), 1 << 32, self._finished)
        wanted = itl.lu.data_out_length(task)
        task.expected_out = len(data or b"")
        if data is not None:
            data = data[:wanted]
            buffer = task.allocate(self.pool, len(data))
            buffer[:] = data
            task.data_out = buffer
        return task

    def _finished(self, task: Task) -> None:
        assert task not in self.done, "done twice"
        self.done.append(task)

    def start(self, cdb: bytes, data: bytes | None = None, **more: Any) -> Task:
        task = self.task(cdb, data, **more)
        task.itl.execute(task)
        return task

    def run(self, cdb: bytes, data: bytes | None = None, **more: Any) -> Task:
        """To the end, with data_in kept as bytes and the buffer given back."""
        task = self.start(cdb, data, **more)
        self.lane.drain()
        assert self.done.count(task) == 1
        kept = None if task.data_in is None else bytes(task.data_in)
        task.release()
        task.data_in = kept
        return task

    def ready(self, *numbers: int, nexus: Nexus | None = None) -> None:
        """Take the power-on unit attentions."""
        for number in numbers or (0,):
            itl = self.itl(number, nexus)
            while itl.attentions:
                itl.take_attention()

    def good(self, cdb: bytes, data: bytes | None = None, **more: Any) -> bytes:
        """The data-in of a command that must end with GOOD."""
        task = self.run(cdb, data, **more)
        assert task.status == GOOD, sense_of(task)
        return bytes(task.data_in or b"")

    def refused(self, cdb: bytes, data: bytes | None = None, **more: Any) -> tuple[int, int, int]:
        """Key, code and qualifier of a command that must end with CHECK CONDITION."""
        task = self.run(cdb, data, **more)
        assert task.status == CHECK_CONDITION, f"status {task.status:02X}h"
        return sense_of(task)


def sense_of(task: Task) -> tuple[int, int, int]:
    """(sense key, ASC, ASCQ), of either format."""
    sense = task.sense
    if not sense:
        return (-1, -1, -1)
    if sense[0] & 0x7E == 0x72:
        return sense[1] & 0xF, sense[2], sense[3]
    return sense[2] & 0xF, sense[12], sense[13]


def pointer_of(task: Task) -> tuple[bool, int, int | None]:
    """(whether it aims at the CDB, byte, bit) of a field pointer in fixed format."""
    first, at = struct.unpack(">BH", task.sense[15:18])
    assert first & 0x80, "no field pointer"
    return bool(first & 0x40), at, first & 0x07 if first & 0x08 else None


def cdb10(opcode: int, lba: int, count: int, flags: int = 0) -> bytes:
    return struct.pack(">BBIBHB", opcode, flags, lba, 0, count, 0)


def cdb16(opcode: int, lba: int, count: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQIBB", opcode, flags, lba, count, 0, 0)


def cdb12(opcode: int, lba: int, count: int, flags: int = 0) -> bytes:
    return struct.pack(">BBIIBB", opcode, flags, lba, count, 0, 0)


TUR = bytes(6)
