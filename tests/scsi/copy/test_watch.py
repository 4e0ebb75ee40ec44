"""tgtd.scsi.copy.watch: what a command may change, by its CDB."""

from __future__ import annotations

import pytest

from tests.scsi.copy.copying import Pair
from tests.scsi.workbench import cdb10, cdb12, cdb16
from tgtd.scsi.copy.watch import watched, written
from tgtd.scsi.spc.opcodes import rows_of


@pytest.mark.parametrize(
    ("cdb", "blocks"),
    [
        (bytes((0x0A, 0, 0, 5, 0, 0)), (5, 256)),
        (cdb10(0x2A, 7, 3), (7, 3)),
        (cdb12(0xAA, 7, 3), (7, 3)),
        (cdb16(0x8A, 1 << 40, 3), (1 << 40, 3)),
        (cdb16(0x93, 1, 2), (1, 2)),
        (cdb10(0x42, 0, 24), (0, 1 << 64)),
        (cdb16(0x89, 1, 2), (0, 1 << 64)),
        (bytes((0x04, 0, 0, 0, 0, 0)), (0, 1 << 64)),
    ],
)
def test_written(cdb: bytes, blocks: tuple[int, int]) -> None:
    assert written(cdb.ljust(16, b"\0")) == blocks


def test_only_what_writes_is_replaced() -> None:
    disk = Pair().first
    before = {(row.opcode, row.action): row for row in rows_of(disk)}
    disk.ops = watched(disk.ops)
    for row in rows_of(disk):
        old = before[row.opcode, row.action]
        assert (row is old) is not row.writes
        assert (row.name, row.usage, row.reservation) == (old.name, old.usage, old.reservation)
