"""REPORT SUPPORTED OPERATION CODES: the rows of a unit, as the standard wants them told (SPC-5 6.34)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tgtd.scsi.command import ActionTable, Command
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.task import CONTROL, NACA, Task

_ALL, _BY_OPCODE, _BY_ACTION, _BY_EITHER = range(4)
_NOT_SUPPORTED, _SUPPORTED = 1, 3


def report_opcodes(unit: LogicalUnit, task: Task) -> int:
    """REPORT SUPPORTED OPERATION CODES."""
    cdb = task.cdb
    timeouts = bool(cdb[2] & 0x80)
    option = cdb[2] & 0x07
    if option == _ALL:
        answer = _all(unit, timeouts)
    elif option <= _BY_EITHER:
        row = _choose(unit, option, cdb[3], int.from_bytes(cdb[4:6], "big"))
        answer = _one(row, timeouts, task.itl.nexus.simple)
    else:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=2)
    task.data_in = answer[: int.from_bytes(cdb[6:10], "big")]
    return GOOD


def rows_of(unit: LogicalUnit) -> Iterator[Command]:
    """What the unit performs, by operation code and service action."""
    for entry in unit.ops:
        if isinstance(entry, Command):
            yield entry
        elif entry is not None:
            yield from (entry.rows[action] for action in sorted(entry.rows))


def _timeouts(row: Command) -> bytes:
    """Command timeouts descriptor (SPC-5 6.34.4); no nominal time is promised."""
    return struct.pack(">HxBII", 0x0A, 0, 0, row.timeout)


def _all(unit: LogicalUnit, timeouts: bool) -> bytes:
    parts = []
    for row in rows_of(unit):
        flags = int(row.action is not None) | timeouts << 1
        parts.append(struct.pack(">BxHxBH", row.opcode, row.action or 0, flags, len(row.usage)))
        if timeouts:
            parts.append(_timeouts(row))
    body = b"".join(parts)
    return struct.pack(">I", len(body)) + body


def _choose(unit: LogicalUnit, option: int, opcode: int, action: int) -> Command | None:
    """The row that is asked about. Raises when the question does not fit the operation code (SPC-5 table 253)."""
    entry = unit.ops[opcode]
    if entry is None:
        return None
    if isinstance(entry, ActionTable):
        if option == _BY_OPCODE:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
        return entry.rows.get(action)
    if option == _BY_ACTION:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    return entry if option == _BY_OPCODE or action == 0 else None


def _one(row: Command | None, timeouts: bool, simple: bool) -> bytes:
    """simple: NACA is refused, whatever the row says."""
    if row is None:
        return struct.pack(">xBH", _NOT_SUPPORTED, 0)
    usage = bytearray(row.usage)
    if simple and row.opcode >> 5 in CONTROL:
        usage[CONTROL[row.opcode >> 5]] &= ~NACA
    head = struct.pack(">xBH", timeouts << 7 | _SUPPORTED, len(usage))
    return head + usage + (_timeouts(row) if timeouts else b"")
