"""Where the CDBs of block commands keep LBA and length (SBC-4 5; SPC-5 4.2.5.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable

_TEN = struct.Struct(">2xIxH")
_TWELVE = struct.Struct(">2xII")
_SIXTEEN = struct.Struct(">2xQI")

LbaExtent = tuple[int, int]
"""First logical block address, number of logical blocks."""


def extent_6(cdb: bytes) -> LbaExtent:
    """A transfer length of zero means 256 blocks (SBC-4 5.15)."""
    return int.from_bytes(cdb[1:4], "big") & 0x1FFFFF, cdb[4] or 256


def extent_10(cdb: bytes) -> LbaExtent:
    lba, count = _TEN.unpack_from(cdb)
    return lba, count


def extent_12(cdb: bytes) -> LbaExtent:
    lba, count = _TWELVE.unpack_from(cdb)
    return lba, count


def extent_16(cdb: bytes) -> LbaExtent:
    lba, count = _SIXTEEN.unpack_from(cdb)
    return lba, count


def extent_32(cdb: bytes) -> LbaExtent:
    return int.from_bytes(cdb[12:20], "big"), int.from_bytes(cdb[28:32], "big")


EXTENTS: dict[int, Callable[[bytes], LbaExtent]] = {
    0: extent_6,
    1: extent_10,
    2: extent_10,
    3: extent_32,
    4: extent_16,
    5: extent_12,
}
"""By the operation code's group."""

LENGTH_FIELDS = {0: 4, 1: 7, 2: 7, 3: 28, 4: 10, 5: 6}
"""Byte at which the length field begins, by group: what a field pointer aims at."""


def extent(cdb: bytes) -> tuple[int, int, int]:
    """(LBA, blocks, byte of the length field) of any block command of the usual shape."""
    group = cdb[0] >> 5
    lba, count = EXTENTS[group](cdb)
    return lba, count, LENGTH_FIELDS[group]
