"""Segments: taken in order, given back, and records that lie across two."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.label import DATA, MOST_SEGMENTS
from tgtd.media.cartridge.space import Space, Stream, segment_size

SIZE = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


@pytest.mark.parametrize("capacity", [1, 1 << 20, 1 << 30, 12 * 10**12, 30 * 10**12])
def test_there_are_enough(capacity: int) -> None:
    size = segment_size(capacity)
    assert size & (size - 1) == 0
    assert capacity / size <= MOST_SEGMENTS / 2 + 1


def test_across_two(fd: int) -> None:
    space = Space(fd, SIZE, [0, 2])
    stream = Stream(space, [])
    data = os.urandom(SIZE)
    stream.write(0, b"head", data)
    assert stream.segments == [1, 3]
    found = bytearray(4 + SIZE)
    stream.read(0, memoryview(found))
    assert found == b"head" + data
    assert list(stream.pieces(SIZE - 1, 3)) == [(DATA + 2 * SIZE - 1, 1), (DATA + 3 * SIZE, 2)]
    with pytest.raises(OSError, match="behind the data"):
        list(stream.pieces(2 * SIZE, 1))


def test_given_back(fd: int) -> None:
    space = Space(fd, SIZE, [])
    stream = Stream(space, [])
    stream.write(0, b"", bytes(3 * SIZE))
    dropped = stream.shrink(SIZE)
    assert (stream.segments, dropped) == ([0], [1, 2])
    space.give(dropped)
    assert os.fstat(fd).st_blocks * 512 <= SIZE + 4096
    assert space.take() == 1


def test_no_more(fd: int) -> None:
    space = Space(fd, SIZE, range(MOST_SEGMENTS))
    with pytest.raises(OSError, match="no free segment"):
        space.take()


def test_where_no_holes_can_be_punched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overwriting works, its space is used again, and what is erased is overwritten."""

    def unable(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("tgtd.media.cartridge.space.fallocate", unable)
    path = tmp_path / "x"
    cartridge = Cartridge.create(str(path), Making("A", 8 << 20))
    partition = cartridge.partitions[0]
    for _ in range(2):
        for _ in range(3):
            partition.append_block(b"secret!!" * (SIZE // 8), SIZE, 0)
        assert partition.segments == 4
        cartridge.cut(0, 0)
        assert partition.segments == 0
    partition.append_block(b"kept", 4, 0)
    size = path.stat().st_size
    assert b"secret" in path.read_bytes()
    shares = list(cartridge.wipe(0))
    assert len(shares) >= 3, "a MiB after the other"
    assert shares == sorted(shares)
    assert 0.7 < shares[-1] <= 1, "of the last segment the file has a part only"
    assert b"secret" not in path.read_bytes()
    assert b"kept" in path.read_bytes()
    assert path.stat().st_size == size
    cartridge.close()


def test_room_is_reserved_ahead_and_given_back(fd: int) -> None:
    """The file does not look longer for it, and only what is not written is given back."""
    space = Space(fd, 8 * SIZE, [])
    stream = Stream(space, [])
    stream.write(0, b"head", bytes(SIZE))
    ahead = os.fstat(fd)
    assert ahead.st_size == DATA + SIZE + 4
    assert ahead.st_blocks * 512 >= 4 * SIZE
    stream.write(SIZE + 4, b"", b"more")
    stream.release(SIZE + 8)
    space.trim()
    left = os.fstat(fd)
    assert left.st_size == DATA + SIZE + 8
    assert left.st_blocks * 512 <= SIZE + 8192
    stream.write(SIZE + 8, b"", b"again")
    assert os.fstat(fd).st_blocks * 512 >= 4 * SIZE


def test_room_in_the_middle_of_the_file(fd: int) -> None:
    """Two streams take turns: what the first has reserved lies before the end of the file."""
    space = Space(fd, SIZE, [])
    first, second = Stream(space, []), Stream(space, [])
    first.write(0, b"", b"one")
    second.write(0, b"", b"two")
    assert os.fstat(fd).st_blocks * 512 >= 2 * SIZE
    first.release(3)
    second.release(3)
    space.trim()
    assert os.fstat(fd).st_blocks * 512 <= 16384
    found = bytearray(3)
    first.read(0, memoryview(found))
    assert found == b"one"


def test_no_room_to_reserve_is_no_error(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def full(_fd: int, _mode: int, _at: int, length: int) -> None:
        asked.append(length)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tgtd.media.cartridge.space.fallocate", full)
    stream = Stream(Space(fd, 8 * SIZE, []), [])
    for number in range(5):
        stream.write(number * SIZE, b"", bytes(SIZE))
    assert asked == [4 * SIZE, 4 * SIZE], "not once for each block"


def test_erasing_by_holes_tells_how_far_it_is(tmp_path: Path) -> None:
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    for _ in range(3):
        cartridge.partitions[0].append_block(b"secret!!" * (SIZE // 8), SIZE, 0)
    cartridge.cut(0, 1)
    shares = list(cartridge.wipe(0))
    assert len(shares) == 3
    assert (shares, shares[-1]) == (sorted(shares), 1.0)
    assert (tmp_path / "x").read_bytes().count(b"secret") == SIZE // 8
    cartridge.close()
