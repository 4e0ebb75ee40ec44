"""READ BLOCK LIMITS and REPORT DENSITY SUPPORT (SSC-5 7.5, 7.10)."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.scsi.ssc.taping import Tape, other


def test_block_limits(tape: Tape) -> None:
    assert tape.good(bytes.fromhex("050000000000")) == bytes.fromhex("00ffffff0001")
    assert tape.good(bytes.fromhex("050100000000"))[12:] == b"\xff" * 8


def rows(answer: bytes) -> list[tuple[int, int]]:
    """Density codes with their flags."""
    assert struct.unpack_from(">H", answer)[0] == len(answer) - 2
    assert (len(answer) - 4) % 52 == 0
    return [(answer[at], answer[at + 2]) for at in range(4, len(answer), 52)]


def test_of_generation_10(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", personality="lto-10")
    answer = tape.good(bytes.fromhex("44000000000000ffff00"))
    assert rows(answer) == [(0x62, 0xA0), (0x63, 0x80)]
    larger = answer[4 + 52 :]
    assert struct.unpack_from(">HHI", larger, 8) == (127, 15104, 40_000_000)
    assert (int.from_bytes(larger[5:8], "big"), larger[24:32], larger[32:52].strip()) == (
        22441,
        b"U-1032P ",
        b"Ultrium 10",
    )
    tape.cartridge.label.density = 0x63
    assert rows(tape.good(bytes.fromhex("44010000000000ffff00"))) == [(0x63, 0x80)]
    assert tape.good(bytes.fromhex("1a083f00ff00"))[1] == 0xA9
    tape.write(b"larger")
    tape.cartridge.close()


def test_of_the_drive_and_of_the_medium(tape: Tape) -> None:
    """An LTO-8 drive: it reads and writes LTO-7 and 8, and 8 is what it writes on blank ones."""
    assert rows(tape.good(bytes.fromhex("44000000000000ffff00"))) == [(0x5C, 0x80), (0x5E, 0xA0)]
    assert rows(tape.good(bytes.fromhex("44010000000000ffff00"))) == [(0x5E, 0xA0)]
    assert tape.refused(bytes.fromhex("44020000000000ffff00")) == (5, 0x24, 0)
    assert len(tape.good(bytes.fromhex("44000000000000000900"))) == 9
    tape.drive.take_out()
    assert tape.refused(bytes.fromhex("44010000000000ffff00")) == (2, 0x3A, 0)
