"""tgtd.scsi.sbc.protection.rows: which disk has which commands."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench
from tgtd.scsi.command import ActionTable, Command
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.read import read_10
from tgtd.scsi.sbc.write import write_10
from tgtd.scsi.spc.opcodes import rows_of

LONG = {
    "READ(32)",
    "WRITE(32)",
    "VERIFY(32)",
    "WRITE AND VERIFY(32)",
    "WRITE SAME(32)",
    "WRITE ATOMIC(32)",
    "WRITE SCATTERED(32)",
}


def row_of(disk: Disk, opcode: int) -> Command:
    row = disk.ops[opcode]
    assert isinstance(row, Command)
    return row


@pytest.mark.parametrize("kind", [None, 0])
def test_without_there_is_nothing_between(kind: int | None) -> None:
    """Whoever does not use it does not pay: the very handlers, of the very medium."""
    bench = Bench()
    disk = bench.disk() if kind is None else bench.protected(kind)
    assert row_of(disk, 0x28).handler is read_10
    assert row_of(disk, 0x2A).handler is write_10
    assert row_of(disk, 0x28).usage[1] == 0x18


@pytest.mark.parametrize(("kind", "long"), [(0, False), (1, False), (2, True), (3, False)])
def test_long_forms(kind: int, long: bool) -> None:
    disk = Bench().protected(kind)
    names = {row.name for row in rows_of(disk) if row.name in LONG}
    assert names == (LONG if long else set())
    table = disk.ops[0x7F]
    assert not long or isinstance(table, ActionTable)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_the_field_is_there(kind: int) -> None:
    disk = Bench().protected(kind)
    for opcode in (
        0x28,
        0xA8,
        0x88,
        0x2A,
        0xAA,
        0x8A,
        0x2E,
        0xAE,
        0x8E,
        0x2F,
        0xAF,
        0x8F,
        0x41,
        0x93,
        0x8B,
        0x89,
        0x9C,
    ):
        assert row_of(disk, opcode).usage[1] & 0xE0 == 0xE0
    table = disk.ops[0x9F]
    assert isinstance(table, ActionTable)
    assert (table.rows[0x12].usage[2], table.rows[0x11].usage[2]) == (0xF8, 0xFF), "WRITE LONG has none"
