"""tgtd.scsi.spc.opcodes: what is reported is what the table has, and nothing else is performed."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.access import PortGroup
from tgtd.scsi.command import Command
from tgtd.scsi.sbc.protection.rows import for_type_2
from tgtd.scsi.spc.opcodes import rows_of

KINDS: dict[str, dict[str, Any] | None] = {
    "disk": {},
    "thick": {"thin": False},
    "removable": {"removable": True},
    "controller": None,
    "grouped": {},
}


def make(kind: str) -> Bench:
    bench = Bench()
    settings = KINDS[kind]
    if settings is not None:
        bench.disk(**settings)
    if kind == "grouped":
        bench.target.regroup((PortGroup(1, explicit=True),))
    bench.ready()
    return bench


def report(option: int, opcode: int = 0, action: int = 0, timeouts: bool = False, length: int = 1 << 16) -> bytes:
    return struct.pack(">BBBBHIxB", 0xA3, 0x0C, timeouts << 7 | option, opcode, action, length, 0)


def rows(kind: str) -> list[Command]:
    return list(rows_of(make(kind).itl().lu))


CASES = [pytest.param(kind, row, id=f"{kind}-{row.name}") for kind in KINDS for row in rows(kind)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("timeouts", [False, True])
def test_all_commands(kind: str, timeouts: bool) -> None:
    bench = make(kind)
    data = bench.good(report(0, timeouts=timeouts))
    assert struct.unpack_from(">I", data)[0] == len(data) - 4
    size = 20 if timeouts else 8
    found = []
    for at in range(4, len(data), size):
        opcode, action, flags, length = struct.unpack_from(">BxHxBH", data, at)
        found.append((opcode, action if flags & 1 else None, length))
        assert bool(flags & 2) is timeouts
        if timeouts:
            assert struct.unpack_from(">H", data, at + 8)[0] == 10
    expected = [(row.opcode, row.action, len(row.usage)) for row in rows(kind)]
    assert found == expected


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_one_command_is_its_row(kind: str, row: Command) -> None:
    bench = make(kind)
    option = 1 if row.action is None else 2
    for choice in (option, 3):
        data = bench.good(report(choice, row.opcode, row.action or 0))
        assert data == b"\0\x03" + len(row.usage).to_bytes(2, "big") + row.usage
    with_times = bench.good(report(option, row.opcode, row.action or 0, timeouts=True))
    assert with_times[1] == 0x83
    assert struct.unpack_from(">HxBII", with_times, 4 + len(row.usage)) == (10, 0, 0, row.timeout)
    wrong = bench.run(report(3 - option, row.opcode, row.action or 0))
    assert pointer_of(wrong) == (True, 3, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_in_the_table(kind: str) -> None:
    bench = make(kind)
    known = {row.opcode for row in rows(kind)}
    for opcode in range(256):
        if opcode in known:
            continue
        assert bench.good(report(1, opcode)) == b"\0\x01\0\0"
        assert bench.good(report(2, opcode)) == b"\0\x01\0\0"
        assert sense_of(bench.run(bytes((opcode,)))) == (5, 0x20, 0)
    assert bench.good(report(2, 0xA3, 0x1F)) == b"\0\x01\0\0"
    assert bench.good(report(3, 0xA3, 0x1F)) == b"\0\x01\0\0"
    assert bench.good(report(3, 0x12, 1)) == b"\0\x01\0\0"


def test_reserved_reporting_option() -> None:
    assert pointer_of(make("disk").run(report(4))) == (True, 2, 2)


def bare(opcode: int, action: int | None) -> bytes:
    if opcode == 0x7F:
        return struct.pack(">B6xBH22x", opcode, 0x18, action)
    return bytes((opcode, action or 0)).ljust(16, b"\0")


def names_it(row: Command, byte: int, bit: int) -> bool:
    """Whether another command, or none, would be meant with this bit."""
    if row.opcode == 0x7F:
        return byte in (7, 8, 9)
    return row.action is not None and byte == 1 and bit < 5


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_every_reserved_bit_is_refused(kind: str, row: Command) -> None:
    """Each bit that the usage mask has not, alone, with the pointer aiming at it."""
    bench = make(kind)
    for byte in range(1, len(row.usage)):
        for bit in range(8):
            if row.usage[byte] >> bit & 1 or names_it(row, byte, bit) or (row.lun_bits and byte == 1 and bit > 4):
                continue
            cdb = bytearray(bare(row.opcode, row.action))
            cdb[byte] |= 1 << bit
            task = bench.run(bytes(cdb))
            assert sense_of(task) == (5, 0x24, 0), (byte, bit)
            assert pointer_of(task) == (True, byte, bit)


@pytest.mark.parametrize("kind", KINDS)
def test_service_actions_that_are_not_there(kind: str) -> None:
    bench = make(kind)
    actions: dict[int, set[int]] = {}
    for row in rows(kind):
        if row.action is not None:
            actions.setdefault(row.opcode, set()).add(row.action)
    for opcode, known in actions.items():
        for action in set(range(32)) - known:
            if opcode == 0x7F and for_type_2(bare(opcode, action)):
                continue
            task = bench.run(bare(opcode, action))
            assert sense_of(task) == (5, 0x24, 0)
            assert pointer_of(task) == ((True, 8, 7) if opcode == 0x7F else (True, 1, 4))


def test_hidden_commands_come_and_go() -> None:
    names = {kind: {row.name for row in rows(kind)} for kind in KINDS}
    assert names["disk"] - names["thick"] == {
        "UNMAP",
        "GET LBA STATUS(16)",
        "GET LBA STATUS(32)",
        "SANITIZE (BLOCK ERASE)",
    }
    assert names["removable"] - names["disk"] == {"PREVENT ALLOW MEDIUM REMOVAL"}
