"""Many initiators at once that mean no good: they send in bursts, leave data unsent, abort, reset, preempt, and go away
in the middle of it; to targets in two workers that share LUNs, by port groups, with media that are slower than their
io_timeout. Nobody waits for ever, nothing is left behind, and there is no error of our own."""

from __future__ import annotations

import os
import random
import select
import struct
import time
from collections.abc import Callable

import pytest

from tests.daemon import eventually, free_port
from tests.initiator import TEST_UNIT_READY, Initiator, Pdu, read10, write10
from tests.scsi.chance import cdb_within, clear_control, reserving
from tests.scsi.reserving import CLEAR, IGNORE, out
from tests.wire.conftest import IQN, Site
from tests.wire.test_hostile import CONTENTS, LENGTHS, MOST_MEMORY, VALUES, Row, memory, rows_of

pytestmark = pytest.mark.wire

OTHER = f"{IQN}-other"
ROUNDS = 500
PATIENCE = 20  # seconds
LUN_RESET = 5
MANAGEMENT = (1, 2, 4, LUN_RESET, 6)
"""ABORT TASK, ABORT TASK SET, CLEAR TASK SET, and a warm reset of the target at last."""
SHARED = {11: 1, 12: 2, 14: 4, 16: 6}
START, LOAD = bytes((0x1B, 0, 0, 0, 1, 0)), bytes((0x1B, 0, 0, 0, 3, 0))


def serve(site: Site, ports: tuple[int, int, int]) -> None:
    (site.targets.parent / "tgtd.toml").write_text("workers = 2\nstop_timeout = 5\n")
    key = site.place / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    encrypted = (
        f'{{ type = "file", path = "{site.media}/e.img", size = "16 MiB", create = true, '
        f'encryption = {{ key = {{ file = "{key}" }} }} }}'
    )
    ram = '{ type = "ram", size = "16 MiB" }'
    slow = '{ type = "ram", size = "16 MiB", filters = [{ type = "slow", delay = 0.04 }] }'
    luns = (
        site.lun(1, "16 MiB", "pool_warning = 1"),
        site.lun(2, "16 MiB", "protection = 2"),
        site.lun(3, medium=encrypted),
        site.lun(4, medium=slow, more='io_timeout = 0.1\nio_timeout_policy = "fail"'),
        site.lun(5, medium=ram, more="removable = true"),
        site.lun(6, medium=slow, more='io_timeout = 0.1\nio_timeout_policy = "busy"\nprotection = 1'),
    )
    shared = "".join(
        f'[[target.shared_lun]]\nnumber = {number}\ntarget = "{IQN}"\nlun = {lun}\n' for number, lun in SHARED.items()
    )
    site.write(_target(IQN, {ports[0]: 1, ports[1]: 2}, *luns))
    site.write(_target(OTHER, {ports[2]: 3}, site.lun(9, "16 MiB"), shared), "b.toml")
    site.start()


def _target(name: str, tags: dict[int, int], *luns: str) -> str:
    groups = "".join(
        f'[[target.port_group]]\ntag = {tag}\nportals = ["127.0.0.1:{port}"]\nexplicit = true\n'
        for port, tag in tags.items()
    )
    return f'[[target]]\nname = "{name}"\n{groups}[target.access]\nanyone = true\n{"".join(luns)}'


