"""RESERVE ELEMENT and RELEASE ELEMENT: parts of a library, for one I_T nexus (SCSI-2 16.2.6 and 16.2.8, SMC).

Beside persistent reservations they are what RESERVE and RELEASE are (SPC-5 5.14.3). They keep others from moving what
is in these elements, and from moving the robot while that is reserved; others may still see what is where. They last
until they are released, the nexus is lost, or the unit is reset.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import (
    GOOD,
    INVALID_ELEMENT_ADDRESS,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    RESERVATION_CONFLICT,
    CheckCondition,
    Refused,
)
from tgtd.scsi.smc.inventory import Layout, Range
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.spc.reserve import RESERVES, demand_free, does_nothing, release, reserve
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_ELEMENT = 0x01
_DESCRIPTOR = struct.Struct(">HHH")
_ALL = 0x10000
_RESERVE_6 = 0x16


def demand(changer: Changer, itl: LunNexus, *addresses: int) -> None:
    """Raises RESERVATION CONFLICT when another nexus has reserved one of these elements."""
    others = changer.reservations.others_elements(itl)
    if others and any(others >> address & 1 for address in addresses):
        raise Refused(RESERVATION_CONFLICT)


def _length(cdb: bytes) -> int:
    at = 3 if cdb[0] == _RESERVE_6 else 7
    return int.from_bytes(cdb[at : at + 2], "big")


def wanted_list(changer: Changer, cdb: bytes) -> int:
    """Without ELEMENT, the fields that are about elements mean nothing."""
    return _length(cdb) if cdb[1] & _ELEMENT else 0


def reserve_element(changer: Changer, task: Task) -> int:
    """RESERVE ELEMENT: what the same nexus has reserved by the same identification is superseded. Nothing changes when
    another has one of the elements."""
    cdb = task.cdb
    if not cdb[1] & _ELEMENT:
        return reserve(changer, task)
    elements = _elements(changer.layout, bytes(task.data_out or b""), _length(cdb))
    if does_nothing(changer, task):
        return GOOD
    demand_free(changer, task)
    reservations = changer.reservations
    if elements & reservations.others_elements(task.itl):
        raise Refused(RESERVATION_CONFLICT)
    reservations.elements.pop((task.itl, cdb[2]), None)
    if elements:
        reservations.elements[task.itl, cdb[2]] = elements
    return GOOD


def release_element(changer: Changer, task: Task) -> int:
    """RELEASE ELEMENT: by the reservation identification; without ELEMENT, all that the nexus has."""
    if not task.cdb[1] & _ELEMENT:
        return release(changer, task)
    if not does_nothing(changer, task):
        changer.reservations.elements.pop((task.itl, task.cdb[2]), None)
    return GOOD


def _elements(layout: Layout, data: bytes, length: int) -> int:
    """Of an element list, as bits."""
    if len(data) < length or length % _DESCRIPTOR.size:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    found, ranges = 0, sorted(layout.ranges, key=lambda one: one.first)
    for at in range(0, length, _DESCRIPTOR.size):
        reserved, count, first = _DESCRIPTOR.unpack_from(data, at)
        if reserved:
            byte = 0 if reserved > 0xFF else 1
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + byte, bit=data[at + byte].bit_length() - 1)
        found |= _series(ranges, first, count)
    return found


def _series(ranges: list[Range], first: int, count: int) -> int:
    """`count` elements from one on, gaps between their addresses left out; 0: all there are. ranges: in their order."""
    if not any(first in some for some in ranges):
        raise CheckCondition(INVALID_ELEMENT_ADDRESS)
    found, left = 0, count or _ALL
    for some in ranges:
        begin = max(first, some.first)
        taken = min(left, max(0, some.first + some.count - begin))
        found |= ((1 << taken) - 1) << begin
        left -= taken
    if count and left:
        raise CheckCondition(INVALID_ELEMENT_ADDRESS)
    return found


_USAGE = {
    0x16: usage("16 01 FF FFFF 04"),
    0x17: usage("17 01 FF 0000 04"),
    0x56: usage("56 01 FF 00 000000 FFFF 04"),
    0x57: usage("57 01 FF 00 000000 0000 04"),
}

ELEMENT_RESERVES = tuple(
    replace(row, usage=_USAGE[row.opcode], handler=reserve_element, data_out=wanted_list)
    if row.handler is reserve
    else replace(row, usage=_USAGE[row.opcode], handler=release_element)
    for row in RESERVES
)
"""The rows of RESERVE and RELEASE, as a media changer has them."""
