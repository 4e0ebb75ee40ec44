"""REPORT TARGET PORT GROUPS and SET TARGET PORT GROUPS, and the VPD page of all ports (SPC-5 6.36, 6.46, 7.7.14)."""

from __future__ import annotations

import struct

from tgtd.scsi.access import STATES, AccessState, Standing
from tgtd.scsi.command import Command
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import Task

_LENGTH_ONLY, _EXTENDED = 0, 1
"""PARAMETER DATA FORMAT."""
_SUPPORTED = 0xCF
"""T_SUP, O_SUP, U_SUP, S_SUP, AN_SUP, AO_SUP; not LBD_SUP."""
_HEADER, _DESCRIPTOR = 4, 4
MOST_PARAMETERS = _HEADER + 256 * _DESCRIPTOR
"""Bytes of a SET TARGET PORT GROUPS list."""


def report_port_groups(unit: LogicalUnit, task: Task) -> int:
    """REPORT TARGET PORT GROUPS (SPC-5 6.36)."""
    cdb = task.cdb
    form = cdb[1] >> 5
    if form not in (_LENGTH_ONLY, _EXTENDED):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    body = b"".join(map(_group, unit.access.standings()))
    if form == _EXTENDED:  # a change takes no time
        body = bytes((_EXTENDED << 4, 0, 0, 0)) + body
    task.data_in = (struct.pack(">I", len(body)) + body)[: int.from_bytes(cdb[6:10], "big")]
    return GOOD


def _group(one: Standing) -> bytes:
    """A target port group descriptor with its one port."""
    group = one.group
    preferred = 0x80 if group.preferred else 0
    return struct.pack(">BBHxBxBxxH", preferred | one.state.code, _SUPPORTED, group.number, one.status, 1, group.number)


def set_port_groups(unit: LogicalUnit, task: Task) -> int:
    """SET TARGET PORT GROUPS (SPC-5 6.46). A list of which one descriptor is wrong changes nothing."""
    length = int.from_bytes(task.cdb[6:10], "big")
    if not length:
        return GOOD
    data = bytes(task.data_out or b"")
    if length < _HEADER or (length - _HEADER) % _DESCRIPTOR or length > MOST_PARAMETERS or len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    _demand_zero(data, range(_HEADER))
    explicit = {one.group.number: one.group.explicit for one in unit.access.standings()}
    wanted: dict[int, AccessState] = {}
    for at in range(_HEADER, length, _DESCRIPTOR):
        if data[at] & 0xF0:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=7)
        state = STATES.get(data[at])
        if state is None or not state.settable:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=3)
        _demand_zero(data, (at + 1,))
        number = int.from_bytes(data[at + 2 : at + 4], "big")
        if not explicit.get(number) or number in wanted:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 2, bit=7)
        wanted[number] = state
    unit.access.set(wanted, task.itl.nexus)
    return GOOD


def _demand_zero(data: bytes, places: range | tuple[int, ...]) -> None:
    for at in places:
        if data[at]:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=data[at].bit_length() - 1)


def _wanted(unit: LogicalUnit, cdb: bytes) -> int:
    length = int.from_bytes(cdb[6:10], "big")
    if length > MOST_PARAMETERS:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return length


def _grouped(unit: LogicalUnit) -> bool:
    return unit.access.tpgs != 0


def _explicit(unit: LogicalUnit) -> bool:
    return bool(unit.access.tpgs & 0b10)


PORT_GROUPS = (
    Command(
        0xA3,
        "REPORT TARGET PORT GROUPS",
        report_port_groups,
        bytes.fromhex("A3 EA 00000000 FFFFFFFF 00 04"),
        action=0x0A,
        reservation="allowed",
        available=_grouped,
    ),
    Command(
        0xA4,
        "SET TARGET PORT GROUPS",
        set_port_groups,
        bytes.fromhex("A4 0A 00000000 FFFFFFFF 00 04"),
        action=0x0A,
        data_out=_wanted,
        available=_explicit,
    ),
)
