"""The drive: cartridges that come and go, and do not fit."""

from __future__ import annotations

from pathlib import Path

from tests.scsi.ssc.taping import Tape, other
from tests.scsi.workbench import TUR
from tgtd.media.cartridge.cartridge import Cartridge, Making


def test_taken_out_and_put_in(tape: Tape) -> None:
    second = tape.connect("b")
    tape.ready(nexus=second)
    cartridge = tape.drive.take_out()
    assert tape.refused(TUR) == (2, 0x3A, 0)
    assert cartridge is not None
    tape.drive.put_in(cartridge)
    for nexus in (tape.nexus, second):
        assert tape.refused(TUR, nexus=nexus) == (6, 0x28, 0)
    tape.good(TUR)


def test_an_older_generation_is_read_only(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", personality="lto-7")
    tape.cartridge.close()
    old = Cartridge.create(str(tmp_path / "old"), Making("A00001L5", 8 << 20, "data", 0x58))
    tape.drive.take_out()
    tape.drive.put_in(old)
    tape.ready()
    tape.good(TUR)
    assert tape.refused(bytes.fromhex("0a0000000100"), b"x") == (7, 0x27, 0)
    old.close()


def test_reset_lets_everybody_go(tape: Tape) -> None:
    tape.good(bytes.fromhex("1e0000000100"))
    tape.drive.block_length = 512
    tape.drive.reset(None)
    assert (tape.drive.preventing, tape.drive.block_length) == ({}, 0)
