"""Every bit of every CDB that a row's usage mask lacks: refused where it stands, and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.scsi.reserving import FULL_STATUS, REGISTER, out, read
from tests.scsi.test_keyed import Locked
from tests.scsi.workbench import CHECK_CONDITION, Bench, Pooled, cdb10, pointer_of, sense_of
from tgtd.scsi.access import PortGroup
from tgtd.scsi.command import Command
from tgtd.scsi.sbc.commands import ROWS as ALL_ROWS
from tgtd.scsi.spc.opcodes import rows_of

INVALID_FIELD = (0x5, 0x24, 0x00)
BLOCKS = 64

LOOKS = (
    bytes(6),
    cdb10(0x28, 0, BLOCKS),
    bytes((0x9E, 0x12)) + bytes(10) + bytes((4, 0, 0, 0)),
    bytes((0x5A, 0, 0x3F, 0xFF, 0, 0, 0, 0x10, 0, 0)),
    read(FULL_STATUS),
    bytes((0x37, 0, 0x0B, 0, 0, 0, 0, 0x10, 0, 0)),
    bytes((0x03, 0, 0, 0, 252, 0)),
)

UNITS: dict[str, dict[str, Any] | None] = {
    "thin": {"removable": True, "pool_warning": 90},
    "full": {"thin": False},
    "type-1": {"kind": 1},
    "type-2": {"kind": 2, "removable": True},
    "full-type-2": {"kind": 2, "thin": False},
    "encrypted": {"medium": Locked},
    "controller": None,
}
"""Settings of a disk at LUN 0, kind being its protection type, medium what it is on; None: the controller that is there
without one.
Together they have every row."""


class Furnished(Bench):
    """A unit with data on it, a registration, and a second nexus, `other`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        settings = UNITS[kind]
        if settings is not None and "kind" in settings:
            self.protected(**settings)
        elif settings is not None:
            medium = settings.get("medium", Pooled)
            self.disk(medium(1 << 20), **{key: value for key, value in settings.items() if key != "medium"})
        self.target.regroup((PortGroup(1, explicit=True),))
        self.other = self.connect("other")
        self.ready(0)
        self.ready(0, nexus=self.other)
        if settings is not None:
            self.good(cdb10(0x2A, 0, BLOCKS), bytes(range(256)) * 2 * BLOCKS)
            self.good(*out(REGISTER, 0, 1))

    def state(self) -> list[bytes]:
        """What others see: readiness, data, provisioning, mode pages, reservations, defects."""
        seen = []
        for cdb in LOOKS:
            task = self.run(cdb, nexus=self.other)
            seen.append(bytes((task.status,)) + task.sense + bytes(task.data_in or b""))
        return seen


def rows() -> Iterator[tuple[str, Command]]:
    """Each row once, with the first unit that has it."""
    seen: set[Command] = set()
    for kind in UNITS:
        for row in rows_of(Furnished(kind).itl().lu):
            if row not in seen:
                seen.add(row)
                yield kind, row


def plain(row: Command) -> bytearray:
    """Operation code and service action, and nothing else."""
    cdb = bytearray(len(row.usage))
    cdb[0] = row.opcode
    if row.opcode == 0x7F:
        cdb[7:10] = row.usage[7:10]
    elif row.action is not None:
        cdb[1] = row.action
    return cdb


def reserved(row: Command) -> Iterator[tuple[int, int]]:
    """(byte, bit) of every bit that is none of the operation code, the service action or a field."""
    for byte in range(1, len(row.usage)):
        known = row.usage[byte]
        if row.action is not None and row.opcode == 0x7F and byte in (7, 8, 9):
            known = 0xFF
        elif row.action is not None and row.opcode != 0x7F and byte == 1:
            known |= 0x1F
        if row.lun_bits and byte == 1:
            known |= 0xE0
        yield from ((byte, bit) for bit in range(8) if not known >> bit & 1)


ROWS = list(rows())


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{row.name}-{kind}" for kind, row in ROWS])
def test_reserved_bits(kind: str, row: Command) -> None:
    bench = Furnished(kind)
    before = bench.state()
    for byte, bit in reserved(row):
        cdb = plain(row)
        cdb[byte] |= 1 << bit
        task = bench.run(bytes(cdb), bytes(512))
        assert (task.status, sense_of(task)) == (CHECK_CONDITION, INVALID_FIELD), (byte, bit)
        assert pointer_of(task) == (True, byte, bit)
        assert not task.data_in
    assert bench.state() == before
    assert bench.itl().lu.faults == 0


def test_every_row_of_a_disk_is_here() -> None:
    assert {row.name for _, row in ROWS} >= {row.name for row in ALL_ROWS}


def test_each_row_has_fields_of_its_length() -> None:
    """The group code gives the length of a CDB (SPC-5 4.2.5.1); the last byte is CONTROL, of which NACA counts."""
    lengths = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
    for kind, row in ROWS:
        control = 1 if row.opcode == 0x7F else len(row.usage) - 1
        assert len(row.usage) == (32 if row.opcode == 0x7F else lengths[row.opcode >> 5]), row.name
        assert row.usage[0] == row.opcode, row.name
        assert row.usage[control] == (0x00 if kind == "controller" else 0x04), row.name
        if row.action is not None and row.opcode != 0x7F:
            assert row.usage[1] & 0x1F == row.action, row.name
