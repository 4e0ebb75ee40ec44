"""Mode pages of tape drives, and the block length that their block descriptor chooses (SSC-5 8.3)."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import Tape, other
from tests.scsi.ssc.test_division import choose
from tgtd.scsi.savedmodes import MEMORY, load
from tgtd.scsi.ssc.modes import MODE_PAGES

SENSE_ALL = bytes.fromhex("1a003f00ff00")


def select(length: int) -> bytes:
    return bytes((0x15, 0x10, 0, 0, length, 0))


def test_header_and_descriptor(tape: Tape) -> None:
    answer = tape.good(SENSE_ALL)
    assert answer[:12] == bytes((len(answer) - 1, 0x88, 0x10, 8, 0x5E, 0, 0, 0, 0, 0, 0, 0))
    listed = [page for page in MODE_PAGES if not page.apart]
    assert len(answer) == 12 + sum(page.length for page in listed if not page.subpage)
    assert len(tape.good(bytes.fromhex("5a003fff000000ffff00"))) == 16 + sum(page.length for page in listed)


def test_what_ibm_has_besides(tape: Tape, tmp_path: Path) -> None:
    assert tape.good(bytes.fromhex("1a082400ff00"))[4:] == bytes.fromhex("2406 000000000001")
    assert tape.good(bytes.fromhex("1a082f00ff00"))[4:] == bytes.fromhex("2f08 0000000000000000")
    everything = tape.good(bytes.fromhex("1a083f00ff00"))
    assert b"\x2f\x08" in everything
    assert b"\x24\x06" not in everything, "only for who asks for it"
    early = other(tmp_path / "x", personality="lto-3")
    assert early.refused(bytes.fromhex("1a082400ff00")) == (5, 0x24, 0)
    early.cartridge.close()
    settings = tape.drive.settings
    tape.drive.settings = replace(settings, personality=replace(settings.personality, vendor="tgtd"))
    for page in ("24", "2f"):
        assert tape.refused(bytes.fromhex(f"1a08{page}00ff00")) == (5, 0x24, 0)


def test_no_power_condition_is_ever_entered(tape: Tape) -> None:
    page = bytes.fromhex("1a26") + bytes(38)
    for control in (0x1A, 0x5A, 0x9A):
        assert tape.good(bytes((0x1A, 8, control, 0, 255, 0)))[4:] == page
    wanted = bytes((0, 0, 0x10, 0)) + page[:3] + b"\x08" + page[4:]
    assert tape.refused(bytes((0x15, 0x10, 0, 0, len(wanted), 0)), wanted) == (5, 0x26, 0)


def test_a_reset_leaves_the_drive_where_it_is(tape: Tape) -> None:
    tape.write(b"abc", b"def", 1)
    tape.space(0, -1)
    before = tape.where()
    tape.drive.reset(None)
    tape.ready()
    assert tape.where() == before == (0, 2, 0)
    assert tape.good(bytes.fromhex("1a081000ff00"))[4 + 15] >> 3 & 3 == 0b10


def test_no_page_at_all(tape: Tape) -> None:
    """What Linux asks for whenever it opens a tape."""
    assert tape.good(bytes.fromhex("1a0000000c00")) == bytes.fromhex("0b881008 5e000000 00000000")
    assert tape.refused(bytes.fromhex("1a0000010c00")) == (5, 0x24, 0)


def test_the_block_length_is_chosen(tape: Tape) -> None:
    second = tape.connect("b")
    tape.ready(nexus=second)
    tape.good(select(12), bytes.fromhex("00001008 5e000000 00000200"))
    assert tape.good(SENSE_ALL)[9:12] == b"\0\2\0"
    assert tape.refused(bytes(6), nexus=second) == (6, 0x2A, 1)
    data = os.urandom(1024)
    tape.good(bytes.fromhex("0a0100000200"), data)
    tape.good(select(12), bytes.fromhex("00001008 00000000 00000000"))
    tape.good(bytes.fromhex("010000000000"))
    assert tape.read(512).data_in == data[:512]


@pytest.mark.parametrize("descriptor", ["46000000 00000200", "5e000001 00000200"])
def test_what_cannot_be_chosen(tape: Tape, descriptor: str) -> None:
    """Another density, a number of blocks."""
    assert tape.refused(select(12), bytes.fromhex("00001008" + descriptor)) == (5, 0x26, 0)
    assert tape.drive.block_length == 0


def test_worm_shows(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", kind="worm")
    assert tape.good(bytes.fromhex("1a081d00ff00"))[1:10] == bytes.fromhex("8c10001d1e01000002")
    tape.cartridge.close()


def test_a_reset_makes_what_was_saved_current(tape: Tape) -> None:
    page = bytearray(tape.good(bytes.fromhex("1a080a00ff00"))[4:])
    page[5] |= 0x40
    tape.good(bytes((0x15, 0x11, 0, 0, 4 + len(page), 0)), bytes((0, 0, 0x10, 0)) + page)
    tape.drive.report_aborts = False
    tape.drive.descriptor_sense = True
    tape.drive.reset(None)
    tape.ready()
    assert (tape.drive.report_aborts, tape.drive.descriptor_sense) == (True, False)


def test_how_a_medium_is_divided_is_neither_saved_nor_reset(tape: Tape) -> None:
    choose(tape, 1, 0x38, 10, 0xFFFF)
    tape.good(bytes((0x15, 0x11, 0, 0, 0, 0)))
    assert load(tape.drive.memory.recall(MEMORY)) == {}
    assert tape.good(bytes.fromhex("1a081100ff00"))[4] == 0x11
    tape.drive.reset(None)
    tape.ready()
    assert tape.drive.division.additional == 1
