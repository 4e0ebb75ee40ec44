"""tgtd.media.fiemap: which parts of a file have space and no data."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tgtd.media.descriptor import KEEP_SIZE, PUNCH_HOLE, fallocate
from tgtd.media.fiemap import can_tell, unwritten

SIZE = 8 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.ftruncate(opened, SIZE)
    if not can_tell(opened):
        pytest.skip(f"the file system of {tmp_path} knows no FIEMAP")
    yield opened
    os.close(opened)


def test_a_hole_has_no_space(fd: int) -> None:
    assert list(unwritten(fd, 0, SIZE)) == []


def merged(found: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
    """With neighbours joined: how many extents a file system makes of a range is its own affair."""
    whole: list[tuple[int, int]] = []
    for offset, length in found:
        if whole and sum(whole[-1]) == offset:
            whole[-1] = (whole[-1][0], whole[-1][1] + length)
        else:
            whole.append((offset, length))
    return whole


def test_what_is_allocated_is_told_within_the_range(fd: int) -> None:
    fallocate(fd, KEEP_SIZE, 1 << 20, 1 << 20)
    os.pwrite(fd, b"x" * 65536, (1 << 20) + 65536)
    os.fsync(fd)
    assert merged(unwritten(fd, 0, SIZE)) == [(1 << 20, 65536), ((1 << 20) + 131072, (1 << 20) - 131072)]
    assert merged(unwritten(fd, (1 << 20) + 512, 1024)) == [((1 << 20) + 512, 1024)]


def test_more_extents_than_one_call_tells(fd: int) -> None:
    fallocate(fd, KEEP_SIZE, 0, SIZE)
    for at in range(0, SIZE, 32768):
        fallocate(fd, KEEP_SIZE | PUNCH_HOLE, at, 16384)
    assert merged(unwritten(fd, 0, SIZE)) == [(at + 16384, 16384) for at in range(0, SIZE, 32768)]


def test_what_is_in_the_page_cache_only(fd: int) -> None:
    fallocate(fd, KEEP_SIZE, 0, SIZE)
    os.pwrite(fd, b"x" * 65536, 65536)
    assert merged(unwritten(fd, 0, SIZE, settled=True)) == [(0, 65536), (131072, SIZE - 131072)]


def test_who_cannot_tell(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> None:
        def ioctl(*_: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "ioctl", ioctl)

    fail(errno.EOPNOTSUPP)
    assert not can_tell(fd)
    fail(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        can_tell(fd)
