"""tgtd.scsi.sbc.capacity: READ CAPACITY."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench
from tgtd.media.null import NullMedium
from tgtd.media.ram import RamMedium

TEN = bytes((0x25,)) + bytes(9)


def sixteen(length: int = 32) -> bytes:
    return struct.pack(">BBQIxB", 0x9E, 0x10, 0, length, 0)


@pytest.mark.parametrize(
    ("block", "physical", "exponent"), [(512, 4096, 3), (512, 512, 0), (4096, 4096, 0), (4096, 512, 0)]
)
def test_both(block: int, physical: int, exponent: int) -> None:
    bench = Bench()
    bench.disk(block_size=block, physical_block_size=physical)
    bench.ready()
    last = (1 << 20) // block - 1
    assert struct.unpack(">II", bench.good(TEN)) == (last, block)
    data = bench.good(sixteen())
    assert len(data) == 32
    assert struct.unpack_from(">QI", data) == (last, block)
    assert data[13] == exponent
    assert data[14] == 0xC0, "LBPME and LBPRZ"
    assert bench.good(sixteen(12)) == data[:12]


def test_thick() -> None:
    bench = Bench()
    bench.disk(thin=False)
    bench.disk(NullMedium(1 << 20), number=1)
    bench.ready(0, 1)
    assert bench.good(sixteen())[14] == 0
    assert bench.good(sixteen(), lun=1)[14] == 0, "a medium that cannot discard is not thin"


def test_more_than_32_bits() -> None:
    bench = Bench()
    bench.disk(NullMedium(1 << 50))
    bench.ready()
    assert bench.good(TEN)[:4].hex() == "ffffffff"
    assert struct.unpack_from(">Q", bench.good(sixteen()))[0] == (1 << 41) - 1


def test_a_medium_smaller_than_a_block() -> None:
    bench = Bench()
    bench.disk(RamMedium(100))
    bench.ready()
    assert bench.good(TEN)[:4] == bytes(4)
    assert bench.refused(bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0))) == (5, 0x21, 0)
