"""tgtd.media.ram: memory in chunks of address space."""

from __future__ import annotations

import pytest

from tgtd.media.options import OpenOptions
from tgtd.media.problem import MediumError
from tgtd.media.ram import RamMedium

CHUNK = 1 << 30


def get(medium: RamMedium, offset: int, length: int) -> bytes:
    into = memoryview(bytearray(length))
    medium.read(offset, into)
    return bytes(into)


def test_address_space_is_not_memory() -> None:
    medium = RamMedium.open(None, OpenOptions(size=100 << 30))
    medium.write((100 << 30) - 512, b"x" * 512, False)
    assert get(medium, (100 << 30) - 512, 512) == b"x" * 512
    medium.close()


def test_across_chunks() -> None:
    medium = RamMedium(2 * CHUNK)
    data = bytes(range(256)) * 64
    at = CHUNK - 5000
    medium.write(at, data, True)
    assert get(medium, at, len(data)) == data
    into = memoryview(bytearray(len(data)))
    assert not medium.read_now(at, into), "rare enough to be left to a worker"
    assert medium.read_now(at - len(data), into)
    assert into == bytes(len(data))
    medium.discard(at + 100, len(data) - 200)
    assert get(medium, at, len(data)) == data[:100] + bytes(len(data) - 200) + data[-100:]
    medium.zero(at, 100, False)
    assert get(medium, at, 100) == bytes(100)
    assert list(medium.extents(0, 100)) == [(0, 100, True)]


def test_extents_tell_what_was_discarded_and_not_written_since() -> None:
    medium = RamMedium(2 * CHUNK)
    medium.write(CHUNK - 100, b"x" * 200, False)
    assert list(medium.extents(0, 2 * CHUNK)) == [(0, CHUNK, True), (CHUNK, CHUNK, True)]
    medium.discard(CHUNK - 8192, 16384 - 1)
    around = [
        (CHUNK - 12288, 4096, True),
        (CHUNK - 8192, 8192, False),
        (CHUNK, 4096, False),
        (CHUNK + 4096, 4096, True),
    ]
    assert list(medium.extents(CHUNK - 12288, 20480)) == around
    assert list(medium.extents(CHUNK - 50, 70)) == [(CHUNK - 50, 50, False), (CHUNK, 20, False)]
    assert medium.write_now(CHUNK - 1, b"yz")
    assert list(medium.extents(CHUNK - 8192, 12288)) == [
        (CHUNK - 8192, 4096, False),
        (CHUNK - 4096, 4096, True),
        (CHUNK, 4096, True),
    ]
    medium.zero(CHUNK - 8192, 8192, True)
    assert list(medium.extents(CHUNK - 8192, 8192)) == [(CHUNK - 8192, 8192, False)]
    medium.zero(CHUNK - 8192, 4097, False)
    assert list(medium.extents(CHUNK - 8192, 8192)) == [(CHUNK - 8192, 8192, True)]


def test_growing_moves_nothing() -> None:
    medium = RamMedium(4096)
    medium.write(0, b"a" * 4096, False)
    medium.grow(CHUNK + 4096)
    assert get(medium, 0, 4096) == b"a" * 4096
    assert get(medium, CHUNK, 4096) == bytes(4096)
    assert medium.resize_probe() == CHUNK + 4096


def test_a_size_is_needed_and_must_be_possible() -> None:
    with pytest.raises(MediumError, match="give the medium a size"):
        RamMedium.open(None)
    with pytest.raises(MediumError, match="choose less"):
        RamMedium.open(None, OpenOptions(size=1 << 62))


def test_read_only() -> None:
    assert not RamMedium.open(None, OpenOptions(size=4096, writable=False)).writable
