"""A directory of cartridges."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tgtd.media.library import LibraryMedium, whereabouts
from tgtd.media.problem import MediumError
from tgtd.scsi.smc.shelf import Blank


def test_looking_and_making(tmp_path: Path) -> None:
    shelf = LibraryMedium.open(str(tmp_path))
    assert shelf.look(()).present == {}
    (tmp_path / "other.img").touch()
    (tmp_path / "with space.tape").touch()
    (tmp_path / ("x" * 33 + ".tape")).touch()
    assert shelf.look((Blank("A00001L8", 8 << 20), Blank("A00002LX", 8 << 20))).present == {
        "A00001L8": None,
        "A00002LX": None,
    }
    worm = shelf.fetch("A00002LX")
    assert (worm.barcode, worm.kind, worm.capacity) == ("A00002LX", "worm", 8 << 20)
    worm.close()
    assert "TAPE" in shelf.look((Blank("TAPE", None, "clean", 7),)).present
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


def test_what_is_wrong_is_seen_when_it_changes(tmp_path: Path) -> None:
    shelf = LibraryMedium.open(str(tmp_path))
    shelf.look([Blank("A00001L8", 8 << 20)])
    path = tmp_path / "A00001L8.tape"
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))
    assert shelf.look(()).present == {"A00001L8": "it is no cartridge: it has no label"}
    path.write_bytes(whole)
    os.utime(path, ns=(0, 0))
    assert shelf.look(()).present == {"A00001L8": None}
    path.rename(tmp_path / "A00002L8.tape")
    (tmp_path / "A00003L8.tape").symlink_to("nowhere")
    assert shelf.look(()).present == {
        "A00002L8": "its label says that it is A00001L8",
        "A00003L8": "it cannot be found: No such file or directory",
    }


def test_one_that_cannot_be_made(tmp_path: Path) -> None:
    """The others are there."""
    (tmp_path / "A00001L8.tape").symlink_to("nowhere/else")
    shelf = LibraryMedium.open(str(tmp_path))
    found = shelf.look([Blank("A00001L8", 8 << 20), Blank("A00002L8", 8 << 20)])
    assert "is a link to a file that is not there" in found.unmade["A00001L8"]
    assert found.present["A00002L8"] is None


def test_whereabouts(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("b")
    (tmp_path / "d").touch()
    found = [whereabouts(str(tmp_path / name)) for name in "abcde"]
    assert found[0] == found[1] == found[2] != found[3]
    assert None not in found[:4]
    assert found[4] is None
