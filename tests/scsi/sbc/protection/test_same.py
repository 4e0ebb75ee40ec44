"""tgtd.scsi.sbc.protection.same: one block for many."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.protection.cdbs import (
    READ,
    READ_32,
    REFERENCE,
    SAME,
    SAME_32,
    WRITE,
    block,
    blocks,
    long,
    sixteen,
    ten,
)
from tests.scsi.sbc.protection.test_transfers import make
from tests.scsi.workbench import Anchoring, pointer_of

UNMAP, NDOB, ANCHOR = 0x08, 0x01, 0x10
UNWRITTEN = bytes(512) + b"\xff" * 8


def test_reference_tags_count_up() -> None:
    bench = make(1)
    bench.good(ten(SAME, 4, 2500 - 500, 1), block(1, 4, 5))
    assert bench.good(ten(READ, 4, 2000, 1)) == blocks(1, 4, 2000, 5)
    assert bench.refused(ten(SAME, 4, 2, 1), block(1, 5)) == REFERENCE


def test_not_with_type_3() -> None:
    bench = make(3)
    bench.good(ten(SAME, 4, 3, 1), block(1, 9, 5))
    assert bench.good(ten(READ, 4, 3, 1)) == block(1, 9, 5) * 3


def test_long() -> None:
    bench = make(2)
    bench.good(long(SAME_32, 4, 3, 1, reference=70), block(1, 70))
    assert bench.good(long(READ_32, 4, 3, 1, reference=70)) == blocks(1, 70, 3)
    assert bench.refused(long(SAME_32, 4, 3, 1, reference=71), block(1, 70)) == REFERENCE
    bench.good(long(SAME_32, 4, 3, 0), b"\2" * 512)
    assert bench.good(long(READ_32, 4, 1, 1)) == block(2, -1, 0xFFFF)
    bench.good(long(SAME_32, 4, 3, 1, NDOB), b"")
    assert bench.good(long(READ_32, 4, 1, 1)) == UNWRITTEN


def test_without() -> None:
    bench = make(1)
    bench.good(ten(SAME, 4, 3), b"\1" * 512)
    assert bench.good(ten(READ, 4, 3, 1)) == blocks(1, 4, 3)
    bench.good(ten(SAME, 4, 3), bytes(512))
    assert bench.good(ten(READ, 4, 3, 1)) == blocks(0, 4, 3)


@pytest.mark.parametrize(
    ("cdb", "data"),
    [
        (sixteen(0x93, 4, 3, 0, NDOB), b""),
        (sixteen(0x93, 4, 3, 1, NDOB | UNMAP), b""),
        (sixteen(0x93, 4, 3, 0, UNMAP), bytes(512)),
        (sixteen(0x93, 4, 3, 1, UNMAP), UNWRITTEN),
        (ten(SAME, 4, 3, 1), UNWRITTEN),
    ],
)
@pytest.mark.parametrize("write_cache", [True, False])
def test_blocks_that_are_as_if_never_written(cdb: bytes, data: bytes, write_cache: bool) -> None:
    bench = make(1, write_cache=write_cache)
    bench.good(ten(WRITE, 4, 3, 1), blocks(1, 4, 3))
    bench.good(cdb, data)
    assert bench.good(ten(READ, 4, 3, 1)) == UNWRITTEN * 3


@pytest.mark.parametrize(
    ("kind", "cdb", "data"),
    [
        (1, sixteen(0x93, 4, 3, 0, NDOB | UNMAP | ANCHOR), b""),
        (1, sixteen(0x93, 4, 3, 0, UNMAP | ANCHOR), bytes(512)),
        (1, sixteen(0x93, 4, 3, 1, UNMAP | ANCHOR), UNWRITTEN),
        (1, ten(SAME, 4, 3, 1, UNMAP | ANCHOR), UNWRITTEN),
        (2, long(SAME_32, 4, 3, 0, UNMAP | ANCHOR), bytes(512)),
        (2, long(SAME_32, 4, 3, 1, NDOB | UNMAP | ANCHOR), b""),
    ],
)
def test_space_is_kept(kind: int, cdb: bytes, data: bytes) -> None:
    medium = Anchoring(1 << 20)
    bench = make(kind, below=medium)
    bench.good(ten(WRITE, 4, 3), b"x" * 1536)
    bench.good(cdb, data)
    assert medium.kept == [(2048, 1536)]
    look = ten(READ, 4, 3, 1) if kind == 1 else long(READ_32, 4, 3, 1)
    assert bench.good(look) == UNWRITTEN * 3


@pytest.mark.parametrize(
    ("kind", "cdb", "at"),
    [
        (1, sixteen(0x93, 4, 3, 1, ANCHOR), 1),
        (1, ten(SAME, 4, 3, 1, ANCHOR), 1),
        (2, long(SAME_32, 4, 3, 1, ANCHOR), 10),
    ],
)
def test_anchor_says_nothing_without_unmap(kind: int, cdb: bytes, at: int) -> None:
    bench = make(kind, below=Anchoring(1 << 20))
    assert pointer_of(bench.run(cdb, UNWRITTEN)) == (True, at, 4)
    bench = make(kind)
    assert pointer_of(bench.run(cdb, UNWRITTEN)) == (True, at, 4), "nor where no space is kept"


def test_what_is_wrong() -> None:
    bench = make(1)
    assert bench.refused(ten(SAME, 4, 0, 1), block(1, 4)) == (5, 0x24, 0)
    assert bench.refused(ten(SAME, 4, 1, 1), bytes(512)) == (5, 0x24, 0)
    assert bench.refused(ten(SAME, 2048, 1, 1), block(1, 4)) == (5, 0x21, 0)
    assert bench.refused(sixteen(0x93, 4, 1, 1, NDOB), bytes(512)) == (5, 0x24, 0)


def test_marked_blocks_are_healed() -> None:
    bench = make(1)
    bench.good(ten(0x3F, 4, 0, 2))
    bench.good(sixteen(0x93, 4, 1, 0, NDOB), b"")
    assert bench.good(ten(READ, 4, 1, 1)) == UNWRITTEN
