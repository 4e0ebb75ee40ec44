"""SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS (SPC-5 6.42, 6.28, 7.2): self-tests, and the list of pages.

A disk without geometry has no addresses to translate: the list has itself only.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.selftest import (
    ABORT,
    ABORTED_BY_COMMAND,
    BACKGROUND,
    DEFAULT,
    FOREGROUND_EXTENDED,
    FOREGROUND_SHORT,
)
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

PF, SELFTEST, PCV = 0x10, 0x04, 0x01
_PAGES = (0x00,)
_HEADER = 4


def wanted(disk: Disk, cdb: bytes) -> int:
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


def send_diagnostic(disk: Disk, task: Task) -> int:
    """SEND DIAGNOSTIC."""
    cdb = task.cdb
    length = wanted(disk, cdb)
    code = cdb[1] >> 5
    tests = disk.self_tests
    if code == ABORT:
        if tests.running is None:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
        tests.abort(ABORTED_BY_COMMAND)
        return GOOD
    if code in (*BACKGROUND, FOREGROUND_SHORT, FOREGROUND_EXTENDED) or cdb[1] & SELFTEST:
        return PENDING if tests.begin(code or DEFAULT, task) else GOOD
    if code:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if length:
        _check_page(bytes(task.data_out or b""), int.from_bytes(cdb[3:5], "big"))
    return GOOD


def _check_page(data: bytes, length: int) -> None:
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


def receive_diagnostic_results(disk: Disk, task: Task) -> int:
    """RECEIVE DIAGNOSTIC RESULTS: the page asked for, else the only one that can have been sent."""
    cdb = task.cdb
    if cdb[2] and not cdb[1] & PCV:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=0)
    if cdb[2] not in _PAGES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    task.data_in = (struct.pack(">xxH", len(_PAGES)) + bytes(_PAGES))[: int.from_bytes(cdb[3:5], "big")]
    return GOOD


DIAGNOSTICS = (
    Command(
        0x1C,
        "RECEIVE DIAGNOSTIC RESULTS",
        receive_diagnostic_results,
        bytes.fromhex("1C 01 FF FFFF 04"),
        reservation="read",
    ),
    Command(
        0x1D,
        "SEND DIAGNOSTIC",
        send_diagnostic,
        bytes.fromhex("1D F7 00 FFFF 04"),
        data_out=wanted,
        timeout=86400,
    ),
)
