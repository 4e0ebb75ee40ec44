"""READ ELEMENT STATUS: what is in each element, page by page (SMC-3 6.12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from tgtd.scsi.sense import GOOD, INVALID_ELEMENT_ADDRESS, INVALID_FIELD_IN_CDB, CheckCondition, Sense
from tgtd.scsi.smc.inventory import ElementType, Resting
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_VOLTAG, _CURDATA, _DVCID = 0x10, 0x02, 0x01
_FULL, _IMPEXP, _EXCEPT, _ACCESS, _EXENAB, _INENAB = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_SVALID = 0x80
_PVOLTAG = 0x80

_HEADER = struct.Struct(">HHxBH")
_PAGE = struct.Struct(">BBHxBH")
_DESCRIPTOR = struct.Struct(">HBxBBxxxBH")
_TAG = struct.Struct(">32s4x")


@dataclass(frozen=True, slots=True)
class Status:
    """An element as it is reported. trouble: why what is in it cannot be used. identifier: of a drive, as code set,
    type and bytes. medium: MEDIUM TYPE."""

    address: int
    kind: ElementType
    volume: Resting | None
    accessible: bool = True
    trouble: Sense | None = None
    identifier: tuple[int, int, bytes] | None = None
    medium: int = 0


def read_element_status(changer: Changer, task: Task) -> int:
    """READ ELEMENT STATUS. Nothing has to move for the answer, so CURDATA changes nothing."""
    cdb = task.cdb
    code = cdb[1] & 0x0F
    if code > ElementType.DRIVE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=3)
    first, most = int.from_bytes(cdb[2:4], "big"), int.from_bytes(cdb[4:6], "big")
    room = int.from_bytes(cdb[7:10], "big")
    found = list(islice(changer.statuses(first, code), most))
    if most and not found and not any(code in (0, one.kind) and one.count for one in changer.layout.ranges):
        raise CheckCondition(INVALID_ELEMENT_ADDRESS)
    task.data_in = encode(found, bool(cdb[1] & _VOLTAG), bool(cdb[6] & _DVCID), room)
    return GOOD


def encode(found: Sequence[Status], tags: bool, identifiers: bool, room: int) -> bytes:
    """The whole answer, of which no more than `room` bytes and no part of a descriptor are handed out."""
    pages = [list(_descriptors(list(group), tags, identifiers)) for _, group in groupby(found, lambda one: one.kind)]
    kinds = [kind for kind, _ in groupby(found, lambda one: one.kind)]
    size = sum(_PAGE.size + sum(map(len, page)) for page in pages)
    answer = bytearray(_HEADER.pack(found[0].address if found else 0, len(found), size >> 16, size & 0xFFFF))
    for kind, page in zip(kinds, pages, strict=True):
        whole = sum(map(len, page))
        head = _PAGE.pack(kind, _PVOLTAG if tags else 0, len(page[0]), whole >> 16, whole & 0xFFFF)
        for part in (head, *page):
            if len(answer) + len(part) > room:
                return bytes(answer[:room])
            answer += part
    return bytes(answer[:room])


def _descriptors(found: list[Status], tags: bool, identifiers: bool) -> Iterator[bytes]:
    """Those of one page have one length."""
    bare = [_descriptor(one, tags) + (_identifier(one) if identifiers else bytes(4)) for one in found]
    longest = max(map(len, bare))
    return (one.ljust(longest, b"\0") for one in bare)


def _descriptor(one: Status, tags: bool) -> bytes:
    volume = one.volume
    trouble = one.trouble or Sense(0, 0, 0, "")
    source = volume.source if volume is not None else None
    head = _DESCRIPTOR.pack(
        one.address,
        _flags(one),
        trouble.asc,
        trouble.ascq,
        (_SVALID if source is not None else 0) | (one.medium if volume is not None else 0),
        source or 0,
    )
    if not tags:
        return head
    return head + _TAG.pack(volume.barcode.encode("ascii", "replace").ljust(32) if volume is not None else bytes(32))


def _flags(one: Status) -> int:
    flags = (_FULL if one.volume is not None else 0) | (_EXCEPT if one.trouble is not None else 0)
    if one.kind is ElementType.TRANSPORT:
        return flags
    if one.accessible:
        flags |= _ACCESS
    if one.kind is ElementType.PORT:
        flags |= _INENAB | _EXENAB
        if one.volume is not None and one.volume.imported:
            flags |= _IMPEXP
    return flags


def _identifier(one: Status) -> bytes:
    """Code set, identifier type, length, identifier; for other elements than drives there is none."""
    if one.identifier is None:
        return bytes(4)
    codes, kind, value = one.identifier
    return struct.pack(">BBxB", codes, kind, len(value)) + value
