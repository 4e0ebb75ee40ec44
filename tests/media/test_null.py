"""tgtd.media.null: zeros out, nothing in."""

from __future__ import annotations

import pytest

from tgtd.media.null import NullMedium
from tgtd.media.options import OpenOptions
from tgtd.media.problem import MediumError


def test_reads_zeros_whatever_was_written() -> None:
    medium = NullMedium.open(None, OpenOptions(size=1 << 40))
    medium.write(5, b"data", True)
    medium.flush()
    medium.discard(0, 512)
    medium.zero(0, 512, True)
    into = memoryview(bytearray(b"\xff" * ((2 << 20) + 5)))
    medium.read(0, into)
    assert into == bytes(len(into))
    assert medium.read_now(5, into)
    assert list(medium.extents(512, 512)) == [(512, 512, False)]
    assert not medium.can_discard
    assert not medium.volatile
    medium.grow(1 << 41)
    assert medium.resize_probe() == medium.size == 1 << 41
    medium.close()


def test_a_size_is_needed() -> None:
    with pytest.raises(MediumError, match="give the medium a size"):
        NullMedium.open(None)
