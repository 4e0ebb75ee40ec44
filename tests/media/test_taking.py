"""tgtd.media.taking: what files take over from each other, and when they do not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.media.test_file import SIZE, make
from tgtd.media.file import FileMedium
from tgtd.media.ram import RamMedium


def pair(place: Path, **more: Any) -> tuple[FileMedium, FileMedium]:
    """Two media; the first holds a pattern, but for a hole of 64 KiB at 64 KiB."""
    first, second = make(place / "first", **more), make(place / "second", **more)
    first.write(0, os.urandom(SIZE), False)
    first.discard(65536, 65536)
    return first, second


def content(medium: FileMedium, offset: int = 0, length: int = SIZE) -> bytes:
    into = bytearray(length)
    medium.read(offset, memoryview(into))
    return bytes(into)


def test_taking_data_over(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    taking = second.taking(first, 4096, 8192, SIZE - 8192, durable=True)
    assert taking is not None
    taking()
    assert taking.moved == SIZE - 8192
    assert content(second, 8192, SIZE - 8192) == content(first, 4096, SIZE - 8192)
    assert content(second, 0, 8192) == bytes(8192)


def test_a_source_that_is_closed_meanwhile(tmp_path: Path) -> None:
    """Its descriptor's number may be another file's by then."""
    first, second = pair(tmp_path)
    expected = content(first)
    taking = second.taking(first, 0, 0, SIZE, durable=False)
    assert taking is not None
    first.close()
    with (tmp_path / "other").open("wb"):
        taking()
    assert content(second) == expected
    taking.close()
    taking.close()
    make(tmp_path / "first").close()  # the lock is gone too


def test_taking_stops_where_the_source_ends(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    os.truncate(tmp_path / "first", 8192)
    taking = second.taking(first, 0, 0, SIZE, durable=False)
    assert taking is not None
    taking()
    assert taking.moved == 8192


def test_what_cannot_be_taken_is_no_error_of_its_own(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    taking = first.taking(first, 0, 4096, 8192, durable=True)  # overlaps: EINVAL
    assert taking is not None
    taking()
    assert taking.moved == 0
    assert second.size == SIZE


def test_what_was_taken_is_flushed_if_it_must_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(tmp_path)
    flushed: list[int] = []
    monkeypatch.setattr("tgtd.media.taking.os.fdatasync", flushed.append)
    for durable in (False, True):
        taking = second.taking(first, 0, 0, 4096, durable)
        assert taking is not None
        taking()
        taking.close()
    assert flushed == [second._fd]


def test_a_medium_that_is_always_durable_flushes_what_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pair(tmp_path, sync=True)
    flushed: list[int] = []
    monkeypatch.setattr("tgtd.media.taking.os.fdatasync", flushed.append)
    taking = second.taking(first, 0, 0, 4096, durable=False)
    assert taking is not None
    taking()
    assert flushed == [second._fd]


def test_space_that_was_taken_in_advance_is_not_shared(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    third = make(tmp_path / "third", preallocate=True)
    assert third.taking(first, 0, 0, 4096, durable=False) is None
    assert second.taking(third, 0, 0, 4096, durable=False) is None


def test_nothing_is_taken_from_another_file_system(tmp_path: Path) -> None:
    first, second = pair(tmp_path)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        other = make(Path(place) / "disk")
        assert other.taking(first, 0, 0, 4096, durable=False) is None
        assert first.taking(other, 0, 0, 4096, durable=False) is None
        assert first.taking(RamMedium(SIZE), 0, 0, 4096, durable=False) is None
    assert second.taking(first, 0, 0, 4096, durable=False) is not None
