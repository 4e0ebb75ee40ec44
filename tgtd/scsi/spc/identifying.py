"""REPORT and SET IDENTIFYING INFORMATION: a name that application clients give a unit (SPC-5 5.6, 6.35, 6.45)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    DEVICE_IDENTIFIER_CHANGED,
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.keeping import keep, recall
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

_SUPPORTED = 0x7F
_BINARY, _TEXT = 0x00, 0x02
_TYPES = {_BINARY: ("identifying-information", 512), _TEXT: ("identifying-text", 256)}
"""INFORMATION TYPE → the name under which it is remembered, the most bytes."""


def report_identifying_information(unit: PrimaryUnit, task: Task) -> int:
    """REPORT IDENTIFYING INFORMATION."""
    cdb = task.cdb
    kind = cdb[10] >> 1
    if kind == _SUPPORTED:
        body = b"".join(struct.pack(">BxH", kind << 1, most) for kind, (_, most) in _TYPES.items())
    else:
        body = recall(unit, _find(kind)[0])
    task.data_in = (struct.pack(">xxH", len(body)) + body)[: int.from_bytes(cdb[6:10], "big")]
    return GOOD


def _find(kind: int) -> tuple[str, int]:
    if kind not in _TYPES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=10, bit=7)
    return _TYPES[kind]


def wanted(unit: PrimaryUnit, cdb: bytes) -> int:
    """Bytes of data-out. Raises for what will be refused."""
    _, most = _find(cdb[10] >> 1)
    length = int.from_bytes(cdb[6:10], "big")
    if length > most:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=6, bit=7)
    return length


def set_identifying_information(unit: PrimaryUnit, task: Task) -> int:
    """SET IDENTIFYING INFORMATION: durable before it ends; the others hear of it. A length of zero forgets it."""
    length = wanted(unit, task.cdb)
    kind = task.cdb[10] >> 1
    data = bytes(task.data_out or b"")
    if len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if kind == _TEXT and data:
        _check_text(data)
    name, _ = _find(kind)
    if data == recall(unit, name):
        return GOOD

    def kept() -> int:
        unit.attend_all(DEVICE_IDENTIFIER_CHANGED, but=task.itl.nexus)
        return GOOD

    return keep(unit, task, lambda: {name: data or None}, kept)


def _check_text(data: bytes) -> None:
    """UTF-8 with a null at its end and none before (SPC-5 4.3.2)."""
    text, null, _ = data.partition(b"\0")
    if len(text) + len(null) != len(data) or not null:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=min(len(text), len(data) - 1))
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=wrong.start) from None


IDENTIFYING = (
    Command(
        0xA3,
        "REPORT IDENTIFYING INFORMATION",
        report_identifying_information,
        bytes.fromhex("A3 05 00000000 FFFFFFFF FE 04"),
        action=0x05,
        reservation="allowed",
    ),
    Command(
        0xA4,
        "SET IDENTIFYING INFORMATION",
        set_identifying_information,
        bytes.fromhex("A4 06 00000000 FFFFFFFF FE 04"),
        action=0x06,
        data_out=wanted,
    ),
)
