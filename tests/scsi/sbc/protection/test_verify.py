"""tgtd.scsi.sbc.protection.verify: VERIFY in its three modes, COMPARE AND WRITE."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.protection.cdbs import (
    GUARD,
    READ,
    REFERENCE,
    VERIFY,
    VERIFY_32,
    WRITE,
    WRITE_32,
    block,
    blocks,
    long,
    sixteen,
    ten,
)
from tests.scsi.sbc.protection.test_transfers import make
from tests.scsi.sbc.test_verify import Noting

ALL, ONE = 0x02, 0x06
MISCOMPARE = (0xE, 0x1D, 0)


@pytest.mark.parametrize(("protect", "sense"), [(0, GUARD), (1, GUARD), (2, REFERENCE), (3, None), (4, GUARD)])
def test_readable(protect: int, sense: tuple[int, int, int] | None) -> None:
    bench = make(1)
    bench.good(ten(WRITE, 4, 2, 3), block(1, 4) + block(1, 9, crc=0))
    if sense is None:
        bench.good(ten(VERIFY, 4, 2, protect))
    else:
        assert bench.refused(ten(VERIFY, 4, 2, protect)) == sense
    bench.good(ten(VERIFY, 4, 1, protect))
    bench.good(ten(VERIFY, 100, 9, protect))
    bench.good(ten(VERIFY, 100, 0, protect))


def test_compared() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 4, 2, 1), blocks(1, 4, 2, 7))
    bench.good(ten(VERIFY, 4, 2, 1, ALL), blocks(1, 4, 2, 9))
    assert bench.refused(ten(VERIFY, 4, 2, 1, ALL), blocks(2, 4, 2)) == MISCOMPARE
    assert bench.refused(ten(VERIFY, 4, 2, 1, ALL), blocks(1, 5, 2)) == REFERENCE
    assert bench.refused(ten(VERIFY, 4, 2, 3, ALL), blocks(1, 5, 2)) == (0xE, 0x10, 3)
    assert bench.refused(ten(VERIFY, 4, 1, 3, ALL), block(1, 4, crc=1)) == (0xE, 0x10, 1)
    bench.good(ten(VERIFY, 4, 2, 0, ALL), b"\1" * 1024)
    assert bench.refused(ten(VERIFY, 4, 2, 0, ALL), b"\2" * 1024) == MISCOMPARE
    bench.good(ten(VERIFY, 4, 2, 5, ALL), blocks(1, 4, 2))


def test_one_block_for_all() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 4, 3, 1), blocks(1, 4, 3))
    bench.good(ten(VERIFY, 4, 3, 1, ONE), block(1, 4))
    assert bench.refused(ten(VERIFY, 4, 3, 1, ONE), block(1, 5)) == REFERENCE
    assert bench.refused(ten(VERIFY, 4, 4, 1, ONE), block(1, 4)) == MISCOMPARE
    assert bench.refused(ten(VERIFY, 4, 3, 1, ONE), b"") == (5, 0x1A, 0)
    bench = make(3)
    bench.good(ten(WRITE, 4, 3, 1), block(1, 9) * 3)
    bench.good(ten(VERIFY, 4, 3, 1, ONE), block(1, 9))


def test_long() -> None:
    bench = make(2)
    bench.good(long(WRITE_32, 4, 3, 1, reference=50), blocks(1, 50, 3))
    bench.good(long(VERIFY_32, 4, 3, 1, reference=50))
    assert bench.refused(long(VERIFY_32, 4, 3, 1, reference=51)) == REFERENCE
    assert bench.refused(long(VERIFY_32, 4, 3, 0, reference=51)) == REFERENCE
    bench.good(long(VERIFY_32, 4, 3, 1, ALL, reference=50), blocks(1, 50, 3))
    bench.good(long(VERIFY_32, 4, 3, 0, ALL, reference=50), b"\1" * 1536)
    bench.good(long(VERIFY_32, 4, 3, 1, ONE, reference=50), block(1, 50))
    bench.good(long(VERIFY_32, 4, 3, 0, ONE, reference=50), b"\1" * 512)
    assert bench.refused(long(VERIFY_32, 4, 3, 1, 4)) == (5, 0x24, 0)


def test_compare_and_write() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 4, 1, 1), block(1, 4, 7))
    cdb = sixteen(0x89, 4, 0, 1)[:13] + b"\1\0\0"
    bench.good(cdb, block(1, 4, 7) + block(2, 4, 8))
    assert bench.good(ten(READ, 4, 1, 1)) == block(2, 4, 8)
    assert bench.refused(cdb, block(1, 4) + block(3, 4)) == MISCOMPARE
    assert bench.refused(cdb, block(2, 4) + block(3, 5)) == REFERENCE
    assert bench.refused(cdb, block(2, 5) + block(3, 4)) == REFERENCE
    assert bench.good(ten(READ, 4, 1, 1)) == block(2, 4, 8)
    assert bench.refused(cdb, bytes(1024)) == (5, 0x24, 0)
    bench.good(cdb[:1] + b"\0" + cdb[2:], b"\2" * 512 + b"\3" * 512)
    assert bench.good(ten(READ, 4, 1, 1)) == block(3, 4)


@pytest.mark.parametrize("lenient", [True, False])
def test_blocks_are_read_even_where_nothing_is_checked(lenient: bool) -> None:
    """DPICZ spares the checks, not the medium."""
    bench = make(2)
    bench.itl().lu.policy.lenient = lenient  # type: ignore[attr-defined]
    bench.good(long(VERIFY_32, 4, 3))
    bench.good(sixteen(0x9F, 5, 0)[:1] + b"\x51" + sixteen(0x9F, 5, 0)[2:])
    assert bench.refused(long(VERIFY_32, 4, 3)) == (3, 0x11, 0x14)


@pytest.mark.parametrize(
    ("flags", "data"), [(0, None), (ALL, b"\1" * 1024), (ONE, b"\1" * 512)], ids=["read", "compared", "one for all"]
)
def test_the_cache_goes_to_the_medium_first(flags: int, data: bytes | None) -> None:
    medium = Noting(1 << 20)
    bench = make(2, below=medium)
    bench.good(ten(WRITE, 4, 2), b"\1" * 1024)
    bench.good(long(VERIFY_32, 4, 2, flags=flags, reference=4), data)
    assert medium.log == ["flush", "read"]
