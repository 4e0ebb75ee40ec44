"""Power conditions (SBC-4 4.21, 5.31; SPC-5 5.13).

A power condition saves nothing here: it is kept and reported, and a command that needs the medium ends it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import (
    GOOD,
    IDLE_B_BY_COMMAND,
    IDLE_BY_COMMAND,
    IDLE_C_BY_COMMAND,
    INVALID_FIELD_IN_CDB,
    STANDBY_BY_COMMAND,
    STANDBY_Y_BY_COMMAND,
    CheckCondition,
    Sense,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

IMMED, NO_FLUSH = 0x01, 0x04
_ACTIVE, _IDLE, _STANDBY, _LU_CONTROL, _FORCE_IDLE, _FORCE_STANDBY = 0x1, 0x2, 0x3, 0x7, 0xA, 0xB
_CONDITIONS: dict[int, tuple[Sense | None, ...]] = {
    _ACTIVE: (None,),
    _IDLE: (IDLE_BY_COMMAND, IDLE_B_BY_COMMAND, IDLE_C_BY_COMMAND),
    _STANDBY: (STANDBY_BY_COMMAND, STANDBY_Y_BY_COMMAND),
    _LU_CONTROL: (None,),
    _FORCE_IDLE: (IDLE_BY_COMMAND, IDLE_B_BY_COMMAND, IDLE_C_BY_COMMAND),
    _FORCE_STANDBY: (STANDBY_BY_COMMAND, STANDBY_Y_BY_COMMAND),
}
"""POWER CONDITION → by POWER CONDITION MODIFIER, what REQUEST SENSE says then; None is the active condition. No timer
is enabled, so that LU_CONTROL leads there too."""


def change_condition(disk: Disk, task: Task) -> int:
    """START STOP UNIT with a POWER CONDITION: START and LOEJ mean nothing then."""
    cdb = task.cdb
    condition, modifier = cdb[4] >> 4, cdb[3] & 0x0F
    choices = _CONDITIONS.get(condition)
    if choices is None:
        return GOOD  # reserved or obsolete: libiscsi's suite wants them ignored, as most targets do
    if modifier >= len(choices):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=3)
    disk.rest(choices[modifier])
    return write_back(disk, task) if condition in (_STANDBY, _FORCE_STANDBY) else GOOD


def write_back(disk: Disk, task: Task) -> int:
    """Flush what is under way and what was acknowledged, unless NO_FLUSH; with IMMED nobody waits for it."""
    if task.cdb[4] & NO_FLUSH:
        return GOOD
    if task.cdb[1] & IMMED:
        disk.flush_behind()
        return GOOD
    return disk.defer_alone(task, disk.store().flush, writing=True)


def power_condition_page(disk: Disk, itl: LunNexus) -> bytes:
    """VPD page 8Ah (SPC-5 7.7.12): STANDBY_Y, STANDBY_Z, IDLE_C, IDLE_B, IDLE_A; leaving them takes no time."""
    return struct.pack(">BB6H", 0x03, 0x07, 0, 0, 0, 0, 0, 0)
