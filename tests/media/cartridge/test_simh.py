"""Images in SIMH's format, read as a stream (tests/cli/test_medium.py has the way there and back)."""

from __future__ import annotations

import io

import pytest

from tgtd.media.cartridge.simh import records
from tgtd.media.problem import MediumError


def test_gaps_and_the_end() -> None:
    image = b"\xfe\xff\xff\xff" + b"\1\0\0\0x\0\1\0\0\0" + bytes(4) + b"\xff\xff\xff\xff" + b"what follows is not read"
    assert list(records(io.BytesIO(image), "x")) == [b"x", None]
    assert list(records(io.BytesIO(b""), "x")) == []


def test_what_is_told_of_a_broken_image() -> None:
    with pytest.raises(MediumError, match="x: at byte 4: a record of 33554432 bytes is longer"):
        list(records(io.BytesIO(bytes(4) + b"\0\0\0\2"), "x"))
