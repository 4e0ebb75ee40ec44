"""READ ELEMENT STATUS and the search by tag, byte for byte (SMC-3 6.12)."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.smc.library import Library


def status(
    kind: int = 0, first: int = 0, most: int = 0xFFFF, flags: int = 0, room: int = 0xFFFF, six: int = 0
) -> bytes:
    return struct.pack(">BBHHB3sxx", 0xB8, kind | flags, first, most, six, room.to_bytes(3, "big"))


def test_everything(library: Library) -> None:
    answer = library.good(status(flags=0x10))
    first, count, size = struct.unpack(">HHI", answer[:8])
    assert (first, count, size) == (1, 11, len(answer) - 8)
    at, kinds = 8, []
    while at < len(answer):
        kind, flags, length, whole = struct.unpack_from(">BBHI", answer, at)
        assert (flags, length) == (0x80, 52)
        kinds.append((kind, whole // length))
        at += 8 + whole
    assert kinds == [(1, 1), (3, 2), (4, 2), (2, 6)]


def test_a_slot(library: Library) -> None:
    answer = library.good(status(kind=2, first=1000, most=1, flags=0x10))
    page = answer[16:]
    assert struct.unpack_from(">HB", page) == (1000, 0x09)
    assert page[12:44] == b"A00000L8".ljust(32)
    assert page[9] & 0x80 == 0


def test_a_drive(library: Library) -> None:
    library.good(library.move(1002, 501))
    answer = library.good(status(kind=4, six=1))
    length = struct.unpack_from(">H", answer, 10)[0]
    drives = [answer[16 + length * number : 16 + length * (number + 1)] for number in range(2)]
    assert struct.unpack_from(">HB", drives[1]) == (501, 0x09)
    assert (drives[1][9] & 0x80, struct.unpack_from(">H", drives[1], 10)[0]) == (0x80, 1002)
    assert drives[1][12:] == b"\x02\x01\x00\x06DRIVE1"
    assert drives[0][2] == 0x08


@pytest.mark.parametrize("room", range(0, 200, 7))
def test_no_descriptor_is_cut(library: Library, room: int) -> None:
    whole = library.good(status(flags=0x10))
    part = library.good(status(flags=0x10, room=room))
    assert whole.startswith(part)
    if len(part) > 16:
        assert (len(part) - 16) % 52 in (0, 8, 16, 24)


def test_no_more_than_asked_for(library: Library) -> None:
    answer = library.good(status(kind=2, first=1002, most=2))
    assert struct.unpack(">HHI", answer[:8]) == (1002, 2, 8 + 2 * 16)
    assert library.refused(status(kind=9)) == (5, 0x24, 0)
