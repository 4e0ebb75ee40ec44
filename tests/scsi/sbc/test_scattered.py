"""tgtd.scsi.sbc.scattered: ranges and their data, by bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.workbench import CHECK_CONDITION, Bench, cdb10, pointer_of, sense_of
from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.task import Task

MIB = 1 << 20
BLOCKS = 2048
INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_LIST = (5, 0x24, 0), (5, 0x26, 0)
DO_NOT_ADD_UP = (0xB, 0x1A, 0)


def scattered(number: int, length: int, offset: int = 1, flags: int = 0) -> bytes:
    return struct.pack(">BBBxHxxHIBB", 0x9F, 0x12, flags, offset, number, length, 0, 0)


def descriptors(*ranges: tuple[int, int]) -> bytes:
    return bytes(32) + b"".join(struct.pack(">QI20x", lba, count) for lba, count in ranges)


def parcel(*ranges: tuple[int, int], unit: int = 512, offset: int = 1) -> bytes:
    """The list, padded, and data: in each block the number of its range."""
    data = b"".join(bytes((number,)) * count * unit for number, (_, count) in enumerate(ranges, 1))
    return descriptors(*ranges).ljust(offset * unit, b"\xee") + data


def send(bench: Bench, *ranges: tuple[int, int], **more: Any) -> Task:
    length = 1 + sum(count for _, count in ranges)
    return bench.run(scattered(len(ranges), length, **more), parcel(*ranges))


def make(medium: Any = None, **more: Any) -> Bench:
    bench = Bench()
    bench.disk(medium or RamMedium(MIB), **more)
    bench.ready()
    return bench


def held(bench: Bench, lba: int) -> int:
    """What a block is full of."""
    block = bench.good(cdb10(0x28, lba, 1))
    assert len(set(block)) == 1
    return block[0]


def specific_of(task: Task) -> tuple[int | None, int]:
    """INFORMATION, where it is valid, and COMMAND-SPECIFIC INFORMATION."""
    valid, information, specific = struct.unpack(">BxxIxI", task.sense[:12])
    return information if valid & 0x80 else None, specific


def test_ranges_in_any_order() -> None:
    bench = make()
    task = send(bench, (40, 2), (7, 1), (0, 0), (BLOCKS - 1, 1), (BLOCKS, 0), (41, 1))
    assert task.status == 0
    assert [held(bench, lba) for lba in (39, 40, 41, 42, 7, BLOCKS - 1, 0)] == [0, 1, 6, 0, 2, 4, 0]
    assert bench.pool.used == 0


@pytest.mark.parametrize("block_size", [512, 4096])
def test_where_the_data_begins(block_size: int) -> None:
    bench = make(block_size=block_size)
    many = [(3 * n, 1) for n in range(20)]
    bench.good(scattered(20, 23, offset=3), parcel(*many, unit=block_size, offset=3))
    assert [held(bench, lba) for lba, _ in many] == list(range(1, 21))
    assert held(bench, 1) == 0


def test_what_is_counted() -> None:
    bench = make()
    send(bench, (4, 2), (9, 1))
    counters = bench.target.luns[0].counters
    assert (counters.writes, counters.write_bytes, counters.errors) == (1, 1536, 0)


@pytest.mark.parametrize(
    "cdb", [scattered(0, 5), scattered(1, 0), scattered(0, 0, offset=0), scattered(3, 0, offset=0)]
)
def test_nothing_to_do_is_no_error(cdb: bytes) -> None:
    bench = make()
    assert bench.task(cdb, b"").wanted_out == 0
    bench.good(cdb, b"")
    assert bench.target.luns[0].counters.write_bytes == 0


@pytest.mark.parametrize(
    ("cdb", "field"),
    [
        (scattered(1025, 100, offset=65), 8),
        (scattered(1, 65537), 10),
        (scattered(1, 2, offset=0), 4),
        (scattered(16, 20), 4),
        (scattered(1, 3), 10),
    ],
    ids=["too many", "too long", "no offset", "offset within the list", "more than was sent"],
)
def test_the_cdb(cdb: bytes, field: int) -> None:
    bench = make()
    task = bench.run(cdb, parcel((4, 1)))
    assert sense_of(task) == INVALID_FIELD_IN_CDB
    assert pointer_of(task)[:2] == (True, field)
    assert held(bench, 4) == 0


def test_fifteen_fit_into_one_block() -> None:
    bench = make()
    assert send(bench, *[(n, 1) for n in range(15)]).status == 0
    assert held(bench, 14) == 15


@pytest.mark.parametrize(
    ("at", "value", "pointer"),
    [(0, 0x10, (False, 0, 4)), (31, 1, (False, 31, 0)), (76, 0x80, (False, 76, 7)), (84, 3, (False, 84, 1))],
)
def test_reserved_bits(at: int, value: int, pointer: tuple[bool, int, int]) -> None:
    """Of the header and of each descriptor; the padding may be anything."""
    bench = make()
    data = bytearray(parcel((4, 1), (6, 1)))
    data[at] = value
    task = bench.run(scattered(2, 3), bytes(data))
    assert sense_of(task) == INVALID_FIELD_IN_LIST
    assert pointer_of(task) == pointer
    assert [held(bench, lba) for lba in (4, 6)] == [0, 0], "all is checked before anything is written"


@pytest.mark.parametrize("lba", [BLOCKS - 1, BLOCKS + 1, (1 << 64) - 1])
def test_past_the_end(lba: int) -> None:
    bench = make()
    task = send(bench, (4, 1), (lba, 2))
    assert sense_of(task) == (5, 0x21, 0)
    assert pointer_of(task) == (False, 64, None)
    assert held(bench, 4) == 0


@pytest.mark.parametrize(
    ("cdb", "ranges"),
    [
        (scattered(1, 3), [(4, 1)]),
        (scattered(1, 3), [(4, 0)]),
        (scattered(2, 3), [(4, 1), (6, 2)]),
        (scattered(1, 3, offset=4), [(4, 0)]),
        (scattered(1, 3), [(4, 3)]),
    ],
    ids=["too little", "nothing", "too much", "all is the list", "the list too"],
)
def test_what_does_not_add_up(cdb: bytes, ranges: Sequence[tuple[int, int]]) -> None:
    bench = make()
    data = parcel(*ranges).ljust(1536, b"x")[:1536]
    task = bench.run(cdb, data)
    assert sense_of(task) == DO_NOT_ADD_UP
    assert pointer_of(task)[:2] == (True, 10), "BUFFER TRANSFER LENGTH"
    assert held(bench, 4) == 0


def limits(bench: Bench) -> tuple[int, int, int]:
    page = bench.good(bytes((0x12, 1, 0xB7, 0, 255, 0)))
    assert len(page) == 64
    assert page[4:16] == bytes(12), "no streams"
    return struct.unpack_from(">I2xHI", page, 16)


@pytest.mark.parametrize("block_size", [512, 4096])
def test_limits(block_size: int) -> None:
    """They are true, and what is more is refused by each."""
    bench = make(RamMedium(64 * MIB), block_size=block_size)
    longest, most, whole = limits(bench)
    assert whole * block_size == 32 * MIB
    sent = parcel((5, longest), unit=block_size)
    bench.good(scattered(1, whole), sent)
    assert held(bench, 4 + longest) == 1
    task = bench.run(scattered(1, whole), descriptors((5, longest + 1)).ljust(len(sent), b"\0"))
    assert sense_of(task) == INVALID_FIELD_IN_LIST
    assert pointer_of(task) == (False, 40, None)
    offset = -(-32 * (most + 1) // block_size)
    data = descriptors(*[(2 * n, 1) for n in range(most)]).ljust(offset * block_size, b"\0") + b"m" * block_size * most
    bench.good(scattered(most, offset + most, offset), data)
    assert held(bench, 2 * most - 2) == ord("m")


class Noted(RamMedium):
    """Volatile, and notes what is flushed."""

    volatile = True

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.flushed = 0

    def flush(self) -> None:
        self.flushed += 1


@pytest.mark.parametrize(("flags", "cache", "flushed"), [(0, True, 0), (0x08, True, 1), (0, False, 1), (0x10, True, 0)])
def test_durable(flags: int, cache: bool, flushed: int) -> None:
    medium = Noted(MIB)
    bench = make(medium, write_cache=cache)
    assert send(bench, (4, 1), (9, 1), flags=flags).status == 0
    assert medium.flushed == flushed


@pytest.mark.parametrize("flags", [0x20, 0x04, 0x01])
def test_bits_that_say_nothing_here(flags: int) -> None:
    """WRPROTECT on a disk without protection information, and command duration limits."""
    task = send(make(), (4, 1), flags=flags)
    assert sense_of(task) == INVALID_FIELD_IN_CDB
    assert pointer_of(task) == (True, 2, flags.bit_length() - 1)


@pytest.mark.parametrize(("error", "sense"), [("EIO", (3, 0x0C, 0)), ("ENOSPC", (7, 0x27, 7))])
def test_which_range_failed(error: str, sense: tuple[int, int, int]) -> None:
    """Those before it are written. The medium's error counts as one."""
    bench = make(FailingMedium(RamMedium(MIB), ("write",), error, 9 << 9, 512, 1.0, 1))
    task = send(bench, (4, 1), (0, 0), (9, 1), (12, 1))
    assert sense_of(task) == sense
    assert specific_of(task) == (3, 3)
    assert [held(bench, lba) for lba in (4, 9, 12)] == [1, 0, 0]
    disk = bench.target.luns[0]
    assert isinstance(disk, Disk)
    assert disk.counters.medium_errors == 1
    assert disk.last_medium_error is not None
    assert disk.last_medium_error.strerror is not None


