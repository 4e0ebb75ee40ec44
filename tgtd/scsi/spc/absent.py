"""What answers for a LUN at which there is nothing (SPC-5 6.6.2, 6.39.2; SAM-5 5.11)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from tgtd.scsi.command import Command
from tgtd.scsi.inquiry import SUPPORTED
from tgtd.scsi.sense import GOOD, LOGICAL_UNIT_NOT_SUPPORTED, CheckCondition, encode
from tgtd.scsi.spc.commands import INQUIRY, REPORT_LUNS, REQUEST_SENSE, without_naca
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.scsi.task import Task


def _request_sense(unit: PrimaryUnit, task: Task) -> int:
    """REQUEST SENSE says, as parameter data, that nothing is here."""
    sense = encode(CheckCondition(LOGICAL_UNIT_NOT_SUPPORTED), bool(task.cdb[1] & 0x01))
    task.data_in = sense[: task.cdb[4]]
    return GOOD


class AbsentUnit(PrimaryUnit):
    """INQUIRY, REPORT LUNS and REQUEST SENSE answer; all else is refused with LOGICAL UNIT NOT SUPPORTED."""

    device_type = 0x1F
    qualifier = 0b011
    rows = without_naca((INQUIRY, REPORT_LUNS, replace(REQUEST_SENSE, handler=_request_sense)))
    vital_pages: ClassVar = (SUPPORTED,)
    raises_attention = False
    normal_aca = False

    def find(self, cdb: bytes) -> Command:
        row = self.ops[cdb[0]]
        if not isinstance(row, Command):
            raise CheckCondition(LOGICAL_UNIT_NOT_SUPPORTED)
        return row
