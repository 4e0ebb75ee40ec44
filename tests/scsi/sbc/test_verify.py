"""tgtd.scsi.sbc.verify: VERIFY of each size and BYTCHK."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scsi.workbench import Bench, cdb10, cdb12, cdb16, pointer_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.verify import offset_of_difference
from tgtd.scsi.sense import MISCOMPARE_DURING_VERIFY

PATTERN = bytes(i * 13 & 0xFF for i in range(512 * 1024))


def make() -> Bench:
    bench = Bench()
    medium = RamMedium(1 << 20)
    medium.write(0, PATTERN, True)
    bench.disk(medium)
    bench.ready()
    return bench


SHAPES = {
    "10": lambda lba, n, f: cdb10(0x2F, lba, n, f),
    "12": lambda lba, n, f: cdb12(0xAF, lba, n, f),
    "16": lambda lba, n, f: cdb16(0x8F, lba, n, f),
}


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize(("lba", "count"), [(0, 1), (5, 1000), (2047, 1), (3, 0)])
def test_readable(size: str, lba: int, count: int) -> None:
    bench = make()
    bench.good(SHAPES[size](lba, count, 0))
    assert bench.task(SHAPES[size](lba, count, 0)).wanted_out == 0


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("wrong", [None, 0, 512 * 600 - 1])
def test_all_blocks(size: str, wrong: int | None) -> None:
    bench = make()
    data = bytearray(PATTERN[512 : 512 + 512 * 600])
    if wrong is None:
        bench.good(SHAPES[size](1, 600, 2), bytes(data))
        return
    data[wrong] ^= 1
    assert bench.refused(SHAPES[size](1, 600, 2), bytes(data)) == MISCOMPARE_DURING_VERIFY[:3]


@pytest.mark.parametrize("size", SHAPES)
def test_one_block_against_each(size: str) -> None:
    bench = make()
    bench.good(SHAPES[size](1500, 500, 6), bytes(512))
    assert bench.refused(SHAPES[size](1500, 500, 6), b"\1" + bytes(511)) == MISCOMPARE_DURING_VERIFY[:3]
    assert bench.refused(SHAPES[size](1023, 2, 6), bytes(512)) == MISCOMPARE_DURING_VERIFY[:3]


@pytest.mark.parametrize("size", SHAPES)
def test_refused(size: str) -> None:
    bench = make()
    assert pointer_of(bench.run(SHAPES[size](0, 1, 4))) == (True, 1, 2)
    assert bench.refused(SHAPES[size](2047, 2, 0)) == (5, 0x21, 0)
    assert bench.refused(SHAPES[size](0, 2, 6), b"") == (5, 0x1A, 0)


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize(("flags", "data"), [(0, None), (2, PATTERN[:512]), (6, PATTERN[:512])])
@pytest.mark.parametrize("cache", [True, False])
def test_the_cache_goes_to_the_medium_first(size: str, flags: int, data: bytes | None, cache: bool) -> None:
    bench = Bench()
    medium = Noting(1 << 20)
    medium.write(0, PATTERN, True)
    bench.disk(medium, write_cache=cache)
    bench.ready()
    bench.good(SHAPES[size](0, 1, flags), data)
    assert medium.log == (["flush", "read"] if cache else ["read"])


class Noting(RamMedium):
    volatile = True

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.log: list[str] = []

    def flush(self) -> None:
        self.log.append("flush")

    def read(self, offset: int, into: memoryview) -> None:
        self.log.append("read")
        super().read(offset, into)


def test_less_arrives_than_the_cdb_says() -> None:
    bench = make()
    bench.good(cdb10(0x2F, 0, 8, 2), PATTERN[:1300])


@given(st.binary(min_size=1, max_size=50), st.data())
def test_offset_of_difference(data: bytes, draw: st.DataObject) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    other = bytearray(data)
    other[at] ^= 0xFF
    assert offset_of_difference(memoryview(data), memoryview(bytes(other))) == at
