"""A partition that cannot be written to, or of which something is lost (test_cartridge.py has the rest)."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.label import DATA, NONE
from tgtd.media.cartridge.record import HEADER, Rot


def test_a_write_that_fails_leaves_what_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    partition = cartridge.partitions[0]
    partition.append_block(b"one", 3, 0)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OSError, match="No space"):
        partition.append_block(b"two", 3, 0)
    monkeypatch.undo()
    assert partition.objects == 1
    partition.append_block(b"three", 5, 0)
    place = partition.find(1)
    into = memoryview(bytearray(5))
    partition.read(place, into)
    assert bytes(into) == b"three"
    cartridge.close()


def test_a_file_that_lost_its_end(tmp_path: Path) -> None:
    """What the label knows of and the file no longer has is lost, and said to be; the rest is there."""
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    partition = cartridge.partitions[0]
    for number in range(5):
        partition.append_block(b"%d" % number * 100, 100, 0)
    cartridge.write_label()
    os.close(cartridge._fd)
    os.truncate(tmp_path / "x", DATA + 2 * (HEADER + 100) + 10)
    found = Cartridge.open(str(tmp_path / "x"))
    assert (found.partitions[0].objects, found.partitions[0].lost) == (2, 3)
    found.cut(0, 2)
    assert found.partitions[0].lost == 0
    found.partitions[0].append_block(b"new", 3, 0)
    found.close()
    assert Cartridge.open(str(tmp_path / "x"), writable=False).partitions[0].objects == 3


def test_where_encryption_begins(tmp_path: Path) -> None:
    """It is found again after a loss of power, be it in the label or behind it."""
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    partition = cartridge.partitions[0]
    partition.append_block(b"plain", 5, 0)
    cartridge.synchronize()
    assert (partition.sealed, cartridge.encrypted) == (NONE, False)
    partition.append_block(b"sealed", 6, 0x80)
    partition.append_block(b"sealed", 6, 0x81)
    os.close(cartridge._fd)
    for _ in range(2):
        cartridge = Cartridge.open(str(tmp_path / "x"))
        assert (cartridge.partitions[0].sealed, cartridge.encrypted) == (1, True)
        cartridge.write_label()
        os.close(cartridge._fd)
    cartridge = Cartridge.open(str(tmp_path / "x"))
    cartridge.cut(0, 2)
    assert cartridge.partitions[0].sealed == 1
    cartridge.cut(0, 1)
    assert cartridge.partitions[0].sealed == NONE
    cartridge.close()


def test_an_index_that_lies(tmp_path: Path) -> None:
    """Each page is whole, and yet they cannot be right: what they hide is damaged, for whoever looks for it."""
    cartridge = Cartridge.create(str(tmp_path / "x"), Making("A", 8 << 20))
    partition = cartridge.partitions[0]
    for number in range(3):
        partition.append_block(b"%d" % number, 1, 0)
    last = partition.find(2)
    partition.append_filemarks(1)
    partition._index.leaf = partition._index.leaf.cut(1)
    with pytest.raises(Rot, match="contradicts the label"):
        partition.find(2)
    with pytest.raises(Rot, match="contradicts the label"):
        partition.find_filemark(1)
    with pytest.raises(LookupError):
        partition.find(4)
    with pytest.raises(LookupError):
        partition.find_filemark(2)
    partition.end = last.end
    with pytest.raises(Rot, match="contradicts the label"):
        partition.after(last)
    cartridge.close()
