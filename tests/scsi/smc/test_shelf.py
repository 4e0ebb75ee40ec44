"""What is asked of a shelf."""

from __future__ import annotations

from tests.scsi.smc.library import LAYOUT
from tgtd.scsi.smc.barcodes import BarcodeRule
from tgtd.scsi.smc.shelf import Blank, DriveName, LibrarySettings


def test_how_a_cartridge_is_made() -> None:
    rules = (BarcodeRule("", "W", "worm", 7), BarcodeRule("B", "", "data", size=9 << 20))
    settings = LibrarySettings(LAYOUT, (), size=8 << 20, rules=rules)
    assert settings.blank("A00001L8") == Blank("A00001L8", 8 << 20)
    assert settings.blank("BIGW") == Blank("BIGW", 8 << 20, "worm", 7)
    assert settings.blank("BIG") == Blank("BIG", 9 << 20, "data")


def test_names_of_drives() -> None:
    assert [str(DriveName(None, 1)), str(DriveName("iqn.2026-11.org.test:a", 2))] == ["1", "iqn.2026-11.org.test:a/2"]
