"""kill -9 in the middle of writes with protection information: no block is ever reported as damaged afterwards.

What was acknowledged is there with what came beside it; what was under way is old, new, or not checked.
"""

from __future__ import annotations

import random
import struct

import pytest

from tests.initiator import Initiator
from tests.wire.conftest import Site
from tgtd.scsi.sbc.protection.guard import guard

pytestmark = [pytest.mark.wire, pytest.mark.slow]

BLOCKS, SLOTS = 8, 64
UNIT = 520
CHECKED, PLAIN = 1, 0


def ten(opcode: int, slot: int, protect: int, fua: bool = False) -> bytes:
    return struct.pack(">BBIBHB", opcode, protect << 5 | fua << 3, slot * BLOCKS, 0, BLOCKS, 0)


def protected(slot: int, data: bytes, tag: int) -> bytes:
    """Blocks of type 1 as they are on the wire."""
    parts = []
    for n in range(BLOCKS):
        block = data[n * 512 : (n + 1) * 512]
        parts.append(block + struct.pack(">HHI", guard(block), tag, slot * BLOCKS + n))
    return b"".join(parts)


def test_what_was_acknowledged_is_there_and_nothing_is_damaged(site: Site) -> None:
    site.write(site.target(site.lun(1, size="1 MiB", more="protection = 1")))
    chance = random.Random(5)
    promised: dict[int, bytes] = {}
    for _ in range(4):
        site.start()
        verify(site, promised)
        initiator = site.login()
        initiator.read(bytes(6), 0, lun=1)
        with site.killed(chance.uniform(0.1, 0.5)):
            while True:
                write(initiator, chance, promised)
    assert len(promised) > 8
    site.start()
    verify(site, promised)
    assert "Traceback" not in site.log


def write(initiator: Initiator, chance: random.Random, promised: dict[int, bytes]) -> None:
    """One write, with tags or without; what it leaves is promised once it is acknowledged."""
    slot, tag, data = chance.randrange(SLOTS), chance.randrange(1, 0xFFFF), chance.randbytes(BLOCKS * 512)
    promised.pop(slot, None)  # from here until it is acknowledged, either version may be there
    way = chance.choice((CHECKED, PLAIN))
    sent = protected(slot, data, tag) if way == CHECKED else data
    assert initiator.write(ten(0x2A, slot, way, fua=True), sent, lun=1).status == 0
    promised[slot] = protected(slot, data, tag if way == CHECKED else 0)


def verify(site: Site, promised: dict[int, bytes]) -> None:
    """All checks on all blocks, and the promised ones as they were sent."""
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        for slot in range(SLOTS):
            done = initiator.read(ten(0x28, slot, CHECKED), BLOCKS * UNIT, lun=1)
            assert done.status == 0, (slot, bytes(done.sense))
            assert slot not in promised or done.data == promised[slot]


def test_the_test_sees_damage(site: Site) -> None:
    """A byte that changes behind the daemon's back is found, with and without tags on the wire."""
    site.write(site.target(site.lun(1, size="1 MiB", more="protection = 1")))
    site.start()
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        assert initiator.write(ten(0x2A, 0, PLAIN, fua=True), bytes(BLOCKS * 512), lun=1).status == 0
    site.kill()
    with (site.media / "lun1.img").open("r+b") as image:
        image.write(b"x")
    site.start()
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        for way, unit in ((CHECKED, UNIT), (PLAIN, 512)):
            assert initiator.read(ten(0x28, 0, way), BLOCKS * unit, lun=1).status == 2
