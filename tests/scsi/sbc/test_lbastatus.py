"""tgtd.scsi.sbc.lbastatus: what holds data, what keeps space, what is marked bad."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.scsi.sbc.test_provision import FULL, Holes, Keeping, make
from tests.scsi.workbench import Bench, pointer_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sense import LBA_OUT_OF_RANGE

BLOCKS = 2048
ALLOCATION_MET, SCAN_DONE, CAPACITY_REACHED = 1, 2, 3


def status(lba: int, length: int = 1 << 16, report: int = 0) -> bytes:
    return struct.pack(">BBQIBB", 0x9E, 0x12, lba, length, report, 0)


def status_32(lba: int, length: int = 1 << 16, report: int = 0, scan: int = 0, element: int = 0) -> bytes:
    return struct.pack(">B6xBHBxQIII", 0x7F, 0x18, 0x12, report, lba, scan, element, length)


def descriptors(data: bytes) -> list[tuple[int, ...]]:
    """(first block, blocks, status), with the additional status where there is one."""
    assert struct.unpack_from(">I", data)[0] == len(data) - 4
    assert data[4:7] == bytes(3)
    found = [struct.unpack_from(">QIBBH", data, at) for at in range(8, len(data), 16)]
    assert all(reserved == 0 for *_, reserved in found)
    return [(*told, extra) if extra else tuple(told) for *told, extra, _ in found]


def condition(data: bytes) -> int:
    assert data[7] & 0xF1 == 0x01, "RTP: the REPORT TYPE was heeded"
    return data[7] >> 1 & 0x07


class Mixed(Keeping):
    """Of 2048 blocks: 0 to 7 hold data, 8 to 15 keep space, 16 to 1999 do not, the rest holds data."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.pieces = [(0, 4096, True), (4096, 1984 * 512 + 4096, False), (2000 * 512, 48 * 512, True)]
        self.spaces = [(4096, 4096)]

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        for start, size in self.spaces:
            first, last = max(start, offset), min(start + size, offset + length)
            if first < last:
                yield first, last - first


@pytest.mark.parametrize("cdb", [status, status_32])
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
def test_what_holds_data(cdb: type, pieces: list[tuple[int, int, bool]], found: list[tuple[int, int, int]]) -> None:
    bench = make(Holes(1 << 20, pieces=pieces))
    whole, one = bench.good(cdb(0)), bench.good(cdb(0, 24))
    assert (descriptors(whole), condition(whole)) == (found, CAPACITY_REACHED)
    assert descriptors(one) == found[:1]
    assert condition(one) == (ALLOCATION_MET if len(found) > 1 else CAPACITY_REACHED)


@pytest.mark.parametrize("cdb", [status, status_32])
def test_from_the_middle_and_at_the_end(cdb: type) -> None:
    bench = make(Holes(1 << 20, pieces=[(0, 4096, True), (4096, (1 << 20) - 4096, False)]))
    assert descriptors(bench.good(cdb(5))) == [(5, 3, 0), (8, 2040, 1)]
    assert descriptors(bench.good(cdb(2047))) == [(2047, 1, 1)]
    assert bench.refused(cdb(2048)) == LBA_OUT_OF_RANGE[:3]
    assert len(bench.good(cdb(0, 10))) == 10


@pytest.mark.parametrize("cdb", [status, status_32])
@pytest.mark.parametrize(
    ("report", "found"),
    [
        (0x00, [(0, 8, 0), (8, 8, 2), (16, 1984, 1), (2000, 48, 0)]),
        (0x01, [(0, 8, 3), (8, 8, 2), (16, 1984, 1), (2000, 48, 3)]),
        (0x02, [(0, 8, 3), (2000, 48, 3)]),
        (0x03, [(16, 1984, 1)]),
        (0x04, [(8, 8, 2)]),
        (0x10, []),
    ],
)
def test_report_types(cdb: type, report: int, found: list[tuple[int, int, int]]) -> None:
    bench = make(Mixed())
    data = bench.good(cdb(0, report=report))
    assert (descriptors(data), condition(data)) == (found, CAPACITY_REACHED)


@pytest.mark.parametrize("report", [0x05, 0x0F, 0x11, 0xFF])
def test_report_types_that_do_not_exist(report: int) -> None:
    bench = make(Mixed())
    assert pointer_of(bench.run(status(0, report=report))) == (True, 14, 7)
    assert pointer_of(bench.run(status_32(0, report=report))) == (True, 10, 7)


