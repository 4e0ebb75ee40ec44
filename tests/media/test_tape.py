"""Cartridges as media of drives: opened, made, and none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tgtd.media.options import OpenOptions
from tgtd.media.problem import MediumError
from tgtd.media.tape import TapeMedium


def test_an_empty_drive() -> None:
    medium = TapeMedium.open(None)
    assert (medium.cartridge, medium.size, medium.writable) == (None, 0, True)
    medium.flush()
    medium.close()


def test_made_and_opened(tmp_path: Path) -> None:
    path = str(tmp_path / "A00001LW.tape")
    with pytest.raises(MediumError, match="does not exist"):
        TapeMedium.open(path)
    medium = TapeMedium.open(path, OpenOptions(size=8 << 20, create=True))
    assert medium.cartridge is not None
    assert (medium.cartridge.kind, medium.cartridge.barcode, medium.cartridge.density) == ("worm", "A00001LW", 0x5A)
    medium.flush()
    medium.close()
    medium.close()
    again = TapeMedium.open(path, OpenOptions(create=True))
    assert (again.size, again.resize_probe()) == (8 << 20, 8 << 20)
    again.grow(8 << 20)
    with pytest.raises(OSError, match="keeps the size"):
        again.grow(9 << 20)
    again.close()
    with pytest.raises(MediumError, match="9437184 are declared"):
        TapeMedium.open(path, OpenOptions(size=9 << 20))
    reader = TapeMedium.open(path, OpenOptions(writable=False))
    assert not reader.writable
    reader.close()


def test_a_link_to_nothing(tmp_path: Path) -> None:
    """As when the file system with the cartridges is not mounted: a blank one is not what is wanted then."""
    path = tmp_path / "A00001L8"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MediumError, match="is a link to a file that is not there; restore"):
        TapeMedium.open(str(path), OpenOptions(create=True))