class Rogue(Initiator):
    """unanswered: tags of commands. mute: of those whose data it keeps to itself. answers: to all else it has asked."""

    def begin(self, key: int) -> Rogue:
        self.login()
        self.key = key
        self.luns = [1, 2, 3, 4, 5, 6] if self.target == IQN else [9, *SHARED]
        self.unanswered: set[int] = set()
        self.mute: set[int] = set()
        self.answers: dict[int, Pdu] = {}
        self.leaving = False
        return self

    def send_command(self, cdb: bytes, lun: int, expected: int, flags: int, data: bytes = b"") -> int:
        longer = b"" if len(cdb) <= 16 else struct.pack(">HBx", len(cdb) - 15, 1) + cdb[16:]
        if self.agreed["ImmediateData"] == "No":
            data = b""
        tag = self.command_pdu(cdb[:16], lun, expected, flags, data, ahs=longer)
        self.unanswered.add(tag)
        return tag

    def take(self, pdu: Pdu, chance: random.Random) -> None:
        if pdu.opcode == 0x31:
            if self.leaving or pdu.itt in self.mute or (self.key and chance.random() < 0.03):
                self.mute.add(pdu.itt)
            else:
                self._serve(pdu, bytes(pdu.word(40) + pdu.word(44)), 8192)
        elif pdu.opcode == 0x21 or (pdu.opcode == 0x25 and pdu.flags & 1):
            self.unanswered.discard(pdu.itt)
            assert pdu.data[14:16] != b"\x44\0" or pdu.opcode == 0x25, "an error of our own"
        elif pdu.opcode in (0x20, 0x22, 0x26):
            self.answers[pdu.itt] = pdu
        else:
            assert pdu.opcode in (0x25, 0x32), f"{pdu.opcode:02X}h"

    def whole(self) -> bool:
        """Whether a whole PDU has come."""
        size = int.from_bytes(self._buffer[5:8], "big")
        return len(self._buffer) >= 48 and len(self._buffer) >= 48 + size + -size % 4


class Riot:
    """Five of them, and a sixth now and then that puts things in order."""

    def __init__(self, ports: tuple[int, int, int], seed: int) -> None:
        self.chance = random.Random(seed)
        self.ways = [(ports[0], IQN), (ports[1], IQN), (ports[2], OTHER)]
        self.everyone: list[Rogue] = []
        with Rogue(("127.0.0.1", ports[0]), IQN, "iqn.2026-11.org.test:r0").begin(0) as first:
            rows = {lun: rows_of(first, lun) for lun in first.luns}
        self.rows: dict[int, list[Row]] = rows | {9: rows[1]} | {lun: rows[of] for lun, of in SHARED.items()}
        for key in range(1, 6):
            self.come(key)

    def come(self, key: int) -> Rogue:
        """key: which of them, also its reservation key; 0 for who heals."""
        chance = self.chance
        port, target = chance.choice(self.ways)
        keys = {name: chance.choice(("Yes", "No")) for name in ("InitialR2T", "ImmediateData")}
        keys["MaxOutstandingR2T"] = "4"
        name, isid = f"iqn.2026-11.org.test:r{key}", 0x80_00_00_01_00_00 + chance.randrange(2)
        rogue = Rogue(("127.0.0.1", port), target, name, isid, keys=keys, timeout=PATIENCE).begin(key)
        self.everyone.append(rogue)
        return rogue

    def go(self, rogue: Rogue) -> None:
        self.everyone.remove(rogue)
        rogue.close()

    def pump(self, until: Callable[[], bool]) -> None:
        """Everybody is served until it is so."""
        end = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < end, "no answer"
            ready = select.select([rogue.sock for rogue in self.everyone], [], [], 0.05)[0]
            for rogue in self.everyone:
                if rogue.sock in ready:
                    more = rogue.sock.recv(1 << 20)
                    assert more, "a connection was closed"
                    rogue._buffer += more
                while rogue.whole():
                    rogue.take(rogue.receive(), self.chance)

    def ask(self, rogue: Rogue, tag: int) -> None:
        self.pump(lambda: tag in rogue.answers)

    def do(self, rogue: Rogue, cdb: bytes, lun: int, data: bytes = b"") -> None:
        tag = rogue.send_command(cdb, lun, len(data), 0xA0 if data else 0x80, data)
        self.pump(lambda: tag not in rogue.unanswered)

    def manage(self, rogue: Rogue, function: int, lun: int) -> None:
        tag, referenced = rogue.next_itt(), min(rogue.unanswered, default=0xFFFFFFFF)
        words = (lun << 48, tag, referenced, rogue.cmd_sn, rogue.exp_stat_sn, 0)
        rogue.send(struct.pack(">BB6xQIIIII12x", 0x42, 0x80 | function, *words))
        self.ask(rogue, tag)

    def any_cdb(self, lun: int) -> bytes:
        """Within the usage mask; what takes the disk away for long, or more than a nexus can be told, but seldom."""
        chance = self.chance
        opcode, action, usage = chance.choice(self.rows[lun])
        if opcode in (0x04, 0x1B, 0x1D, 0x48, 0xA4) and chance.random() < 0.95:
            return self.any_cdb(lun)
        return clear_control(cdb_within(chance, opcode, action, usage, VALUES))

    def burst(self, rogue: Rogue) -> None:
        chance = self.chance
        for _ in range(chance.randrange(1, 24)):
            lun, what = chance.choice(rogue.luns), chance.random()
            blocks, attribute = chance.choice((1, 8, 64, 255)), chance.choice((1, 1, 1, 2, 3))
            if what < 0.35:
                rogue.send_command(read10(chance.randrange(1024), blocks), lun, blocks << 9, 0xC0 | attribute)
            elif what < 0.7:
                cdb = write10(chance.randrange(1024), blocks, chance.random() < 0.2)
                rogue.send_command(cdb, lun, blocks << 9, 0xA0 | attribute, bytes(512))
            elif what < 0.8:
                cdb, data = reserving(self.chance, rogue.key, range(1, 6))
                rogue.send_command(cdb, lun, len(data), 0xA0, data)
            else:
                length = chance.choice(LENGTHS)
                data = chance.choice(CONTENTS)(length)[: chance.choice((0, 24, 512, 8192))]
                flags = 0x80 | (chance.choice((0x40, 0x20)) if length else 0)
                rogue.send_command(self.any_cdb(lun), lun, length, flags | attribute, data if flags & 0x20 else b"")

    def round(self) -> None:
        chance = self.chance
        rogue = chance.choice(self.everyone)
        self.burst(rogue)
        what = chance.randrange(12)
        if what < 2:
            self.go(rogue)
            self.come(rogue.key)
        elif what == 2:
            rogue.leaving = True
            tag = rogue.next_itt()
            words = (tag, 0, rogue.cmd_sn, rogue.exp_stat_sn)
            rogue.send(struct.pack(">BB14xIH2xII16x", 0x46, 0x80, *words))
            self.ask(rogue, tag)
            self.go(rogue)
            self.come(rogue.key)
        elif what < 8:
            self.manage(rogue, MANAGEMENT[what - 3], chance.choice(rogue.luns))
        elif what == 8:
            self.heal()
        elif what < 11:
            self.ask(rogue, rogue.nop(b"x"))

    def heal(self) -> None:
        """What waits for data that never comes is gone; so are reservations, and what was stopped runs."""
        for rogue in [rogue for rogue in self.everyone if rogue.mute]:
            self.go(rogue)
            self.come(rogue.key)
        healer = self.come(0)
        for lun in healer.luns:
            self.manage(healer, LUN_RESET, lun)
            for cdb in (TEST_UNIT_READY, TEST_UNIT_READY, LOAD, START):
                self.do(healer, cdb, lun)
            for cdb, data in (out(IGNORE, 0, 9), out(CLEAR, 9)):
                self.do(healer, cdb, lun, data)
        self.go(healer)


