"""The grammar alone: what the SCSI core costs for a command, with no transport and a medium that costs nothing much."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from bench.result import Result
from tgtd.media.options import OpenOptions
from tgtd.media.ram import RamMedium
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import Identity
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target, encode_lun
from tgtd.scsi.task import SIMPLE, Task

COUNT = 100_000
SIZE = 64 << 20
BLOCKS = 4096 // 512
GOOD = 0

IDENTITY = Identity(vendor="tgtd", product="bench", revision="0001", serial="bench", wwid=bytes.fromhex("6" + "0" * 31))

# name, CDB for logical block 0, bytes of data-in, bytes of data-out
CASES: tuple[tuple[str, bytes, int, int], ...] = (
    ("core: TEST UNIT READY", bytes(16), 0, 0),
    ("core: READ(10) 4 KiB, RAM", bytes((0x28, 0, 0, 0, 0, 0, 0, 0, BLOCKS)).ljust(16, b"\0"), 4096, 0),
    ("core: WRITE(10) 4 KiB, RAM", bytes((0x2A, 0, 0, 0, 0, 0, 0, 0, BLOCKS)).ljust(16, b"\0"), 0, 4096),
)


class Backlog:
    """An Offload without threads: the work waits until `settle`."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Callable[[], object], Callable[[BaseException | None], None]]] = deque()

    def submit(self, work: Callable[[], object], done: Callable[[BaseException | None], None]) -> None:
        self._jobs.append((work, done))

    def settle(self) -> None:
        while self._jobs:
            work, done = self._jobs.popleft()
            work()
            done(None)


def run() -> Iterator[Result]:
    """Raises RuntimeError when a command does not end with GOOD."""
    backlog, pool = Backlog(), BufferPool(SIZE)
    disk = Disk(IDENTITY, pool, backlog, RamMedium.open(None, OpenOptions(size=SIZE)), DiskSettings())
    target = Target("iqn.2026-11.com.example:bench", lambda number: Controller(IDENTITY, pool, backlog))
    target.add_lun(1, disk)
    nexus = Nexus(target, "iqn.2026-11.com.example:initiator", "initiator,i,0x0", b"")
    target.connect(nexus)
    for name, cdb, bytes_in, bytes_out in CASES:
        nexus.lun(encode_lun(1)).attentions.clear()
        nexus.lun(encode_lun(1)).regate()
        yield measure(name, nexus, backlog, cdb, bytes_in, bytes(bytes_out) or None)


def measure(name: str, nexus: Nexus, backlog: Backlog, cdb: bytes, bytes_in: int, data_out: bytes | None) -> Result:
    ended: list[int] = []

    def done(task: Task) -> None:
        if task.status != GOOD:
            ended.append(task.status)
        task.release()

    started, used = time.perf_counter(), time.process_time()
    for tag in range(COUNT):
        itl = nexus.lun(0x0001 << 48)
        itl.execute(Task(itl, tag, SIMPLE, cdb, bytes_in, done, data_out))
        backlog.settle()
    used, elapsed = time.process_time() - used, time.perf_counter() - started
    if ended:
        raise RuntimeError(f"{name}: status {ended[0]:02X}h")
    return Result(name, COUNT / elapsed, used / COUNT)
