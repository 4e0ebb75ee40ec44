"""A directory of cartridges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tgtd.media.library import LibraryMedium
from tgtd.media.problem import MediumError
from tgtd.scsi.smc.shelf import Blank


def test_looking_and_making(tmp_path: Path) -> None:
    shelf = LibraryMedium.open(str(tmp_path))
    assert shelf.look(()) == frozenset()
    (tmp_path / "other.img").touch()
    (tmp_path / "with space.tape").touch()
    (tmp_path / ("x" * 33 + ".tape")).touch()
    assert shelf.look((Blank("A00001L8", 8 << 20), Blank("A00002LX", 8 << 20))) == {"A00001L8", "A00002LX"}
    worm = shelf.fetch("A00002LX")
    assert (worm.barcode, worm.kind, worm.capacity) == ("A00002LX", "worm", 8 << 20)
    worm.close()
    assert "TAPE" in shelf.look((Blank("TAPE", None, "clean", 7),))
    odd = shelf.fetch("TAPE")
    assert (odd.kind, odd.density, odd.capacity) == ("clean", 0x5C, 6_000_000_000_000)
    odd.close()
    before = (tmp_path / "A00001L8.tape").read_bytes()
    shelf.look((Blank("A00001L8", 9 << 20),))
    assert (tmp_path / "A00001L8.tape").read_bytes() == before
    assert (shelf.resize_probe(), shelf.size) == (0, 0)
    shelf.flush()
    shelf.close()


def test_what_is_no_cartridge(tmp_path: Path) -> None:
    (tmp_path / "A00001L8.tape").write_bytes(b"x" * 9000)
    shelf = LibraryMedium.open(str(tmp_path))
    for barcode in ("A00001L8", "A00002L8"):
        with pytest.raises(MediumError):
            shelf.fetch(barcode)


def test_directories_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (None, str(tmp_path / "file"), str(tmp_path / "missing")):
        with pytest.raises(MediumError, match="director"):
            LibraryMedium.open(path)
