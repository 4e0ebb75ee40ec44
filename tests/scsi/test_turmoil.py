"""Everything at once, in any order: commands of all kinds, copies, aborts, resets, lost nexuses, edits, media and
devices that fail, come and go, and stores that take their time. Each task ends once, and nothing is left behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.scsi.chance import cdb_within, clear_control, reserving
from tests.scsi.copy.copying import OTHER, SOURCE, Pair, abort, cscd, move, narrow, wide
from tests.scsi.copy.copying import out as extended_copy
from tests.scsi.copy.test_handover import Able
from tests.scsi.copy.test_rods import populate, tell, write
from tests.scsi.passthrough.stand_in import StandIn
from tests.scsi.reserving import SlowStore
from tests.scsi.spc.test_keeping import SlowMemory
from tests.scsi.test_keyed import Locked
from tests.scsi.workbench import IDENTITY, Anchoring, Pooled, cdb10, encode_lun
from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.access import PortGroup
from tgtd.scsi.layer import bottom
from tgtd.scsi.passthrough.device import Passthrough, PassthroughSettings
from tgtd.scsi.passthrough.exchange import DeviceReply
from tgtd.scsi.reservation.state import EMPTY
from tgtd.scsi.room import Room
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room
from tgtd.scsi.sense import BUSY, Refused
from tgtd.scsi.spc.opcodes import rows_of
from tgtd.scsi.stall import Stall
from tgtd.scsi.target import TaskManagement
from tgtd.scsi.task import SIMPLE, Task

CASES = 120
SIZE = 1 << 20
NODES = "abcd"
VALUES = (0, 0, 0, 1, 2, 8, 24, 0xFF)
SENSES = tuple(map(bytes.fromhex, ("", "70", "70000600000000", "700006000000000a00000000290000000000", "7206")))
PASSED = 3
"""The LUN of the passthrough."""


class Moody(Pooled, Anchoring):
    """A volatile medium that does things at once, or not."""

    volatile = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(SIZE)
        self.chance = chance

    def read_now(self, offset: int, into: memoryview) -> bool:
        return self.chance.random() < 0.5 and super().read_now(offset, into)

    def write_now(self, offset: int, data: Any) -> bool:
        return self.chance.random() < 0.5 and super().write_now(offset, data)


class Turmoil(Pair):
    """LUNs 0 to 2 are disks, LUN 3 is a passthrough."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(seed)
        self.ended: set[Task] = set()
        self.kept: list[Task] = []
        self.started: list[Task] = []
        super().__init__(SIZE)
        for number in (0, 1):
            self.target.remove_lun(number)
        settings = {"removable": chance.random() < 0.5, "pool_warning": chance.choice((0, 50, 90))}
        kinds = [*chance.sample(list(self.media()), 2), RamMedium(SIZE)]
        self.disks = [
            self.another(number, medium, write_cache=chance.random() < 0.7, **settings)
            for number, medium in enumerate(kinds)
        ]
        self.real = StandIn()
        self.passed = Passthrough(IDENTITY, self.pool, self.lane, PassthroughSettings(1))
        self.target.add_lun(PASSED, self.passed)
        self.passed.insert(self.real)
        self.target.regroup((PortGroup(1, explicit=True),))
        self.away: dict[Disk, Any] = {}
        self.tokens = [bytes(512)]
        self.ready(0)
        for cdb, data in (populate((0, 500)), (tell(1), b"")):
            self.start(cdb, data)
            self.lane.drain()
        self.stores, self.memories = [SlowStore() for _ in range(4)], [SlowMemory() for _ in range(4)]
        for unit, store, memory in zip((*self.disks, self.passed), self.stores, self.memories, strict=True):
            unit.reservations.adopt(EMPTY, store)
            unit.remember(memory)
        self.nodes = {name: self.nexus if name == "a" else self.connect(name) for name in NODES}

    def media(self) -> Iterator[Any]:
        chance = self.chance
        failing = (lambda medium: FailingMedium(medium, (), "EIO", 0, None, 0.05, 0)), lambda medium: medium
        yield chance.choice(failing)(Moody(chance))
        yield chance.choice(failing)(Locked(SIZE))
        yield chance.choice(failing)(
            ProtectedMedium(Moody(chance), RamMedium(room(SIZE, 512)), 512, chance.randrange(4))
        )
        yield Able(SIZE)

    def _finished(self, task: Task) -> None:
        assert task not in self.ended, f"done twice: {task.cdb.hex()}"
        self.ended.add(task)
        if task.cdb[:2] == b"\x84\x07" and len(told := bytes(task.data_in or b"")) == 550:
            self.tokens.append(told[38:])
        if self.chance.random() < 0.7:
            task.release()
        else:
            self.kept.append(task)

    def any_cdb(self, lun: int) -> bytes:
        chance = self.chance
        opcode, action, usage = chance.choice(
            [(row.opcode, row.action, row.usage) for row in rows_of(self.disks[lun % PASSED])]
        )
        if opcode in (0x28, 0x2A) and chance.random() < 0.8:
            return cdb10(opcode, chance.randrange(200), chance.choice((1, 8, 64)), chance.choice((0, 8)))
        cdb = cdb_within(chance, opcode, action, usage, VALUES)
        return clear_control(cdb) if chance.random() < 0.98 else bytes(cdb)

    def copying(self) -> tuple[bytes, bytes]:
        chance = self.chance
        here, there, count = (chance.randrange(1500) for _ in range(3))
        parts = (cscd(chance.choice((SOURCE, OTHER))), cscd(OTHER), move(0, 1, count % 400, here, there))
        name = chance.randrange(3)
        return chance.choice(
            (
                extended_copy(0, narrow(*parts, identifier=name)),
                extended_copy(1, wide(*parts, identifier=name, immediate=True)),
                populate((here, count % 400), identifier=name, timeout=chance.choice((0, 1))),
                write(chance.choice(self.tokens), (there, count % 100 + 1), flags=chance.choice((0, 1))),
                (abort(name), b""),
                (tell(name), b""),
            )
        )

    def command(self) -> None:
        chance = self.chance
        node, lun, what = chance.choice(NODES), chance.randrange(PASSED + 1), chance.random()
        length = chance.choice((0, 1, 8, 24, 512, 1024, 4096, 32768))
        cdb, data = self.any_cdb(lun), chance.choice((bytes(length), chance.randbytes(length)))
        if what < 0.2:
            cdb, data = reserving(chance, ord(node), [*map(ord, NODES)])
        elif what < 0.4 and lun < PASSED:
            cdb, data = self.copying()
        itl = self.itl(lun, self.nodes[node])
        while itl.attentions and chance.random() < 0.9:
            itl.take_attention()
        self.tags += 1
        attribute = chance.choice((0, 1, 2, 3)) if chance.random() < 0.2 else SIMPLE
        room = 0 if data and lun == PASSED else chance.choice((0, 512, 4096, 65536))
        task = Task(itl, self.tags, attribute, cdb.ljust(16, b"\0"), room, self._finished)
        task.expected_out = len(data)
        wanted = min(itl.lu.data_out_length(task), len(data))
        if wanted:
            buffer = task.allocate(self.pool, wanted)
            buffer[:] = data[:wanted]
            task.data_out = buffer
        self.started.append(task)
        itl.execute(task)

    def work(self) -> None:
        if self.lane.jobs:
            self.lane.step(self.chance.randrange(min(len(self.lane.jobs), 6)))

    def keep(self) -> None:
        error = OSError(28, "full") if self.chance.random() < 0.1 else None
        store, memory = self.chance.choice(self.stores), self.chance.choice(self.memories)
        if store.asked:
            store.step(error)
        if memory.waiting:
            memory.step(error)

    def manage(self) -> None:
        functions = [one for one in TaskManagement if "QUERY" not in one.name]
        tag = self.chance.choice(self.started).tag if self.started else 0
        node, lun = self.nodes[self.chance.choice(NODES)], self.chance.randrange(PASSED + 1)
        self.target.manage(self.chance.choice(functions), node, encode_lun(lun), tag)

    def leave(self) -> None:
        node = self.chance.choice(NODES)
        self.target.disconnect(self.nodes[node])
        self.nodes[node] = self.connect(node)

    def edit(self) -> None:
        chance, disk = self.chance, self.chance.choice(self.disks)
        what = chance.randrange(7)
        if what == 0:
            if disk in self.away:
                disk.insert(self.away.pop(disk))
            elif (medium := disk.offline()) is not None:
                self.away[disk] = medium
        elif what == 1:
            wishes = {"read_only": 0.3, "write_cache": 0.5, "thin": 0.7}
            changes: dict[str, Any] = {name: chance.random() < odds for name, odds in wishes.items()}
            disk.change(replace(disk.settings, pool_warning=chance.choice((0, 50)), **changes), disk.identity)
        elif what == 2 and disk.medium is not None:
            below = bottom(disk.medium)
            layered = FailingMedium(below, (), "EIO", 0, None, 0.05, 0)  # type: ignore[arg-type]
            disk.relayer(layered if chance.random() < 0.5 else below)  # type: ignore[arg-type]
        elif what == 3:
            disk.stall(Stall(_busy) if chance.random() < 0.5 else None)
            disk.give_up([task for task in disk.tasks if task.busy and chance.random() < 0.5], _busy)
        elif what == 4:
            disk.thresholds.observe(Room(100 << 20, chance.randrange(100) << 20, 0))
        elif what == 5:
            try:
                chance.choice((disk.load, lambda: disk.eject(True)))()
            except ValueError:
                pass
        else:
            self._device()

    def _device(self) -> None:
        chance = self.chance
        if self.passed.medium is None:
            self.passed.insert(self.real)
        elif chance.random() < 0.3:
            self.passed.offline()
        number = chance.choice((0, 0, 5, 16, 19, 110))
        self.real.trouble = OSError(number, "host") if number else None
        if chance.random() < 0.3:
            self.real.replies.append(DeviceReply(chance.choice((0, 2, 8, 0x18, 0x28, 0x40)), chance.choice(SENSES), 0))

    def settle(self) -> None:
        """Until nobody has anything to do any more."""
        while self.lane.jobs or any(one.asked for one in self.stores) or any(one.waiting for one in self.memories):
            self.work()
            self.keep()


