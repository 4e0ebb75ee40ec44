"""The device clock: REPORT TIMESTAMP, SET TIMESTAMP (SPC-5 5.2, 6.41, 6.50).

It is the host's clock until an application client sets it, and runs on by itself from then on: SCSIP and TCMOS of the
control extension mode page.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
    TIMESTAMP_CHANGED,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

_SET_BY_COMMAND, _SET_BY_OTHER_MEANS = 0b010, 0b011
_LENGTH = 12
_MOST_HIGH_BYTE = 0xF0


class Clock:
    """Milliseconds since 1970, and who has set them (TIMESTAMP ORIGIN)."""

    def __init__(self) -> None:
        self.origin = _SET_BY_OTHER_MEANS
        self._set = 0
        self._at = 0.0

    def now(self) -> int:
        """48 bits."""
        if self.origin == _SET_BY_OTHER_MEANS:
            return time.time_ns() // 1_000_000
        return self._set + int((time.monotonic() - self._at) * 1000) & 0xFFFF_FFFF_FFFF

    def set(self, milliseconds: int) -> None:
        self.origin, self._set, self._at = _SET_BY_COMMAND, milliseconds, time.monotonic()


def report_timestamp(unit: PrimaryUnit, task: Task) -> int:
    """REPORT TIMESTAMP."""
    clock = unit.records.clock
    answer = struct.pack(">HBx6sxx", _LENGTH - 2, clock.origin, clock.now().to_bytes(6, "big"))
    task.data_in = answer[: int.from_bytes(task.cdb[6:10], "big")]
    return GOOD


def wanted(unit: PrimaryUnit, cdb: bytes) -> int:
    return min(int.from_bytes(cdb[6:10], "big"), _LENGTH)


def set_timestamp(unit: PrimaryUnit, task: Task) -> int:
    """SET TIMESTAMP: the others hear of it."""
    length = int.from_bytes(task.cdb[6:10], "big")
    if not length:
        return GOOD
    data = bytes(task.data_out or b"")
    if length != _LENGTH or len(data) != _LENGTH:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    for at in (0, 1, 2, 3, 10, 11):
        if data[at]:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=data[at].bit_length() - 1)
    if data[4] > _MOST_HIGH_BYTE:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=4, bit=7)
    unit.records.clock.set(int.from_bytes(data[4:10], "big"))
    unit.attend_all(TIMESTAMP_CHANGED, but=task.itl.nexus)
    return GOOD


TIMESTAMPS = (
    Command(
        0xA3,
        "REPORT TIMESTAMP",
        report_timestamp,
        bytes.fromhex("A3 0F 00000000 FFFFFFFF 00 04"),
        action=0x0F,
        reservation="allowed",
    ),
    Command(
        0xA4,
        "SET TIMESTAMP",
        set_timestamp,
        bytes.fromhex("A4 0F 00000000 FFFFFFFF 00 04"),
        action=0x0F,
        data_out=wanted,
    ),
)
