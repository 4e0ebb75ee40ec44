"""An iSCSI service with one RAM disk, on a loop of its own in a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.initiator import TEST_UNIT_READY, Initiator
from tgtd.loop import Loop
from tgtd.media.ram import RamMedium
from tgtd.net.iscsi.node import IscsiTarget
from tgtd.net.iscsi.service import IscsiService
from tgtd.net.iscsi.settings import Access, Limits, Settings
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.lun import Identity
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.spc.absent import AbsentUnit
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target
from tgtd.workers import Workers

T = TypeVar("T")
NAME = "iqn.2026-11.org.test:target"


class Errors(logging.Handler):
    """Keeps what is logged as an error: nothing an initiator does may be one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Stage:
    """The service under test; `call` runs a function in its loop thread."""

    def __init__(self) -> None:
        self.errors = Errors()
        logging.getLogger("tgtd").addHandler(self.errors)
        self.loop = Loop()
        self.pool = BufferPool(64 << 20)
        self.workers = Workers(self.loop, 8)
        self.service = IscsiService(self.loop, Limits(login_timeout=2), self.pool, Access(anyone=True))
        self.medium = RamMedium(16 << 20)
        self.disk = self.make_disk(self.medium)
        self.target = self.add_target(NAME, self.disk)
        self.thread = threading.Thread(target=self.loop.run, daemon=True)
        self.thread.start()

    def make_disk(self, medium: RamMedium, serial: str = "S1") -> Disk:
        identity = Identity("tgtd", "disk", "0001", serial, bytes.fromhex("6001405f") + bytes(12))
        return Disk(identity, self.pool, self.workers.lane(4), medium, DiskSettings())

    def add_target(self, name: str, disk: Disk) -> IscsiTarget:
        def placeholder(number: int) -> Controller | AbsentUnit:
            identity = Identity("tgtd", "controller", "0001", name[-8:], bytes(16))
            kind = Controller if number == 0 else AbsentUnit
            return kind(identity, self.pool, self.workers.lane(1))

        target = IscsiTarget(Target(name, placeholder), access=Access(anyone=True), settings=Settings(nop_interval=0))
        target.scsi.add_lun(1, disk)
        portal = self.service.open_portal("127.0.0.1", 0)
        self.service.accept()
        target.portals = (("127.0.0.1", portal.port),)
        self.address = ("127.0.0.1", portal.port)
        self.service.add_target(target)
        return target

    def call(self, function: Callable[[], T]) -> T:
        done = threading.Event()
        answer: list[T] = []

        def run() -> None:
            answer.append(function())
            done.set()

        self.loop.call_from_thread(run)
        assert done.wait(10), "the loop does not answer"
        return answer[0]

    def connect(self, **wishes: Any) -> Initiator:
        """Sessions are not retained unless `keys` says so: what a test leaves behind shall be seen at once."""
        wishes.setdefault("target", NAME)
        wishes["keys"] = {"DefaultTime2Retain": "0"} | wishes.get("keys", {})
        return Initiator(self.address, **wishes)

    def login(self, **wishes: Any) -> Initiator:
        """Logged in, and past the unit attention of LUN 1."""
        initiator = self.connect(**wishes).login()
        if initiator.target and not wishes.get("tsih"):
            initiator.read(TEST_UNIT_READY, 0, lun=1)
        return initiator

    def becomes(self, condition: Callable[[], object]) -> bool:
        """Does it come true, looked at in the loop thread, within five seconds?"""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.call(condition):
                return True
            time.sleep(0.005)
        return False

    def medium_start(self) -> bytes:
        """The first block of the disk."""
        block = bytearray(512)
        self.medium.read(0, memoryview(block))
        return bytes(block)

    def pool_settles(self) -> bool:
        """Every pooled buffer comes back once nothing is under way."""
        return self.becomes(lambda: self.pool.used == 0)

    def empties(self) -> bool:
        """No connection, no session, no buffer is left."""
        return self.becomes(lambda: not (self.service.connections or self.service.sessions or self.pool.used))

    def close(self) -> None:
        """Raises AssertionError when anything was logged as an error meanwhile."""
        self.call(self.service.close)
        self.loop.call_from_thread(self.loop.stop)
        self.thread.join(10)
        self.loop.close()
        logging.getLogger("tgtd").removeHandler(self.errors)
        assert not self.errors.lines
        assert not self.loop.failures


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.close()