def test_nothing_is_left_behind(site: Site) -> None:
    ports = (site.port, free_port(), free_port())
    serve(site, ports)
    riot = Riot(ports, seed=5)
    for _ in range(ROUNDS):
        riot.round()
    for way in riot.ways:
        riot.ways = [way]
        riot.heal()
    assert eventually(lambda: site.status()["counters"]["buffer_bytes"] <= 4096 * len(riot.everyone))
    for rogue in list(riot.everyone):
        riot.go(rogue)
    assert eventually(lambda: site.status()["counters"]["buffer_bytes"] == 0)
    status = site.status()
    assert status["counters"]["callback_failures"] == 0
    luns = [lun for target in status["targets"] for lun in target["luns"]]
    assert [(lun["state"], lun["counters"]["faults"]) for lun in luns] == [("online", 0)] * 7
    assert all(worker["restarts"] == 0 and memory(worker["pid"]) < MOST_MEMORY for worker in status["workers"])
    with Rogue(("127.0.0.1", ports[0]), IQN, "iqn.2026-11.org.test:last").begin(0) as last:
        for lun in last.luns:
            assert eventually(lambda lun=lun: last.write(write10(0, 1), b"x" * 512, lun=lun).status == 0)
            assert eventually(lambda lun=lun: last.read(read10(0, 1), 512, lun=lun).data == b"x" * 512)
    assert "Traceback" not in site.log
