"""What barcodes say."""

from __future__ import annotations

from tgtd.scsi.smc.barcodes import BarcodeRule, medium_type, rule_for

RULES = (
    BarcodeRule("", "W", "worm", 7),
    BarcodeRule("SCR", "L8", "clean"),
    BarcodeRule("SCR", "", "data", size=1 << 30),
)


def test_ltos_own() -> None:
    codes = ("A00001L8", "A00001LY", "CLNU01L1", "TAPE", "A00001LS")
    assert [medium_type(one) for one in codes] == [1, 4, 2, 0, 0]


def test_the_owners_come_first() -> None:
    codes = ("TAPEW", "SCR001L8", "SCR001", "A00001LY", "CLNU01W", "W1")
    assert [medium_type(one, RULES) for one in codes] == [4, 2, 1, 4, 4, 0]
    assert rule_for("SCR001L8", RULES) is RULES[1]
    assert rule_for("A00001L8", RULES) is None
