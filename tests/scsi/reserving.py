"""PERSISTENT RESERVE OUT and IN as initiators send them, for tests."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tests.scsi.workbench import Bench
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.reservation.state import State
from tgtd.scsi.task import Task

REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, IGNORE, MOVE, REPLACE_LOST = range(9)
WE, EA, WE_RO, EA_RO, WE_AR, EA_AR = 1, 3, 5, 6, 7, 8
KEYS, RESERVATION, CAPABILITIES, FULL_STATUS = range(4)
APTPL, ALL_TG_PT, SPEC_I_PT = 0x01, 0x04, 0x08
CONFLICT = 0x18

Sent = tuple[bytes, bytes]


def out(
    action: int, key: int = 0, new_key: int = 0, kind: int = 0, flags: int = 0, ids: bytes | None = None, scope: int = 0
) -> Sent:
    """CDB and parameter list in the basic form; ids: TransportIDs."""
    data = struct.pack(">QQ4xB3x", key, new_key, flags)
    if ids is not None:
        data += struct.pack(">I", len(ids)) + ids
    return struct.pack(">BBB2xIx", 0x5F, action, scope << 4 | kind, len(data)), data


def move(key: int, new_key: int, destination: bytes, port: int = 1, flags: int = 0) -> Sent:
    """REGISTER AND MOVE. flags: 02h UNREG, 01h APTPL."""
    data = struct.pack(">QQxBHI", key, new_key, flags, port, len(destination)) + destination
    return struct.pack(">BBB2xIx", 0x5F, MOVE, 0, len(data)), data


def read(action: int, length: int = 0xFFFF) -> bytes:
    return struct.pack(">BB5xHx", 0x5E, action, length)


class SlowStore:
    """Keeps what is saved when the test says so. kept: every state that was."""

    def __init__(self) -> None:
        self.kept: list[State] = []
        self.asked: list[tuple[State, Callable[[BaseException | None], None]]] = []

    def save(self, state: State, done: Callable[[BaseException | None], None]) -> None:
        self.asked.append((state, done))

    def step(self, error: BaseException | None = None) -> None:
        state, done = self.asked.pop(0)
        if error is None:
            self.kept.append(state)
        done(error)


class Cluster:
    """A disk and initiators a, b, c that have heard its unit attentions; and o, who only observes."""

    def __init__(self, number: int = 0, **settings: Any) -> None:
        self.bench = Bench()
        self.number = number
        self.disk = self.bench.disk(number=number, **settings)
        self.nodes = {"a": self.bench.nexus} | {name: self.bench.connect(name) for name in "bco"}
        for nexus in self.nodes.values():
            self.bench.ready(number, nexus=nexus)

    def run(self, node: str, cdb: bytes, data: bytes | None = None) -> Task:
        return self.bench.run(cdb, data, lun=self.number, nexus=self.nodes[node])

    def status(self, node: str, sent: Sent | bytes) -> int:
        return self.run(node, *sent).status if isinstance(sent, tuple) else self.run(node, sent).status

    def good(self, node: str, *sents: Sent) -> None:
        for sent in sents:
            task = self.run(node, *sent)
            assert task.status == 0, (task.status, task.sense.hex())

    def registered(self, **keys: int) -> Cluster:
        """These nodes with these keys."""
        for node, key in keys.items():
            self.good(node, out(REGISTER, 0, key))
        return self

    def ask(self, action: int) -> tuple[int, bytes]:
        """PRGENERATION, and what follows the header."""
        self.bench.ready(self.number, nexus=self.nexus("o"))
        answer = bytes(self.run("o", read(action)).data_in or b"")
        generation, length = struct.unpack_from(">II", answer)
        assert length == len(answer) - 8
        return generation, answer[8:]

    def keys(self) -> list[int]:
        body = self.ask(KEYS)[1]
        return list(struct.unpack(f">{len(body) // 8}Q", body))

    def held(self) -> tuple[int, int] | None:
        """Key and type of the reservation."""
        body = self.ask(RESERVATION)[1]
        if not body:
            return None
        key, scope_and_type = struct.unpack(">Q5xB2x", body)
        return key, scope_and_type

    def attentions(self, node: str) -> list[str]:
        """What this node would hear, which it does not any more."""
        itl = self.bench.itl(self.number, self.nodes[node])
        return [itl.take_attention().text for _ in list(itl.attentions)]

    def nexus(self, node: str) -> Nexus:
        return self.nodes[node]
