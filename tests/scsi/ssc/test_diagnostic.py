"""SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS of tape drives (SPC-5 6.28, 6.42)."""

from __future__ import annotations

import pytest

from tests.scsi.ssc.taping import REWIND, Tape
from tests.scsi.workbench import pointer_of, sense_of
from tgtd.media.cartridge.label import SLOT

SELF_TEST = bytes.fromhex("1d0400000000")


def spoil(tape: Tape, at: int) -> None:
    with tape.file.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes((byte[0] ^ 1,)))


def test_what_is_whole_passes(tape: Tape) -> None:
    tape.good(SELF_TEST)
    tape.write(b"one", 1, b"the last")
    tape.good(REWIND)
    tape.good(SELF_TEST)
    assert tape.where() == (0, 0, 0)
    tape.good(bytes.fromhex("1b0000000000"))
    tape.good(SELF_TEST)
    tape.drive.take_out()
    tape.good(SELF_TEST)


@pytest.mark.parametrize("data", [b"the first", b"the last"])
def test_a_block_that_is_damaged(tape: Tape, data: bytes) -> None:
    tape.write(b"the first", 1, b"the last")
    spoil(tape, tape.file.read_bytes().index(data))
    assert tape.refused(SELF_TEST) == (4, 0x3E, 3)
    assert tape.where() == (0, 3, 1)


def test_a_label_that_is_damaged(tape: Tape) -> None:
    sequence = tape.cartridge._sequence
    spoil(tape, (sequence & 1) * SLOT + 40)
    assert tape.refused(SELF_TEST) == (4, 0x3E, 3)


@pytest.mark.parametrize("code", range(1, 8))
def test_no_other_self_tests(tape: Tape, code: int) -> None:
    task = tape.run(bytes((0x1D, code << 5, 0, 0, 0, 0)))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 1, 7))


def test_the_list_of_pages(tape: Tape) -> None:
    tape.good(bytes.fromhex("1d1000000400"), bytes(4))
    assert tape.good(bytes.fromhex("1c0100000800")) == bytes.fromhex("0000000100")
    assert tape.refused(bytes.fromhex("1d1000000400"), b"\1\0\0\0") == (5, 0x26, 0)
    assert tape.refused(bytes.fromhex("1c0140000800")) == (5, 0x24, 0)
