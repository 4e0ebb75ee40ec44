"""tgtd.scsi.sbc.provision: UNMAP, WRITE SAME."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scsi.workbench import Anchoring, Bench, cdb10, cdb16, pointer_of, sense_of
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

    def __init__(
        self,
        size: int,
        writable: bool = True,
        *,
        pieces: list[tuple[int, int, bool]] | None = None,
        zeroes: bool = True,
    ) -> None:
        super().__init__(size, writable)
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


class Keeping(Anchoring, Holes):
    """Both."""


@pytest.mark.parametrize("cache", [True, False])
def test_unmap_with_anchor(cache: bool) -> None:
    medium = Keeping(1 << 20)
    bench = make(medium, write_cache=cache)
    cdb, parameters = unmap(unmap_list((8, 16), (100, 1), (7, 0)))
    bench.good(bytes((cdb[0], 0x01)) + cdb[2:], parameters)
    assert medium.kept == [(4096, 8192), (51200, 512)]
    assert content(bench, 7, 2) == FULL[:512] + bytes(512)
    assert medium.flushes == (0 if cache else 1)
    bench.good(cdb, parameters)
    assert len(medium.kept) == 2, "without ANCHOR space is given back"


@pytest.mark.parametrize("sixteen", [True, False])
@pytest.mark.parametrize("cache", [True, False])
def test_write_same_with_anchor(sixteen: bool, cache: bool) -> None:
    medium = Keeping(1 << 20)
    bench = make(medium, write_cache=cache)
    bench.good(same(3, 4, 0x18, sixteen), bytes(512))
    assert medium.kept == [(1536, 2048)]
    assert content(bench, 2, 6) == FULL[:512] + bytes(2048) + FULL[:512]
    assert medium.flushes == (0 if cache else 1)
    bench.good(same(3, 4, 0x18, sixteen), BLOCK)
    assert content(bench, 3, 4) == BLOCK * 4, "data that are no zeros are written"
    bench.good(same(3, 4, 0x08, sixteen), bytes(512))
    assert len(medium.kept) == 1


def test_write_same_with_anchor_and_without_data() -> None:
    medium = Keeping(1 << 20)
    make(medium).good(same(3, 4, 0x19))
    assert medium.kept == [(1536, 2048)]


@pytest.mark.parametrize("sixteen", [True, False])
def test_anchor_says_nothing_without_unmap(sixteen: bool) -> None:
    medium = Keeping(1 << 20)
    bench = make(medium)
    assert pointer_of(bench.run(same(3, 4, 0x10, sixteen), bytes(512))) == (True, 1, 4)
    assert (medium.kept, content(bench, 3, 1)) == ([], FULL[:512])


def test_anchor_where_no_space_is_kept() -> None:
    """Nothing is advertised, and the bit is refused (SBC-4 6.6.7: ANC_SUP)."""
    bench = make()
    cdb, parameters = unmap(unmap_list((8, 16)))
    assert pointer_of(bench.run(bytes((cdb[0], 0x01)) + cdb[2:], parameters)) == (True, 1, 0)
    assert pointer_of(bench.run(same(3, 4, 0x18), bytes(512))) == (True, 1, 4)
    assert content(bench, 8, 1) == FULL[:512]
    provisioning = bytes((0x12, 0x01, 0xB2, 0, 64, 0))
    assert bench.good(provisioning)[5] & 0x02 == 0
    assert make(Keeping(1 << 20)).good(provisioning)[5] & 0x02 == 0x02
    assert make(Keeping(1 << 20), thin=False).good(provisioning)[5] == 0
