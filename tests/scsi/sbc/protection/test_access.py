"""tgtd.scsi.sbc.protection.access: what a CDB says, in every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scsi.sbc.protection.cdbs import long, sixteen, ten
from tests.scsi.workbench import Bench
from tgtd.scsi.sbc.protection.access import access, join, onward, split, steps
from tgtd.scsi.sbc.protection.rules import Rules
from tgtd.scsi.sense import CheckCondition


@pytest.mark.parametrize(
    ("kind", "cdb", "flags", "field"),
    [
        (1, ten(0x28, 5, 3, 1, 0x18), 0x38, 7),
        (1, sixteen(0x88, 5, 3, 1, 0x18), 0x38, 10),
        (1, bytes.fromhex("A838 00000005 00000003 0000"), 0x38, 6),
        (2, long(9, 5, 3, 1, 0x18, 5), 0x38, 28),
    ],
)
def test_every_size(kind: int, cdb: bytes, flags: int, field: int) -> None:
    found = access(Bench().protected(kind), cdb)
    assert (found.lba, found.blocks, found.protect, found.flags, found.field) == (5, 3, 1, flags, field)
    assert found.rules == Rules(kind, False, 5)


def test_expected_tags() -> None:
    disk = Bench().protected(2)
    cdb = long(9, 5, 3, 1, 0, 0xFEDCBA98, 0x1234, 0xFF0F)
    assert access(disk, cdb).rules == Rules(2, False, 0xFEDCBA98, 0x1234, 0)
    disk.policy.own = True
    assert access(disk, cdb).rules == Rules(2, True, 0xFEDCBA98, 0x1234, 0xFF0F)
    assert access(disk, ten(0x28, 5, 3)).rules == Rules(2, True)


@pytest.mark.parametrize(("lba", "count"), [(2048, 0), (2047, 2), ((1 << 64) - 1, 1)])
def test_out_of_range(lba: int, count: int) -> None:
    with pytest.raises(CheckCondition, match="out of range"):
        access(Bench().protected(1), sixteen(0x88, lba, count))


def test_onward() -> None:
    assert onward(Rules(1, False, 0xFFFFFFFF), 2).reference == 1
    assert onward(Rules(2, False), 2) == Rules(2, False)
    assert onward(Rules(3, False, 7), 2).reference == 7


@given(st.integers(0, 9000), st.sampled_from([512, 4096]))
def test_steps_cover_the_range(count: int, size: int) -> None:
    parts = list(steps(size, count))
    assert sum(blocks for _, blocks in parts) == count
    assert all(0 < blocks * size <= 1 << 20 for _, blocks in parts)
    assert [first for first, _ in parts] == list(range(0, count, (1 << 20) // size))


@given(st.binary(min_size=512 * 3, max_size=512 * 3), st.binary(min_size=24, max_size=24))
def test_join_and_split(data: bytes, information: bytes) -> None:
    into = memoryview(bytearray(3 * 520))
    join(512, memoryview(data), information, into)
    assert bytes(into[512:520]) == information[:8]
    assert bytes(into[520:1032]) == data[512:1024]
    assert split(512, into) == (data, information)
