"""INITIALIZE ELEMENT STATUS and the search by tag (SMC-3 6)."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.smc.library import Library
from tests.scsi.workbench import GOOD, pointer_of, sense_of
from tgtd.scsi.task import Task


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


def send(library: Library, template: bytes, action: int = 5, tail: bytes = bytes(8), length: int = 40) -> Task:
    cdb = struct.pack(">BBHBBHHBB", 0xB6, 0, 0, 0, action, 0, length, 0, 0)
    return library.run(cdb, template.ljust(32) + tail)


def found(library: Library) -> list[str]:
    """The barcodes that the last search has."""
    answer = library.good(struct.pack(">BBHHB3sBB", 0xB5, 0x10, 0, 0xFFFF, 0, (4096).to_bytes(3, "big"), 0, 0))
    return [answer[at : at + 8].decode() for at in range(16 + 12, len(answer), 52)]


@pytest.mark.parametrize(
    ("action", "tail", "count"),
    [
        (5, "0000 0000 0000 0000", 3),
        (5, "0000 0001 0000 0002", 3),
        (4, "0000 0001 0000 0002", 3),
        (1, "0000 0000 0000 FFFF", 3),
        (0, "0000 0000 0000 0000", 3),
        (0, "0000 0001 0000 FFFF", 0),
        (1, "0000 0001 0000 0000", 0),
    ],
)
def test_sequence_numbers(library: Library, action: int, tail: str, count: int) -> None:
    """Volumes have 0; two of the actions ask for a range of them."""
    assert send(library, b"*", action, bytes.fromhex(tail)).status == GOOD
    assert len(found(library)) == count


@pytest.mark.parametrize(("at", "value", "bit"), [(32, 0x40, 6), (33, 0x01, 0), (36, 0x80, 7), (37, 0x08, 3)])
def test_reserved_bytes(library: Library, at: int, value: int, bit: int) -> None:
    tail = bytearray(8)
    tail[at - 32] = value
    task = send(library, b"*", tail=bytes(tail))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, at, bit))
    assert library.refused(bytes.fromhex("b5100000ffff0000ff000000")) == (5, 0x2C, 0)


def test_a_template_ends_at_its_first_zero(library: Library) -> None:
    send(library, b"A00001*\0rubbish")
    assert found(library) == ["A00001L8"]


def test_without_a_list_nothing_is_looked_for(library: Library) -> None:
    send(library, b"A00001L8")
    assert send(library, b"*", length=0).status == GOOD
    assert found(library) == ["A00001L8"]


@pytest.mark.parametrize("action", [2, 3, 6, 7, 8, 9, 0x0C, 0x1F])
def test_actions_that_are_not_there(library: Library, action: int) -> None:
    """No alternate tags, and barcodes are not an initiator's to change."""
    task = send(library, b"*", action)
    assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 5, 4))


@pytest.mark.parametrize("opcode", [0xB5, 0xB6, 0xB8])
def test_element_types_that_are_not_there(library: Library, opcode: int) -> None:
    send(library, b"*")
    for code in (5, 15):
        task = library.run(bytes((opcode, code)) + bytes(10))
        assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 1, 3))


def test_no_barcode_labels(library: Library) -> None:
    """NBL is accepted by the commands that had it, and barcodes are known nevertheless."""
    library.good(bytes.fromhex("070000000080"))
    library.good(bytes.fromhex("e70103e8000000010080"))
    assert library.refused(bytes.fromhex("370103e8000000010080")) == (5, 0x24, 0)
    assert library.refused(bytes.fromhex("070000000040")) == (5, 0x24, 0)
