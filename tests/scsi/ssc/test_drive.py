"""The drive: cartridges that come and go, and do not fit."""

from __future__ import annotations

from pathlib import Path

from tests.scsi.ssc.taping import Tape, other
from tests.scsi.workbench import CHECK_CONDITION, GOOD, TUR, sense_of
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


def test_a_cartridge_that_is_swapped_under_a_command(tape: Tape, tmp_path: Path) -> None:
    """Where the old one was left is not where the new one is, and nobody is told that all went well."""
    tape.write(b"one", b"two", b"three")
    for cdb in (bytes.fromhex("34060000000000000000"), bytes.fromhex("2b000000000001000000")):
        tape.drive.thread(True, tape.nexus)
        task = tape.start(cdb)
        behind = tape.start(TUR)
        medium = tape.drive.offline()
        work, done = tape.lane.jobs.pop()
        work()
        done(None)
        assert (task.status, sense_of(task)) == (CHECK_CONDITION, (2, 0x04, 3))
        assert behind.status == GOOD
        assert medium is not None
        tape.drive.insert(medium)
        tape.ready()
        assert tape.where() == (0, 0, 0)
    task = tape.start(bytes.fromhex("1b0000000000"))
    cartridge = tape.drive.take_out()
    assert cartridge is not None
    tape.drive.put_in(cartridge)
    tape.lane.drain()
    assert sense_of(task) == (6, 0x28, 0)
    assert tape.drive.loaded, "it was another cartridge that was to be unloaded"