def test_a_flush_that_fails_is_of_no_range() -> None:
    bench = make(FailingMedium(Noted(MIB), ("flush",), "EIO", 0, None, 1.0, 1))
    task = send(bench, (4, 1), flags=0x08)
    assert sense_of(task) == (3, 0x0C, 0)
    assert specific_of(task) == (None, 0)


def test_write_protection() -> None:
    assert sense_of(send(make(read_only=True), (4, 1))) == (7, 0x27, 0)


def test_a_reservation_of_another() -> None:
    """It conflicts as a WRITE does."""
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.good(bytes((0x16, 0, 0, 0, 0, 0)), nexus=other)
    assert bench.run(scattered(1, 2), parcel((4, 1))).status == 0x18


def test_no_compare_and_write_in_between() -> None:
    """It waits for one that is under way, and the next one waits for it."""
    bench = make()
    swap = struct.pack(">BBQ3xBBB", 0x89, 0, 4, 1, 0, 0)
    bench.start(swap, bytes(512) + b"a" * 512)
    bench.start(scattered(1, 2), parcel((4, 1)))
    last = bench.start(swap, b"\1" * 512 + b"b" * 512)
    assert len(bench.lane.jobs) == 1
    bench.lane.drain()
    assert last.status == 0
    assert held(bench, 4) == ord("b")


def test_blocks_that_are_marked_bad_are_healed() -> None:
    bench = make()
    bench.good(bytes.fromhex("3F400000000400000000"))
    assert bench.refused(cdb10(0x28, 4, 1)) == (3, 0x11, 0x14)
    send(bench, (3, 2))
    assert held(bench, 4) == 1


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 6),
    st.integers(0, 12),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, BLOCKS + 1), st.integers(0, 4)), max_size=6),
    st.binary(max_size=64),
)
def test_any_list_ends_well(number: int, length: int, offset: int, ranges: list[tuple[int, int]], noise: bytes) -> None:
    """A status and sound sense data; nothing is written unless all is well."""
    bench = make()
    data = (descriptors(*ranges)[: offset * 512] + noise).ljust(length * 512, b"n")[: length * 512]
    task = bench.run(scattered(number, length, offset), data)
    lu = bench.target.luns[0]
    assert lu.faults == 0
    assert bench.pool.used == 0
    if task.status == CHECK_CONDITION:
        assert sense_of(task) in {INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_LIST, DO_NOT_ADD_UP, (5, 0x21, 0)}
        assert lu.counters.write_bytes == 0
    else:
        assert task.status == 0
