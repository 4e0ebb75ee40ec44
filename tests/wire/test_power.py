"""The power fails: what was acknowledged as durable is there, whatever was not flushed is lost.

kill -9 leaves the page cache as it is, so the daemon gets files behind a cache of its own, which dies with it.
"""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Callable

import pytest

from tests.daemon import eventually
from tests.initiator import Initiator, write10
from tests.wire.conftest import Site

pytestmark = pytest.mark.wire

VOLATILE = """
import threading
from tgtd import media
from tgtd.media.file import FileMedium
from tgtd.scsi.layer import Layer

class Volatile(Layer):
    def __init__(self, medium):
        super().__init__(medium)
        self.pending, self.lock = {}, threading.Lock()
    def write_now(self, offset, data):
        with self.lock:
            self.pending[offset] = bytes(data)
        return True
    def write(self, offset, data, durable):
        if not durable:
            self.write_now(offset, data)
            return
        with self.lock:
            self.pending.pop(offset, None)
            self.medium.write(offset, data, True)
    def read_now(self, offset, into):
        return False
    def flush(self):
        if not FLUSHES:
            return
        with self.lock:
            for offset, data in self.pending.items():
                self.medium.write(offset, data, False)
            self.pending.clear()
            self.medium.flush()

media.OPENERS["file"] = lambda *more: Volatile(FileMedium.open(*more))
from tgtd.__main__ import main
raise SystemExit(main())
"""
BLOCK = 4096
BLOCKS = 64
SYNCHRONIZE = bytes((0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0))


class Writer:
    """Numbers its writes. issued: what each block may hold; acknowledged: what was written and may still be lost;
    durable: what each block must have at the least."""

    def __init__(self, initiator: Initiator, seed: int) -> None:
        self.initiator = initiator
        self.chance = random.Random(seed)
        self.issued = [0] * BLOCKS
        self.acknowledged = [0] * BLOCKS
        self.durable = [0] * BLOCKS
        self.number = 0

    def run(self) -> None:
        """Until the daemon is gone."""
        try:
            while True:
                self.step()
        except (OSError, EOFError, AssertionError, struct.error):
            return

    def step(self) -> None:
        if self.chance.random() < 0.03:
            before = list(self.acknowledged)
            if self.initiator.read(SYNCHRONIZE, 0, lun=1).status == 0:
                self.durable = list(map(max, self.durable, before))
            return
        block, fua = self.chance.randrange(BLOCKS), self.chance.random() < 0.2
        self.number += 1
        self.issued[block] = self.number
        data = struct.pack("<Q", self.number) * (BLOCK // 8)
        done = self.initiator.write(write10(block * 8, 8, fua), data, lun=1)
        if done.status == 0:
            self.acknowledged[block] = self.number
            if fua:
                self.durable[block] = self.number


def fail_power(site: Site, seed: int, flushes: bool, more: str = "") -> tuple[Writer, list[int]]:
    """Write until the power fails, at a random point; the writer, and what each block holds then."""
    image = site.media / "lun1.img"
    image.unlink(missing_ok=True)
    site.write(site.target(site.lun(1, size="1 MiB", more=more)))
    site.start("-c", f"FLUSHES = {flushes}{VOLATILE}")
    with site.login(timeout=5) as initiator:
        initiator.read(bytes(6), 0, lun=1)
        writer = Writer(initiator, seed)
        thread = threading.Thread(target=writer.run)
        thread.start()
        enough = 60 + random.Random(seed).randrange(200)
        assert eventually(lambda: writer.number > enough, 30)
        site.kill()
        thread.join(20)
        assert not thread.is_alive()
    content = image.read_bytes()
    found: list[int] = [struct.unpack_from("<Q", content, block * BLOCK)[0] for block in range(BLOCKS)]
    assert all(content[at : at + BLOCK] == content[at : at + 8] * 512 for at in range(0, BLOCK * BLOCKS, BLOCK))
    return writer, found


def lost(writer: Writer, found: list[int]) -> int:
    """How many blocks are older than what was acknowledged as durable."""
    return sum(there < least for there, least in zip(found, writer.durable, strict=True))


def any_of(writer: Writer, found: list[int], claim: Callable[[int, int], bool]) -> bool:
    return any(claim(there, told) for there, told in zip(found, writer.acknowledged, strict=True))


def test_what_is_durable_is_there(site: Site) -> None:
    older = False
    for seed in range(4):
        writer, found = fail_power(site, seed, flushes=True)
        assert lost(writer, found) == 0
        assert all(there <= most for there, most in zip(found, writer.issued, strict=True))
        older |= any_of(writer, found, lambda there, told: there < told)
    assert older, "nothing was ever lost: the cache is none"


def test_without_a_write_cache_everything_is(site: Site) -> None:
    writer, found = fail_power(site, 4, flushes=True, more="write_cache = false")
    assert not any_of(writer, found, lambda there, told: there < told)


def test_the_test_sees_a_flush_that_does_nothing(site: Site) -> None:
    writer, found = fail_power(site, 5, flushes=False)
    assert lost(writer, found) > 0
