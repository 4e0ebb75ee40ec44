"""tgtd.media.readonly."""

from __future__ import annotations

import errno

import pytest

from tgtd.media.ram import RamMedium
from tgtd.media.readonly import ReadOnlyMedium


def test_nothing_is_written() -> None:
    ram = RamMedium(1 << 20)
    ram.write(0, b"x" * 512, True)
    medium = ReadOnlyMedium(ram)
    assert not medium.writable
    assert not medium.can_discard
    assert not medium.can_anchor
    assert not medium.write_now(0, bytes(512))
    for call in (
        lambda: medium.write(0, bytes(512), False),
        medium.writing(0, bytes(512), False),
        lambda: medium.discard(0, 512),
        lambda: medium.anchor(0, 512),
        lambda: medium.zero(0, 512, True),
    ):
        with pytest.raises(OSError, match="filter") as caught:
            call()
        assert caught.value.errno == errno.EROFS
    into = memoryview(bytearray(512))
    assert medium.read_now(0, into)
    assert into == b"x" * 512
    medium.flush()
