"""FORMAT UNIT: blocks get their first content again, and the disk its protection type (SBC-4 4.33, 5.4). No defects.

The block length is the administrator's: it does not change here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.operation import Operation, Pass, clear, repeat
from tgtd.scsi.sbc.protection.formatting import bared, forget, reformat, requested
from tgtd.scsi.sense import (
    FORMAT_FAILED,
    FORMAT_IN_PROGRESS,
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

LONGLIST, FMTDATA, CMPLST, LIST_FORMAT = 0x20, 0x10, 0x08, 0x07
FOV, IP, IMMED = 0x80, 0x08, 0x02
_OPTIONS = 0x78  # DPRY, DCRT, STPF, IP: meant only with FOV
_FAST = 0x01
_DESCRIPTOR = 4
_SECURITY_INITIALIZE = 0x20


class FormatFailure:
    """What a format operation that failed leaves behind: no access to the medium until another one succeeds."""

    def stop(self, row: Command) -> None:
        if row.medium and row.opcode not in (0x04, 0x48):
            raise self.standing()

    def standing(self) -> CheckCondition:
        return CheckCondition(FORMAT_FAILED)


def wanted(disk: Disk, cdb: bytes) -> int:
    """The longest parameter list: the CDB does not tell its length, the list itself does."""
    if not cdb[1] & FMTDATA:
        return 0
    return _header(cdb) + _DESCRIPTOR + disk.block_size


def _header(cdb: bytes) -> int:
    return 8 if cdb[1] & LONGLIST else 4


def format_unit(disk: Disk, task: Task) -> int:
    """FORMAT UNIT. Fast format leaves the blocks as they are; else they get the pattern, or zeros."""
    cdb = task.cdb
    if cdb[4] & 0x03 > _FAST:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=4, bit=1)
    immediately, pattern, usage_field = False, b"", 0
    if cdb[1] & FMTDATA:
        immediately, pattern, usage_field = _parameters(disk, task)
    elif cdb[1] & (LONGLIST | CMPLST | LIST_FORMAT):
        wrong = cdb[1] & (LONGLIST | CMPLST | LIST_FORMAT)
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=wrong.bit_length() - 1)
    kind = requested(cdb, usage_field)
    passes: list[Pass] = []
    if pattern:
        passes = [bared(repeat(pattern, disk.block_size), "write")]
    elif not cdb[4] & _FAST:
        passes = [bared(clear(disk.thin), "zero")]
    if disk.guarded is not None and (kind or disk.protection):
        passes.append(forget)
    if not passes:
        return GOOD
    ended = partial(reformat, disk, kind, partial(_ended, disk, None if immediately else task))
    disk.operate(Operation(disk, FORMAT_IN_PROGRESS, passes, ended))
    return GOOD if immediately else PENDING


def _parameters(disk: Disk, task: Task) -> tuple[bool, bytes, int]:
    """IMMED, the initialization pattern and PROTECTION FIELD USAGE of a parameter list."""
    header = _header(task.cdb)
    data = bytes(task.data_out or b"")
    task.wanted_out = min(task.wanted_out, header)
    if len(data) < header:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    _check_zero(data, 0, 0xF8)
    flags = data[1]
    if not flags & FOV:
        _check_zero(data, 1, _OPTIONS)
    _check_zero(data, 1, 0x05)
    if header == 8:
        _check_zero(data, 2, 0xFF)
        _check_zero(data, 3, 0xFF)
    at = 4 if header == 8 else 2
    if any(data[at:header]):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at)
    return bool(flags & IMMED), _pattern(disk, task, data, header) if flags & IP else b"", data[0] & 0x07


def _check_zero(data: bytes, at: int, mask: int) -> None:
    wrong = data[at] & mask
    if wrong:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=wrong.bit_length() - 1)


def _pattern(disk: Disk, task: Task, data: bytes, at: int) -> bytes:
    """The initialization pattern descriptor (SBC-4 5.4.2.3): type 0 is zeros, type 1 what follows."""
    if len(data) < at + _DESCRIPTOR:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    _check_zero(data, at, 0xFF & ~_SECURITY_INITIALIZE)
    kind, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
    if kind > 1:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 1, bit=7)
    if size > disk.block_size or (size == 0) != (kind == 0):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 2)
    pattern = data[at + _DESCRIPTOR : at + _DESCRIPTOR + size]
    if len(pattern) < size:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    task.wanted_out = at + _DESCRIPTOR + size
    return pattern or b"\0"


def _ended(disk: Disk, task: Task | None, error: BaseException | None) -> None:
    disk.settle(None if error is None else FormatFailure(), error)
    if task is not None:
        trouble = CheckCondition(FORMAT_FAILED)
        disk.finish(task, GOOD if error is None or task.aborted else disk.refuse(task, trouble))


def _plain(disk: Disk) -> bool:
    return not disk.protectable


def _protectable(disk: Disk) -> bool:
    return disk.protectable


FORMAT = tuple(
    Command(
        0x04,
        "FORMAT UNIT",
        format_unit,
        usage(mask),
        data_out=wanted,
        medium=True,
        writes=True,
        available=available,
        timeout=86400,
    )
    for mask, available in (("04 3F 00 00 03 04", _plain), ("04 FF 00 00 03 04", _protectable))
)
