"""As replay.py, by a fabric of the kernel: a batch in TCMU's ring, through server, unit and medium to the answers."""

from __future__ import annotations

from bench.replay import BYTES, DEPTH, TARGET, clocks_standing
from tests.hw.tcmu.kernel import Kernel
from tests.hw.tcmu.serving import HandLoop, MadeDevice
from tgtd.hw.tcmu.server import Server
from tgtd.loop import Loop
from tgtd.media.ram import RamMedium
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import Identity
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target, encode_lun
from tgtd.workers import Workers


class Deaf(MadeDevice):
    """A device whose kernel looks at the answers later: that it does so is no work of ours."""

    def tell(self) -> None:
        self.told += 1


class RingReplay:
    """A ring on a disk in memory."""

    def __init__(self) -> None:
        self.pool = BufferPool(64 << 20)
        workers = Workers(Loop(), 1)
        identity = Identity("tgtd", "bench", "0001", "replay", bytes.fromhex("6" + "0" * 31))
        target = Target(TARGET, lambda number: Controller(identity, self.pool, workers.lane(1)))
        target.add_lun(1, Disk(identity, self.pool, workers.lane(4), RamMedium(16 << 20), DiskSettings()))
        nexus = Nexus(target, "", "", b"")
        target.connect(nexus)
        self.kernel = Kernel(size=1 << 16, pages=2 * DEPTH)
        self.device = Deaf(self.kernel)
        self.loop = HandLoop()
        self.server = Server(self.loop, self.pool, nexus, encode_lun(1), self.device, _lost)
        self.kernel.put(bytes(6))
        self.turn()
        self.kernel.reap()

    def run(self, cdb: bytes, data: bytes) -> None:
        """One batch of DEPTH commands and their answers. Raises RuntimeError when one does not end with GOOD."""
        self.kernel.answers.clear()
        for _ in range(DEPTH):
            self.kernel.put(cdb, data or None, 0 if data else BYTES)
        with clocks_standing():
            self.turn()
        self.kernel.reap()
        good = sum(not answer.status for answer in self.kernel.answers.values())
        if good != DEPTH:
            raise RuntimeError(f"{good} commands of {DEPTH} ended with GOOD")

    def turn(self) -> None:
        """What the loop does when the device is readable."""
        self.loop.turn(self.device.fd)


def _lost(why: str) -> None:
    raise RuntimeError(why)
