"""VPD pages of tape drives."""

from __future__ import annotations

from tests.scsi.ssc.taping import Tape


def test_pages(tape: Tape) -> None:
    assert tape.good(bytes.fromhex("12000000ff00"))[:2] == b"\x01\x80"
    assert tape.good(bytes.fromhex("120100 00ff00"))[4:] == bytes((0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB5))
    assert tape.good(bytes.fromhex("1201b000ff00")) == bytes.fromhex("01b000020100")
    assert tape.good(bytes.fromhex("1201b100ff00"))[4:] == b"SN0001"
    assert tape.good(bytes.fromhex("1201b500ff00")) == bytes.fromhex("01b5000e 00000000 040104c000 040204c000")