def _busy() -> Refused:
    return Refused(BUSY)


@pytest.mark.parametrize("first", range(0, CASES, CASES // 4))
def test_nothing_is_left_behind(first: int) -> None:
    for seed in range(first, first + CASES // 4):
        turmoil = Turmoil(seed)
        chance = turmoil.chance
        for _ in range(chance.randrange(20, 120)):
            odds = {turmoil.command: 8, turmoil.work: 9, turmoil.keep: 2, turmoil.manage: 2, turmoil.edit: 1}
            chance.choices([*odds, turmoil.leave], [*odds.values(), 0.5])[0]()
        for disk in turmoil.disks:
            disk.stall(None)
        turmoil.settle()
        for number in range(PASSED + 1):  # ends an ACA, and what waits for its end; what WRITE BUFFER has kept
            turmoil.target.manage(TaskManagement.LOGICAL_UNIT_RESET, turmoil.nexus, encode_lun(number))
        turmoil.settle()
        assert [task.cdb.hex() for task in turmoil.started if task not in turmoil.ended] == [], seed
        for task in turmoil.kept:
            task.release()
        units = (*turmoil.disks, turmoil.passed)
        assert [unit.faults for unit in units] == [0] * 4, seed
        assert [len(unit.tasks) for unit in units] == [0] * 4, seed
        assert not any(disk.turns.closed for disk in turmoil.disks), seed
        assert (turmoil.target.office.jobs, turmoil.pool.used) == (0, 0), seed
