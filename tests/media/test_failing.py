"""tgtd.media.failing."""

from __future__ import annotations

import errno
import random
from typing import Any

import pytest

from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium

PLAIN: dict[str, Any] = {"error": "EIO", "offset": 0, "length": None, "probability": 1.0, "count": 0}


def make(*verbs: str, **options: Any) -> FailingMedium:
    return FailingMedium(RamMedium(1 << 20), verbs, **{**PLAIN, **options})


def fails(medium: FailingMedium, offset: int = 0, length: int = 512) -> int | None:
    try:
        medium.read(offset, memoryview(bytearray(length)))
    except OSError as error:
        return error.errno
    return None


@pytest.mark.parametrize("name", ["EIO", "ENOSPC", "EROFS", "ENODEV"])
def test_errors(name: str) -> None:
    assert fails(make(error=name)) == getattr(errno, name)


def test_range() -> None:
    medium = make("read", "flush", offset=4096, length=1024)
    assert [fails(medium, at) for at in (0, 3584, 4096, 4608, 5120)] == [None, None, errno.EIO, errno.EIO, None]
    assert fails(medium, 0, 8192) == errno.EIO
    into = memoryview(bytearray(512))
    assert medium.read_now(0, into)
    assert not medium.read_now(4096, into), "the error is for the worker to meet"
    with pytest.raises(OSError, match="filter"):
        medium.flush()


def test_what_fails_changes_nothing() -> None:
    medium = make("write")
    with pytest.raises(OSError, match="filter"):
        medium.write(0, b"x" * 512, False)
    into = memoryview(bytearray(512))
    medium.read(0, into)
    assert into == bytes(512)


def test_count() -> None:
    medium = make(count=2)
    assert [fails(medium) for _ in range(4)] == [errno.EIO, errno.EIO, None, None]


def test_probability() -> None:
    random.seed(7)
    medium = make(probability=0.25)
    failed = sum(fails(medium) is not None for _ in range(2000))
    assert 400 < failed < 600
    never = make(probability=0.0)
    assert [fails(never) for _ in range(100)] == [None] * 100
