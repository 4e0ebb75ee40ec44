"""tgtd.scsi.passthrough.classes: a row for each operation code, with its class of reservation."""

from __future__ import annotations

import pytest

from tgtd.scsi.passthrough.classes import passing
from tgtd.scsi.reservation.types import CLASSES
from tgtd.scsi.sbc.commands import ROWS


def handler(*_: object) -> int:
    return 0


def kind(disk: bool, cdb: bytes) -> str:
    row = passing(handler, disk)[cdb[0]]
    return row.reservation if isinstance(row.reservation, str) else row.reservation(cdb.ljust(16, b"\0"))


@pytest.mark.parametrize("disk", [False, True])
def test_every_operation_code_has_a_row(disk: bool) -> None:
    rows = passing(handler, disk)
    assert [row.opcode for row in rows] == list(range(256))
    assert {kind(disk, bytes((opcode, 0))) for opcode in range(256)} <= CLASSES
    assert all(row.medium and row.attention for row in rows)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_disk_s_commands_are_as_our_disk_has_them(row: object) -> None:
    from tgtd.scsi.command import Command

    assert isinstance(row, Command)
    cdb = bytes((row.opcode, row.action or 0)).ljust(16, b"\0")
    if row.opcode == 0x7F:
        cdb = bytes((0x7F,)) + bytes(7) + (row.action or 0).to_bytes(2, "big") + bytes(6)
    wanted = row.reservation if isinstance(row.reservation, str) else row.reservation(cdb)
    assert kind(True, cdb) == wanted


@pytest.mark.parametrize(
    ("disk", "cdb", "wanted"),
    [
        (False, b"\x08", "read"),
        (False, b"\x0a", "conflict"),
        (False, b"\x01", "conflict"),
        (False, b"\x05", "allowed"),
        (False, b"\x1b\0\0\0\1", "conflict"),
        (True, b"\x1b\0\0\0\1", "allowed"),
        (True, b"\xc0", "conflict"),
        (True, b"\x9e\x1f", "conflict"),
        (False, b"\xa3\x05", "read"),
    ],
)
def test_what_is_not_listed_conflicts(disk: bool, cdb: bytes, wanted: str) -> None:
    assert kind(disk, cdb) == wanted


def test_only_naca_is_forbidden() -> None:
    for opcode, size in ((0x12, 6), (0x28, 10), (0xA8, 12), (0x88, 16)):
        row = passing(handler, True)[opcode]
        assert row.forbidden == 0x04 << 8 * (16 - size)
    assert passing(handler, True)[0xC5].forbidden == 0
