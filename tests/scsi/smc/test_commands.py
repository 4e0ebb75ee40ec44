"""The LUN in byte 1, where SCSI-2 had it and Linux's ch and mtx still put it."""

from __future__ import annotations

import pytest

from tests.scsi.smc.library import Library

SAME = {
    "INITIALIZE ELEMENT STATUS": "070000000000",
    "MODE SENSE(6)": "1a001d00ff00",
    "READ ELEMENT STATUS": "b812000000ff00000fff0000",
}


@pytest.mark.parametrize("cdb", SAME.values(), ids=SAME)
def test_the_lun_means_nothing(library: Library, cdb: str) -> None:
    plain = bytes.fromhex(cdb)
    with_lun = bytes((plain[0], plain[1] | 0xA0)) + plain[2:]
    assert library.good(with_lun) == library.good(plain)


def test_moves_with_it(library: Library) -> None:
    """There and back: storage element 1000 holds a cartridge, 500 is a drive."""
    library.good(bytes.fromhex("a520000103e801f400000000"))
    library.good(bytes.fromhex("a5e0000101f403e800000000"))
    library.good(bytes.fromhex("2b20000103e800000000"))


def test_other_bits_and_other_commands_are_as_ever(library: Library) -> None:
    assert library.refused(bytes.fromhex("a501000103e801f400000000")) == (5, 0x24, 0)
    assert library.refused(bytes.fromhex("002000000000")) == (5, 0x24, 0)
    assert library.refused(bytes.fromhex("5a201d000000000000ff00")[:10]) == (5, 0x24, 0)
