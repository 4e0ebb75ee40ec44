"""An initiator that means no good: any command with any fields, lengths and data, many at a time, over the wire."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from tests.daemon import eventually
from tests.initiator import Initiator, Result
from tests.scsi.reserving import CLEAR, IGNORE, out
from tests.wire.conftest import Site

pytestmark = pytest.mark.wire

COMMANDS = 4000
MOST_MEMORY = 400 << 20
LUN_RESET = 5
SELF_TEST_FAILED = (0x4, 0x3E, 0x03)  # on blocks that WRITE LONG has marked bad
LENGTHS = (0, 0, 1, 4, 8, 24, 255, 512, 513, 4096, 65536, 1 << 20)
VALUES = (0, 0, 0, 1, 2, 8, 24, 0xFF)
Row = tuple[int, int | None, bytes]
"""Operation code, service action, usage mask, as the disk itself reports them."""


def _list(size: int) -> bytes:
    """What may pass for a parameter list of this size: lengths in the first bytes."""
    return struct.pack(">HH", max(0, size - 2) & 0xFFFF, max(0, size - 8) & 0xFFFF).ljust(size, b"\0")[:size]


CONTENTS = (bytes, random.Random(1).randbytes, _list)


def rows_of(initiator: Initiator, lun: int) -> list[Row]:
    initiator.read(bytes(6), 0, lun=lun)
    told = initiator.read(struct.pack(">BB4xIxx", 0xA3, 0x0C, 0x4000), 0x4000, lun=lun).data
    found: list[Row] = []
    for opcode, action, flags in struct.iter_unpack(">BxHxBxx", told[4:]):
        option, action = (2, action) if flags & 1 else (1, 0)
        one = initiator.read(struct.pack(">BBBBHIxx", 0xA3, 0x0C, option, opcode, action, 256), 256, lun=lun).data
        found.append((opcode, action if option == 2 else None, one[4:]))
    return found


class Hostile:
    """Some sessions, and what they send to LUNs 1 to `luns`."""

    def __init__(self, site: Site, luns: int, seed: int) -> None:
        self.site = site
        self.luns = luns
        self.chance = random.Random(seed)
        self.sessions = [site.login(name=f"iqn.2026-11.org.test:h{number}") for number in range(4)]
        self.rows = {lun: rows_of(self.sessions[0], lun) for lun in range(1, luns + 1)}
        self.statuses: dict[int, int] = {}

    def cdb(self, lun: int) -> bytes:
        """Mostly within the usage mask. Nothing that takes the disk away for long, but seldom."""
        chance = self.chance
        opcode, action, usage = chance.choice(self.rows[lun])
        if opcode in (0x04, 0x1B, 0x48) and chance.random() < 0.9:
            return self.cdb(lun)
        values = [chance.choice((*VALUES, chance.randrange(256))) for _ in usage]
        cdb = bytearray(values if chance.random() < 0.1 else (a & b for a, b in zip(values, usage, strict=True)))
        cdb[0] = opcode
        if opcode == 0x7F:
            cdb[7:10] = bytes((len(usage) - 8,)) + usage[8:10]
        elif action is not None:
            cdb[1] = cdb[1] & 0xE0 | action
        if chance.random() < 0.99:  # an ACA keeps everything else out
            cdb[1 if opcode == 0x7F else -1] = 0
        return bytes(cdb)

    def send(self, initiator: Initiator, lun: int) -> tuple[int, bytes, int]:
        """One command; its tag, what there is to send, and what may come back at most."""
        chance = self.chance
        cdb = self.cdb(lun)
        longer = b"" if len(cdb) <= 16 else struct.pack(">HBx", len(cdb) - 15, 1) + cdb[16:]
        expected = chance.choice(LENGTHS)
        if chance.random() < 0.5:
            tag = initiator.command_pdu(cdb[:16], lun, expected, 0xC0 if expected else 0x80, ahs=longer)
            return tag, b"", expected
        data = chance.choice(CONTENTS)(expected)
        now = data[: chance.choice((0, 1, 24, 512, 8192))]
        return initiator.command_pdu(cdb[:16], lun, expected, 0xA0 if data else 0x80, now, ahs=longer), data, 0

    def step(self) -> None:
        initiator, lun = self.chance.choice(self.sessions), self.chance.randint(1, self.luns)
        if self.chance.random() < 0.01:
            initiator.task_management(self.chance.choice((1, 2, 3, LUN_RESET)), lun, self.chance.randrange(1 << 16))
            return
        tag, data, room = self.send(initiator, lun)
        self.judge(initiator.finish(tag, data), room)

    def judge(self, result: Result, room: int) -> None:
        self.statuses[result.status] = self.statuses.get(result.status, 0) + 1
        assert len(result.data) <= room
        assert (result.status == 0x02) is bool(result.sense)
        if result.sense[:1] in (b"\x70", b"\xf0"):
            assert result.asc[0] != 0x4 or result.asc == SELF_TEST_FAILED, "an error of our own"

    def heal(self) -> None:
        """Start what was stopped, and end reservations, or nothing but that would be seen from then on."""
        with self.site.login(name="iqn.2026-11.org.test:healer") as healer:
            for lun in range(1, self.luns + 1):
                healer.task_management(LUN_RESET, lun)
                for cdb in (bytes(6), bytes(6), bytes((0x1B, 0, 0, 0, 3, 0)), bytes((0x1B, 0, 0, 0, 1, 0))):
                    healer.read(cdb, 0, lun=lun)
                for sent in (out(IGNORE, 0, 9), out(CLEAR, 9)):
                    healer.write(*sent, lun=lun)


def memory(process: int) -> int:
    """Bytes that a process has in memory."""
    fields = Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * 4096


def test_nothing_breaks_it(site: Site) -> None:
    ram = '{ type = "ram", size = "16 MiB" }'
    luns = (
        site.lun(1, "16 MiB"),
        site.lun(2, "16 MiB", "block_size = 4096\nthin = false"),
        site.lun(3, more="removable = true", medium=ram),
        site.lun(4, more="read_only = true", medium=ram),
    )
    site.write(site.target(*luns))
    site.start()
    hostile = Hostile(site, len(luns), seed=7)
    for number in range(COMMANDS):
        if number % 100 == 0:
            hostile.heal()
        hostile.step()
    assert hostile.statuses[0] > COMMANDS // 10, "hardly anything was let through"
    assert site.process is not None
    assert site.process.poll() is None
    assert memory(site.process.pid) < MOST_MEMORY
    hostile.heal()
    initiator = hostile.sessions[0]
    assert eventually(lambda: initiator.read(bytes(6), 0, lun=1).status == 0)
    assert initiator.write(bytes.fromhex("2A000000000000000100"), b"x" * 512, lun=1).status == 0
    assert initiator.read(bytes.fromhex("28000000000000000100"), 512, lun=1).data == b"x" * 512
    assert "Traceback" not in site.log
