"""tgtd.scsi.sbc.address: LBA and length of each CDB size."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import cdb10, cdb12, cdb16
from tgtd.scsi.sbc.address import EXTENTS, LENGTH_FIELDS, extent


@pytest.mark.parametrize(
    ("cdb", "found"),
    [
        (bytes((0x08, 0xFF, 0x12, 0x34, 5, 0)), (0x1F1234, 5, 4)),
        (bytes((0x08, 0, 0, 0, 0, 0)), (0, 256, 4)),
        (cdb10(0x28, 0xFFFFFFFE, 0xFFFF), (0xFFFFFFFE, 0xFFFF, 7)),
        (cdb10(0x41, 1, 2), (1, 2, 7)),
        (cdb12(0xA8, 7, 0xFFFFFFFF), (7, 0xFFFFFFFF, 6)),
        (cdb16(0x88, (1 << 64) - 1, 9), ((1 << 64) - 1, 9, 10)),
        (bytes.fromhex("7F") + bytes(11) + b"\xff" * 8 + bytes(8) + b"\0\0\1\2", ((1 << 64) - 1, 258, 28)),
    ],
)
def test_extent(cdb: bytes, found: tuple[int, int, int]) -> None:
    assert extent(cdb.ljust(16, b"\0")) == found


def test_each_group_has_both() -> None:
    assert EXTENTS.keys() == LENGTH_FIELDS.keys()
