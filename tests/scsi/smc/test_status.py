"""INITIALIZE ELEMENT STATUS and the search by tag (SMC-3 6)."""

from __future__ import annotations

import struct

from tests.scsi.smc.library import Library


def test_search_by_tag(library: Library) -> None:
    template = b"A0000?L8".ljust(32) + bytes(8)
    library.good(struct.pack(">BBHBBHHBB", 0xB6, 2, 1001, 0, 5, 0, 40, 0, 0), template)
    answer = library.good(struct.pack(">BBHHB3sBB", 0xB5, 0x12, 0, 9, 0, (500).to_bytes(3, "big"), 0, 0))
    assert struct.unpack_from(">HHB", answer) == (1001, 2, 5)
    assert answer[16 + 12 :].startswith(b"A00001L8")
    second = library.connect("b")
    library.ready(nexus=second)
    assert library.refused(struct.pack(">BBHHB3sBB", 0xB5, 0, 0, 9, 0, b"\0\1\0", 0, 0), nexus=second) == (5, 0x2C, 0)
    assert library.refused(struct.pack(">BBHBBHHBB", 0xB6, 2, 1001, 0, 5, 0, 12, 0, 0), template) == (5, 0x1A, 0)


def test_initialize(library: Library) -> None:
    library.good(bytes.fromhex("070000000000"))
    library.good(bytes.fromhex("370103e8000000010000"))
    assert library.refused(bytes.fromhex("e70107d0000000010000")) == (5, 0x21, 1)