def test_scan_length_and_element() -> None:
    bench = make(Mixed())
    part = bench.good(status_32(4, scan=8))
    assert (descriptors(part), condition(part)) == ([(4, 4, 0), (8, 4, 2)], SCAN_DONE)
    last = bench.good(status_32(2040, scan=8))
    assert (descriptors(last), condition(last)) == ([(2040, 8, 0)], CAPACITY_REACHED)
    beyond = bench.good(status_32(2040, scan=0xFFFFFFFF))
    assert (descriptors(beyond), condition(beyond)) == ([(2040, 8, 0)], CAPACITY_REACHED)
    nothing = bench.good(status_32(0, scan=8, report=0x03))
    assert (descriptors(nothing), condition(nothing)) == ([], SCAN_DONE)
    assert pointer_of(bench.run(status_32(0, element=1)))[:2] == (True, 27)


def test_a_part_of_a_block_keeps_no_space_for_it() -> None:
    medium = Mixed()
    medium.spaces = [(4097, 1000), (5700, 4000), (9999, 1)]
    assert descriptors(make(medium).good(status(8)))[:3] == [(8, 4, 1), (12, 6, 2), (18, 1982, 1)]


def test_zeros_that_were_read_are_no_data() -> None:
    """`extents` takes them for data, where space is kept; `anchored` knows better."""
    medium = Mixed()
    medium.spaces = [(1024, 1024), (2500, 1600), (4096, 4096)]
    assert descriptors(make(medium).good(status(0)))[:5] == [(0, 2, 0), (2, 2, 2), (4, 1, 0), (5, 11, 2), (16, 1984, 1)]


def wr_uncor(lba: int) -> bytes:
    """WRITE LONG(16): mark a block."""
    return struct.pack(">BBQ2xHBx", 0x9F, 0x51, lba, 0, 0)


def test_blocks_that_are_marked_bad() -> None:
    bench = make(Mixed())
    for lba in (2, 3, 10, 100, 2047):
        bench.good(wr_uncor(lba))
    bad = [(2, 1, 3, 1), (3, 1, 3, 1), (10, 1, 2, 1), (100, 1, 1, 1), (2047, 1, 3, 1)]
    assert descriptors(bench.good(status(0, report=0x10))) == bad
    assert descriptors(bench.good(status(3, report=0x10))) == bad[1:]
    assert descriptors(bench.good(status_32(3, report=0x10, scan=97))) == bad[1:3]
    assert descriptors(bench.good(status(0, report=0x02))) == [
        (0, 2, 3),
        *bad[:2],
        (4, 4, 3),
        (2000, 47, 3),
        bad[-1],
    ]
    assert descriptors(bench.good(status(0))) == [(0, 8, 0), (8, 8, 2), (16, 1984, 1), (2000, 48, 0)]


def test_a_long_search_is_made_in_steps() -> None:
    """So that others have their turn, and it can be aborted in between."""
    size = 16 << 20
    pieces = [(at, 512, at // 512 % 2 == 0) for at in range(0, size, 512)]
    medium = Holes(size, pieces=[*pieces[:-1], (size - 512, 512, False)])
    bench = make(medium)
    task = bench.start(status(0, report=0x04))
    steps = 0
    while bench.lane.jobs:
        bench.lane.step()
        steps += 1
    assert steps == 9
    assert task.data_in is not None
    assert descriptors(bytes(task.data_in)) == []
    aborted = bench.start(status(0, report=0x04))
    bench.lane.step()
    aborted.itl.lu.abort_tasks(aborted.itl)
    bench.lane.drain()
    assert (aborted.data_in, aborted.aborted) == (None, True)
    assert bench.pool.used == 0


def test_of_more_blocks_than_fit_32_bits() -> None:
    """One hole of 2^33 blocks takes three descriptors, none longer than FFFFFFFFh."""
    bench = Bench()
    bench.disk(Vast(1 << 42))
    bench.ready()
    most = 0xFFFFFFFF
    assert descriptors(bench.good(status(0))) == [(0, most, 1), (most, most, 1), (2 * most, 2, 1)]


class Vast(RamMedium):
    """Says that it is large, and that there is nothing."""

    def __init__(self, size: int) -> None:
        super().__init__(1 << 20)
        self.size = size

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        yield offset, length, False


def test_full_disks_have_no_such_command() -> None:
    bench = make(RamMedium(1 << 20), thin=False)
    assert bench.refused(status(0)) == (5, 0x24, 0)
    assert bench.refused(status_32(0)) == (5, 0x24, 0)
    assert bench.good(bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0))) == FULL[:512]
