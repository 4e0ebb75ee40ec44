"""Diagnostic pages, which SEND DIAGNOSTIC sends and RECEIVE DIAGNOSTIC RESULTS asks for (SPC-5 6.28, 6.42, 7.2).

There are none but the list of them: a device type that has self-tests has its own SEND DIAGNOSTIC.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

PF, SELFTEST, PCV = 0x10, 0x04, 0x01
_PAGES = (0x00,)
_HEADER = 4


def wanted(unit: PrimaryUnit, cdb: bytes) -> int:
    """A page, where no self-test is asked for. Raises for what will be refused (SPC-5 table 320)."""
    length = int.from_bytes(cdb[3:5], "big")
    code = cdb[1] >> 5
    if code and cdb[1] & SELFTEST:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=2)
    if code and cdb[1] & PF and length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if length and (code or cdb[1] & SELFTEST):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    if length and not cdb[1] & PF:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if 0 < length < _HEADER:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    return min(length, _HEADER)


def check_page(data: bytes, length: int) -> None:
    """One page and nothing behind it: supported diagnostic pages, which has no parameters (SPC-5 7.2.12)."""
    if len(data) < _HEADER:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    if data[0] not in _PAGES:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=0, bit=7)
    if data[1]:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=1, bit=7)
    size = int.from_bytes(data[2:4], "big")
    if _HEADER + size > length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    if size or length > _HEADER:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=2, bit=7)


def receive_diagnostic_results(unit: PrimaryUnit, task: Task) -> int:
    """RECEIVE DIAGNOSTIC RESULTS: the page asked for, else the only one that can have been sent."""
    cdb = task.cdb
    if cdb[2] and not cdb[1] & PCV:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=0)
    if cdb[2] not in _PAGES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    task.data_in = (struct.pack(">xxH", len(_PAGES)) + bytes(_PAGES))[: int.from_bytes(cdb[3:5], "big")]
    return GOOD


RECEIVE_DIAGNOSTIC_RESULTS = Command(
    0x1C,
    "RECEIVE DIAGNOSTIC RESULTS",
    receive_diagnostic_results,
    bytes.fromhex("1C 01 FF FFFF 04"),
    reservation="read",
)
