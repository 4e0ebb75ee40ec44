"""tgtd.scsi.sbc.provision: UNMAP, WRITE SAME, GET LBA STATUS."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scsi.workbench import Bench, cdb10, cdb16, pointer_of, sense_of
from tgtd.media.null import NullMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_PARAMETER_LIST,
    LBA_OUT_OF_RANGE,
    PARAMETER_LIST_LENGTH_ERROR,
)

FULL = b"\xa5" * (1 << 20)
BLOCK = bytes(range(256)) * 2


class Holes(RamMedium):
    """Memory that says which parts were never written or were discarded, and notes flushes."""

    def __init__(self, size: int, pieces: list[tuple[int, int, bool]] | None = None, zeroes: bool = True) -> None:
        super().__init__(size)
        self.pieces = pieces or [(0, size, True)]
        self.flushes = 0
        self.can_zero = zeroes

    def flush(self) -> None:
        self.flushes += 1

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        for start, size, mapped in self.pieces:
            first, last = max(start, offset), min(start + size, offset + length)
            if first < last:
                yield first, last - first, mapped


class NullThin(NullMedium):
    """Takes UNMAP, of nothing."""

    can_discard = True
    discard_granularity = 4096


def make(medium: RamMedium | None = None, **settings: Any) -> Bench:
    bench = Bench()
    medium = medium or RamMedium(1 << 20)
    medium.write(0, FULL[: medium.size], True)
    bench.disk(medium, **settings)
    bench.ready()
    return bench


def content(bench: Bench, lba: int, count: int) -> bytes:
    return bench.good(cdb10(0x28, lba, count))


def unmap_list(*ranges: tuple[int, int]) -> bytes:
    body = b"".join(struct.pack(">QI4x", lba, count) for lba, count in ranges)
    return struct.pack(">HH4x", len(body) + 6, len(body)) + body


def unmap(parameters: bytes) -> tuple[bytes, bytes]:
    return struct.pack(">B6xHB", 0x42, len(parameters), 0), parameters


def test_unmapped_blocks_read_as_zeros() -> None:
    bench = make()
    bench.good(*unmap(unmap_list((8, 16), (100, 1), (7, 0))))
    assert content(bench, 7, 18) == FULL[:512] + bytes(16 * 512) + FULL[:512]
    assert content(bench, 99, 3) == FULL[:512] + bytes(512) + FULL[:512]


def test_unmap_flushes_without_a_write_cache() -> None:
    for cache in (True, False):
        medium = Holes(1 << 20)
        make(medium, write_cache=cache).good(*unmap(unmap_list((0, 8))))
        assert medium.flushes == (0 if cache else 1)


def test_nothing_is_unmapped_when_one_range_is_wrong() -> None:
    bench = make()
    assert bench.refused(*unmap(unmap_list((0, 8), (2047, 2)))) == LBA_OUT_OF_RANGE[:3]
    assert content(bench, 0, 8) == FULL[:4096]


@pytest.mark.parametrize("parameters", [bytes(7), struct.pack(">HH4x", 22, 16)])
def test_unmap_lists_that_end_too_early(parameters: bytes) -> None:
    assert make().refused(*unmap(parameters)) == PARAMETER_LIST_LENGTH_ERROR[:3]


def test_unmap_lists_that_say_nothing() -> None:
    bench = make()
    bench.good(*unmap(b""))
    bench.good(*unmap(bytes(8)))
    bench.good(*unmap(struct.pack(">HH4x", 21, 15) + bytes(15)))
    assert content(bench, 0, 8) == FULL[:4096]


def test_unmap_limits() -> None:
    bench = Bench()
    bench.disk(NullThin(1 << 32))
    bench.ready()
    bench.good(*unmap(unmap_list((0, 1 << 19), (0, 1 << 19))))
    for ranges, at in (([(0, 1)] * 257, 2), ([(0, 1 << 19), (0, (1 << 19) + 1)], 32)):
        task = bench.run(*unmap(unmap_list(*ranges)))
        assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
        assert pointer_of(task)[:2] == (False, at)


def same(lba: int, count: int, flags: int = 0, sixteen: bool = True) -> bytes:
    return cdb16(0x93, lba, count, flags) if sixteen else cdb10(0x41, lba, count, flags)


@pytest.mark.parametrize("sixteen", [True, False])
@pytest.mark.parametrize("flags", [0, 8])
@pytest.mark.parametrize("zeroes", [True, False])
@pytest.mark.parametrize("block", [BLOCK, bytes(512)])
def test_write_same(sixteen: bool, flags: int, zeroes: bool, block: bytes) -> None:
    bench = make(Holes(1 << 20, zeroes=zeroes))
    bench.good(same(3, 100, flags, sixteen), block)
    assert content(bench, 2, 102) == FULL[:512] + block * 100 + FULL[:512]
    assert bench.pool.used == 0


def test_write_same_without_data() -> None:
    bench = make()
    task = bench.task(same(3, 4, 0x01))
    assert task.wanted_out == 0
    bench.good(same(3, 4, 0x09))
    assert content(bench, 2, 6) == FULL[:512] + bytes(2048) + FULL[:512]


def test_write_same_across_steps() -> None:
    bench = Bench()
    bench.disk(RamMedium(4 << 20), block_size=4096)
    bench.ready()
    bench.good(same(1, 700), BLOCK * 8)
    assert content(bench, 0, 702) == bytes(4096) + BLOCK * 8 * 700 + bytes(4096)


def test_write_same_is_durable_without_a_write_cache() -> None:
    for block in (BLOCK, bytes(512)):
        medium = Holes(1 << 20)
        make(medium, write_cache=False).good(same(0, 8), block)
        assert medium.flushes == 1


def test_write_same_refused() -> None:
    bench = make()
    assert pointer_of(bench.run(same(0, 0), BLOCK)) == (True, 10, None)
    assert pointer_of(bench.run(same(0, 0, sixteen=False), BLOCK)) == (True, 7, None)
    assert bench.refused(same(2040, 9), BLOCK) == LBA_OUT_OF_RANGE[:3]
    for data in (BLOCK[:100], BLOCK * 2, b""):
        assert bench.refused(same(0, 1), data) == (5, 0x24, 0)
    assert bench.refused(same(0, 1, 0x01), BLOCK) == (5, 0x24, 0)
    assert pointer_of(make(thin=False).run(same(0, 1, 8), BLOCK)) == (True, 1, 3)


def status(lba: int, length: int = 1 << 16) -> bytes:
    return struct.pack(">BBQIBB", 0x9E, 0x12, lba, length, 0, 0)


def descriptors(data: bytes) -> list[tuple[int, int, int]]:
    assert struct.unpack_from(">I", data)[0] == len(data) - 4
    return [struct.unpack_from(">QIB", data, at) for at in range(8, len(data), 16)]


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([(0, 1 << 20, True)], [(0, 2048, 0)]),
        ([(0, 1 << 20, False)], [(0, 2048, 1)]),
        (
            [(0, 4096, True), (4096, 4096, False), (8192, (1 << 20) - 8192, True)],
            [(0, 8, 0), (8, 8, 1), (16, 2032, 0)],
        ),
        ([(0, 100, True), (100, (1 << 20) - 100, False)], [(0, 1, 0), (1, 2047, 1)]),
        ([(0, 700, False), (700, 10, True), (710, (1 << 20) - 710, False)], [(0, 1, 1), (1, 1, 0), (2, 2046, 1)]),
        ([(0, 512, True), (512, 100, False), (612, (1 << 20) - 612, True)], [(0, 2048, 0)]),
    ],
)
def test_lba_status(pieces: list[tuple[int, int, bool]], found: list[tuple[int, int, int]]) -> None:
    bench = make(Holes(1 << 20, pieces))
    assert descriptors(bench.good(status(0))) == found
    assert descriptors(bench.good(status(0, 24))) == found[:1]


def test_lba_status_from_the_middle_and_at_the_end() -> None:
    bench = make(Holes(1 << 20, [(0, 4096, True), (4096, (1 << 20) - 4096, False)]))
    assert descriptors(bench.good(status(5))) == [(5, 3, 0), (8, 2040, 1)]
    assert descriptors(bench.good(status(2047))) == [(2047, 1, 1)]
    assert bench.refused(status(2048)) == LBA_OUT_OF_RANGE[:3]
    assert len(bench.good(status(0, 10))) == 10


def test_lba_status_of_more_blocks_than_fit_32_bits() -> None:
    """GET LBA STATUS: one hole of 2^33 blocks takes three descriptors, none longer than FFFFFFFFh."""
    bench = Bench()
    bench.disk(Vast(1 << 42))
    bench.ready()
    data = bench.good(struct.pack(">BBQIBB", 0x9E, 0x12, 0, 8 + 16 * 8, 0, 0))
    found = [struct.unpack_from(">QIB", data, 8 + 16 * i) for i in range((len(data) - 8) // 16)]
    most = 0xFFFFFFFF
    assert found == [(0, most, 1), (most, most, 1), (2 * most, 2, 1)]


class Vast(RamMedium):
    """Says that it is large, and that there is nothing."""

    def __init__(self, size: int) -> None:
        super().__init__(1 << 20)
        self.size = size

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        yield offset, length, False
