"""Parameter lists of EXTENDED COPY, of either width of list identifier (SPC-5 6.6, 6.7): checked, then plain data.

Nothing is copied before the whole list is known to be sound.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from tgtd.scsi.copy.office import Designator
from tgtd.scsi.sense import (
    INLINE_DATA_LENGTH_EXCEEDED,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    TOO_MANY_SEGMENT_DESCRIPTORS,
    TOO_MANY_TARGET_DESCRIPTORS,
    UNSUPPORTED_SEGMENT_DESCRIPTOR,
    UNSUPPORTED_TARGET_DESCRIPTOR,
    CheckCondition,
)

MOST_CSCDS = 64
MOST_SEGMENTS = 64
MOST_DESCRIPTORS = 8192
"""Bytes of both descriptor lists together."""
MOST_PARAMETERS = 48 + MOST_DESCRIPTORS

OWN_UNIT = 0xFFFF
"""The CSCD descriptor ID of the unit that received the command."""
BLOCK_TO_BLOCK = 0x02
IDENTIFICATION = 0xE4
CSCD_TYPES = (IDENTIFICATION,)
SEGMENT_TYPES = (BLOCK_TO_BLOCK,)

_HOLDS, _MAY_DISCARD, _NO_IDENTIFIER = 0b00, 0b10, 0b11
_CSCD, _SEGMENT = 32, 28
_DC = 0x02


class Cscd(NamedTuple):
    """A unit to copy from or to. at: where its descriptor begins. relative_port: the initiator port to reach it by, 0:
    any. device_type, block_size: as the initiator believes; of the latter 0: whatever it is."""

    at: int
    designator: Designator
    device_type: int
    relative_port: int
    block_size: int


class CopyMove(NamedTuple):
    """A block to block segment. at: where its descriptor begins; source, destination: CSCD descriptor IDs.
    by_destination: they are its blocks."""

    at: int
    source: int
    destination: int
    by_destination: bool
    blocks: int
    source_lba: int
    destination_lba: int


class Order(NamedTuple):
    """What an EXTENDED COPY asks for. identifier None: the copy has none. immediate: GOOD before it is done."""

    identifier: int | None
    immediate: bool
    cscds: tuple[Cscd, ...]
    moves: tuple[CopyMove, ...]


class _Header(NamedTuple):
    size: int
    identifier: int
    at_identifier: int
    immediate: bool
    cscds: int
    segments: int
    inline: int


def decode(data: bytes, wide: bool) -> Order:
    """wide: the list identifier has four bytes. Raises CheckCondition."""
    if len(data) < (48 if wide else 16):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    header = _wide_header(data) if wide else _narrow_header(data)
    _demand_room(data, header)
    usage = data[1] >> 3 & 0x03
    if usage not in (_HOLDS, _MAY_DISCARD, _NO_IDENTIFIER) or data[1] & 0xC0:
        raise wrong(1, 7 if data[1] & 0x80 else 6 if data[1] & 0x40 else 4)
    identifier: int | None = header.identifier
    if usage == _NO_IDENTIFIER:
        if identifier:
            raise wrong(header.at_identifier)
        if header.immediate:
            raise wrong(15, 0)
        identifier = None
    end = header.size + header.cscds
    cscds = tuple(_cscd(data, at) for at in range(header.size, end, _CSCD))
    moves = tuple(_moves(data, end, end + header.segments))
    return Order(identifier, header.immediate, cscds, moves)


def _narrow_header(data: bytes) -> _Header:
    demand_zero(data, 4, 8)
    return _Header(16, data[0], 0, False, *struct.unpack_from(">H4xII", data, 2))


def _wide_header(data: bytes) -> _Header:
    if data[0] != 0x01:
        raise wrong(0)
    if data[2:4] != b"\x00\x20":
        raise wrong(2)
    demand_zero(data, 4, 15)
    if data[15] & ~0x01:  # with G_SENSE sense data would have to come with GOOD
        raise wrong(15, (data[15] & ~0x01).bit_length() - 1)
    if data[16] != 0xFF:
        raise wrong(16)
    demand_zero(data, 17, 20)
    demand_zero(data, 24, 42)
    identifier = int.from_bytes(data[20:24], "big")
    return _Header(48, identifier, 20, bool(data[15] & 1), *struct.unpack_from(">HHH", data, 42))


def _demand_room(data: bytes, header: _Header) -> None:
    """The lists fit, both into what came and into what we take."""
    if header.cscds + header.segments > MOST_DESCRIPTORS:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if header.inline:
        raise CheckCondition(INLINE_DATA_LENGTH_EXCEEDED)
    if header.size + header.cscds + header.segments > len(data) or header.cscds % _CSCD:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if header.cscds > MOST_CSCDS * _CSCD:
        raise CheckCondition(TOO_MANY_TARGET_DESCRIPTORS)


def _cscd(data: bytes, at: int) -> Cscd:
    """An identification descriptor (SPC-5 6.6.5.2); LU ID TYPE and NUL are obsolete, and not looked at."""
    if data[at] not in CSCD_TYPES:
        raise CheckCondition(UNSUPPORTED_TARGET_DESCRIPTOR, field=at)
    length = data[at + 7]
    if data[at + 5] & 0x30:
        raise wrong(at + 5, 5)
    if length > 20:
        raise wrong(at + 7)
    designator = Designator(data[at + 4] & 0x0F, data[at + 5] & 0x0F, data[at + 8 : at + 8 + length])
    block_size = int.from_bytes(data[at + 29 : at + 32], "big")
    return Cscd(at, designator, data[at + 1] & 0x1F, int.from_bytes(data[at + 2 : at + 4], "big"), block_size)


def _moves(data: bytes, at: int, end: int) -> list[CopyMove]:
    found: list[CopyMove] = []
    while at < end:
        if end - at < 4:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        if data[at] not in SEGMENT_TYPES:
            raise CheckCondition(UNSUPPORTED_SEGMENT_DESCRIPTOR, field=at)
        if len(found) == MOST_SEGMENTS:
            raise CheckCondition(TOO_MANY_SEGMENT_DESCRIPTORS, field=at)
        if int.from_bytes(data[at + 2 : at + 4], "big") != _SEGMENT - 4:
            raise wrong(at + 2)
        if end - at < _SEGMENT:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        if data[at + 1] & 0xFC:
            raise wrong(at + 1, data[at + 1].bit_length() - 1)
        demand_zero(data, at + 8, at + 10)
        source, destination, count, here, there = struct.unpack_from(">HH2xHQQ", data, at + 4)
        found.append(CopyMove(at, source, destination, bool(data[at + 1] & _DC), count, here, there))
        at += _SEGMENT
    return found


def demand_zero(data: bytes, start: int, end: int) -> None:
    """Reserved bytes. Raises INVALID FIELD IN PARAMETER LIST, pointing at the first bit that is set."""
    for at in range(start, end):
        if data[at]:
            raise wrong(at, data[at].bit_length() - 1)


def wrong(at: int, bit: int = 7) -> CheckCondition:
    """INVALID FIELD IN PARAMETER LIST, pointing there."""
    return CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=bit)
