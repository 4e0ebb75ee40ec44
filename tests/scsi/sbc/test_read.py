"""tgtd.scsi.sbc.read: READ and PRE-FETCH of each size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.scsi.workbench import Bench, cdb10, cdb12, cdb16, pointer_of, sense_of
from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room

PATTERN = bytes(i * 7 & 0xFF for i in range(64 * 512))


class Uncached(RamMedium):
    """Nothing is ever in the cache, and flushing is noted."""

    volatile = True

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.log: list[str] = []

    def read_now(self, offset: int, into: memoryview) -> bool:
        self.log.append("now")
        return False

    def read(self, offset: int, into: memoryview) -> None:
        self.log.append("read")
        super().read(offset, into)

    def flush(self) -> None:
        self.log.append("flush")


def make(cached: bool = True, **settings: Any) -> tuple[Bench, RamMedium]:
    bench = Bench()
    medium = RamMedium(1 << 20) if cached else Uncached(1 << 20)
    medium.write(0, PATTERN, True)
    bench.disk(medium, **settings)
    bench.ready()
    return bench, medium


def read_6(lba: int, count: int) -> bytes:
    return bytes((0x08, *lba.to_bytes(3, "big"), count, 0))


READS: dict[str, Callable[[int, int], bytes]] = {
    "6": read_6,
    "10": lambda lba, count: cdb10(0x28, lba, count),
    "12": lambda lba, count: cdb12(0xA8, lba, count),
    "16": lambda lba, count: cdb16(0x88, lba, count),
}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("size", READS)
@pytest.mark.parametrize(("lba", "count"), [(0, 1), (3, 5), (63, 1)])
def test_reads_what_is_there(size: str, cached: bool, lba: int, count: int) -> None:
    bench, _ = make(cached)
    assert bench.good(READS[size](lba, count)) == PATTERN[lba * 512 : (lba + count) * 512]
    assert bench.pool.used == 0


def test_blocks_of_4096() -> None:
    bench, _ = make(block_size=4096)
    assert bench.good(cdb10(0x28, 1, 2)) == PATTERN[4096:12288]


def test_read_6_of_zero_is_256() -> None:
    bench, _ = make()
    assert len(bench.good(read_6(0, 0))) == 256 * 512


@pytest.mark.parametrize("size", ["10", "12", "16"])
def test_no_blocks(size: str) -> None:
    bench, _ = make()
    assert bench.good(READS[size](2047, 0)) == b""
    assert bench.refused(READS[size](2048, 0)) == (5, 0x21, 0)


@pytest.mark.parametrize(
    ("cdb", "sense"),
    [
        (cdb10(0x28, 2047, 2), (5, 0x21, 0)),
        (cdb10(0x28, 0xFFFFFFFF, 1), (5, 0x21, 0)),
        (cdb12(0xA8, 0xFFFFFFFF, 0xFFFFFFFF), (5, 0x21, 0)),
        (cdb16(0x88, (1 << 64) - 1, 1), (5, 0x21, 0)),
        (cdb16(0x88, (1 << 64) - 1, 0), (5, 0x21, 0)),
        (read_6(0x1FFFFF, 1), (5, 0x21, 0)),
    ],
)
def test_beyond_the_end(cdb: bytes, sense: tuple[int, int, int]) -> None:
    assert make()[0].refused(cdb) == sense


@pytest.mark.parametrize(("cdb", "field"), [(cdb12(0xA8, 0, 65537), 6), (cdb16(0x88, 0, 65537), 10)])
def test_more_than_one_command_may_read(cdb: bytes, field: int) -> None:
    bench = Bench()
    bench.disk(RamMedium(64 << 20))
    bench.ready()
    task = bench.run(cdb)
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task) == (True, field, None)


def test_the_most_one_command_may_read() -> None:
    bench = Bench()
    bench.disk(RamMedium(64 << 20))
    bench.ready()
    assert len(bench.good(cdb12(0xA8, 1, 65536))) == 32 << 20


@pytest.mark.parametrize("cache", [True, False])
def test_fua_reads_what_has_reached_the_medium(cache: bool) -> None:
    bench, medium = make(cached=False, write_cache=cache)
    assert isinstance(medium, Uncached)
    assert bench.good(cdb10(0x28, 0, 1, flags=0x08)) == PATTERN[:512]
    assert medium.log == (["flush", "read"] if cache else ["now", "read"])


def test_dpo_is_a_hint() -> None:
    assert make()[0].good(cdb10(0x28, 0, 1, flags=0x10)) == PATTERN[:512]


@pytest.mark.parametrize("make_cdb", [cdb10, cdb16])
@pytest.mark.parametrize(("lba", "count", "status"), [(0, 8, 4), (5, 0, 4), (2047, 1, 4)])
@pytest.mark.parametrize("immediate", [0, 2])
def test_pre_fetch(make_cdb: object, lba: int, count: int, status: int, immediate: int) -> None:
    bench, medium = make(cached=False)
    assert isinstance(medium, Uncached)
    cdb = cdb10(0x34, lba, count, immediate) if make_cdb is cdb10 else cdb16(0x90, lba, count, immediate)
    task = bench.start(cdb)
    assert (task in bench.done) is bool(immediate)
    bench.lane.drain()
    assert task.status == status
    assert medium.log == ["read"]


def test_pre_fetches_nobody_waits_for_do_not_pile_up() -> None:
    bench, _ = make(cached=False)
    for _ in range(100):
        bench.start(cdb10(0x34, 0, 8, 0x02))
    assert len(bench.lane.jobs) == 1
    bench.lane.drain()
    bench.start(cdb10(0x34, 0, 8, 0x02))
    assert len(bench.lane.jobs) == 1


def test_pre_fetches_that_fail() -> None:
    """Who waits for it hears of it, with the block; who does not will hear of it when he reads (SBC-4 5.8)."""
    bench = Bench()
    bench.disk(FailingMedium(Uncached(1 << 20), ("read",), "EIO", 4096, 4096, 1.0, 0))
    bench.ready()
    assert bench.refused(cdb10(0x34, 0, 16)) == (3, 0x11, 0)
    assert bench.run(cdb10(0x34, 0, 8)).status == 4
    assert bench.run(cdb10(0x34, 0, 16, 0x02)).status == 4
    assert bench.refused(cdb10(0x28, 8, 1)) == (3, 0x11, 0)


@pytest.mark.parametrize("kind", [0, 1])
def test_the_most_one_pre_fetch_may_ask_for_is_what_page_b0_says(kind: int) -> None:
    bench = Bench()
    medium = ProtectedMedium(RamMedium(64 << 20), RamMedium(room(64 << 20, 512)), 512, kind)
    bench.disk(medium)
    bench.ready()
    most = int.from_bytes(bench.good(bytes((0x12, 1, 0xB0, 0, 64, 0)))[16:20], "big")
    assert bench.run(cdb16(0x90, 0, most)).status == 4
    assert pointer_of(bench.run(cdb16(0x90, 0, most + 1))) == (True, 10, None)


def test_pre_fetch_of_more_than_fits() -> None:
    bench = Bench()
    bench.disk(RamMedium(64 << 20))
    bench.ready()
    assert bench.run(cdb10(0x34, 0, 0)).status == 0
    assert pointer_of(bench.run(cdb16(0x90, 0, 70000))) == (True, 10, None)
    assert bench.refused(cdb10(0x34, 131072, 0)) == (5, 0x21, 0)
