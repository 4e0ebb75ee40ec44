"""Images in SIMH's format, read as a stream (tests/cli/test_medium.py has the way there and back)."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest

from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.simh import records, write_out
from tgtd.media.codecs import FORM_ZLIB
from tgtd.media.problem import MediumError


def test_gaps_and_the_end() -> None:
    image = b"\xfe\xff\xff\xff" + b"\1\0\0\0x\0\1\0\0\0" + bytes(4) + b"\xff\xff\xff\xff" + b"what follows is not read"
    assert list(records(io.BytesIO(image), "x")) == [b"x", None]
    assert list(records(io.BytesIO(b""), "x")) == []


def test_what_is_told_of_a_broken_image() -> None:
    with pytest.raises(MediumError, match="x: at byte 4: a record of 33554432 bytes is longer"):
        list(records(io.BytesIO(bytes(4) + b"\0\0\0\2"), "x"))


def test_a_block_that_would_be_longer_than_one_may_be(tmp_path: Path) -> None:
    """Nothing is unpacked to more than that."""
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    cartridge.partitions[0].append_block(zlib.compress(bytes(17 << 20)), 17 << 20, FORM_ZLIB)
    with (tmp_path / "out").open("wb") as out, pytest.raises(MediumError, match="block 0 is compressed by a codec"):
        write_out(cartridge.partitions[0], out)
    cartridge.close()
