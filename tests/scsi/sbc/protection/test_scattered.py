"""tgtd.scsi.sbc.protection.scattered: each range with its own tags."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.sbc.protection.cdbs import (
    APPLICATION,
    GUARD,
    READ,
    READ_32,
    REFERENCE,
    SELECT,
    block,
    blocks,
    long,
    own_tags,
    ten,
)
from tests.scsi.sbc.test_scattered import descriptors, limits, scattered, specific_of
from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.media.failing import FailingMedium
from tgtd.scsi.sbc.disk import Disk

UNIT = 520
Expected = tuple[int, int, int, int, int]
"""LBA, blocks, reference tag, application tag, mask."""


def make(kind: int) -> Bench:
    bench = Bench()
    bench.protected(kind)
    bench.ready()
    return bench


def scattered_32(number: int, length: int, protect: int = 1, flags: int = 0, offset: int = 1) -> bytes:
    return struct.pack(">B6xBHBxHxxH10xI", 0x7F, 0x18, 0x11, protect << 5 | flags, offset, number, length)


def expecting(*ranges: Expected) -> bytes:
    return bytes(32) + b"".join(struct.pack(">QIIHH12x", *one) for one in ranges)


def test_type_1() -> None:
    bench = make(1)
    data = descriptors((8, 2), (40, 1)).ljust(UNIT, b"\0")
    bench.good(scattered(2, 4, flags=0x20), data + blocks(1, 8, 2, 0x1234) + block(2, 40))
    assert bench.good(ten(READ, 8, 2, 1)) == blocks(1, 8, 2, 0x1234)
    assert bench.good(ten(READ, 40, 1, 1)) == block(2, 40)


def test_without_protection_information_on_the_wire() -> None:
    """It is made for what came without; the list is counted in blocks of 512 then."""
    bench = make(1)
    bench.good(scattered(2, 3), descriptors((8, 1), (40, 1)).ljust(512, b"\0") + b"\1" * 512 + b"\2" * 512)
    assert bench.good(ten(READ, 40, 1, 1)) == block(2, 40)


@pytest.mark.parametrize(
    ("bad", "sense"), [(block(2, 41), REFERENCE), (block(2, 40, crc=1), GUARD)], ids=["reference", "guard"]
)
def test_nothing_is_written_when_any_of_it_is_wrong(bad: bytes, sense: tuple[int, int, int]) -> None:
    bench = make(1)
    data = descriptors((8, 1), (40, 1)).ljust(UNIT, b"\0") + block(1, 8) + bad
    task = bench.run(scattered(2, 3, flags=0x20), data)
    assert sense_of(task) == sense
    assert specific_of(task)[0] == 40, "the block"
    assert bench.good(ten(READ, 8, 1)) == bytes(512)


def test_more_than_a_worker_does_at_once() -> None:
    """Reference tags go on within a range, and begin anew with the next."""
    bench = make(2)
    data = expecting((0, 2040, 100, 0, 0), (2040, 8, 0xFFFFFFFE, 0, 0)).ljust(UNIT, b"\0")
    sent = blocks(1, 100, 2040) + blocks(2, 0xFFFFFFFE, 8)
    bench.good(scattered_32(2, 2049), data + sent)
    assert bench.good(long(READ_32, 0, 2040, 1, reference=100)) == sent[: 2040 * UNIT]
    assert bench.good(long(READ_32, 2040, 8, 1, reference=0xFFFFFFFE)) == sent[2040 * UNIT :]
    assert bench.refused(long(READ_32, 2040, 8, 1, reference=2140)) == REFERENCE


def test_tags_of_each_range() -> None:
    bench = make(2)
    bench.good(SELECT, own_tags())
    good: Expected = (8, 1, 500, 0xAB12, 0xFF00)
    data = block(1, 500, 0xAB00) + block(2, 600, 0xCD00)
    for second, sense in (
        ((9, 1, 601, 0xCD00, 0xFF00), REFERENCE),
        ((9, 1, 600, 0xAB00, 0xFF00), APPLICATION),
    ):
        task = bench.run(scattered_32(2, 3), expecting(good, second).ljust(UNIT, b"\0") + data)
        assert sense_of(task) == sense
        assert specific_of(task)[0] == 9
    bench.good(scattered_32(2, 3), expecting(good, (9, 1, 600, 0xCDFF, 0xFF00)).ljust(UNIT, b"\0") + data)
    assert bench.good(long(READ_32, 9, 1, 1, reference=600)) == block(2, 600, 0xCD00)


def test_application_tags_count_with_ato_only() -> None:
    bench = make(2)
    data = expecting((8, 1, 500, 0x1111, 0xFFFF)).ljust(UNIT, b"\0") + block(1, 500, 0x2222)
    bench.good(scattered_32(1, 2), data)


def test_the_longer_form_without_protection_information() -> None:
    bench = make(2)
    bench.good(scattered_32(1, 2, protect=0), expecting((8, 1, 500, 0, 0)).ljust(512, b"\0") + b"\3" * 512)
    assert bench.good(ten(READ, 8, 1)) == b"\3" * 512


@pytest.mark.parametrize(
    ("number", "length", "offset", "field"), [(1025, 100, 80, 16), (1, 70000, 1, 28), (1, 2, 0, 12), (1, 3, 1, 28)]
)
def test_the_longer_form_points_at_its_own_fields(number: int, length: int, offset: int, field: int) -> None:
    bench = make(2)
    data = expecting((8, 1, 500, 0, 0)).ljust(UNIT, b"\0") + block(1, 500)
    task = bench.run(scattered_32(number, length, offset=offset), data)
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task)[:2] == (True, field)


def test_reserved_bytes_of_the_longer_form() -> None:
    bench = make(2)
    data = bytearray(expecting((8, 1, 500, 0, 0)).ljust(UNIT, b"\0") + block(1, 500))
    data[32 + 20] = 1
    task = bench.run(scattered_32(1, 2), bytes(data))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 52, 0))


def test_who_has_which_form() -> None:
    """SBC-4 4.21.2.2 to 4.21.2.5."""
    for kind in (0, 1, 3):
        assert make(kind).refused(scattered_32(0, 0)) == (5, 0x20, 0)
    assert make(0).refused(scattered(1, 2, flags=0x20)) == (5, 0x24, 0)
    assert make(2).refused(scattered(1, 2, flags=0x20)) == (5, 0x20, 0)
    make(2).good(scattered(0, 0))


def test_the_limit_is_of_blocks_with_protection_information() -> None:
    bench = make(1)
    assert limits(bench)[2] == (32 << 20) // UNIT
    assert bench.task(scattered(1, 100, flags=0x20)).wanted_out == 100 * UNIT
    task = bench.run(scattered(1, limits(bench)[2] + 1, flags=0x20))
    assert (sense_of(task), pointer_of(task)[:2]) == ((5, 0x24, 0), (True, 10))


def test_which_range_failed() -> None:
    bench = make(1)
    disk = bench.target.luns[0]
    assert isinstance(disk, Disk)
    assert disk.medium is not None
    disk.relayer(FailingMedium(disk.medium, (), "EIO", 40 << 9, 512, 1.0, 1))
    data = descriptors((8, 1), (40, 1), (50, 1)).ljust(UNIT, b"\0") + block(1, 8) + block(2, 40) + block(3, 50)
    task = bench.run(scattered(3, 4, flags=0x28), data)
    assert sense_of(task) == (3, 0x0C, 0)
    assert specific_of(task) == (2, 2)
    assert [bench.good(ten(READ, lba, 1))[:1] for lba in (8, 40, 50)] == [b"\1", b"\0", b"\0"]
