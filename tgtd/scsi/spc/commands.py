"""The primary commands that every device type performs, as rows (SPC-5 6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

from tgtd.scsi.command import Command
from tgtd.scsi.inquiry import inquiry
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.mode import (
    mode_select_6,
    mode_select_10,
    mode_sense_6,
    mode_sense_10,
    select_length_6,
    select_length_10,
)
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    REPORTED_LUNS_CHANGED,
    CheckCondition,
    encode,
)
from tgtd.scsi.spc.opcodes import report_opcodes
from tgtd.scsi.spc.taskmanagement import report_task_management
from tgtd.scsi.target import encode_lun
from tgtd.scsi.task import Task

_ALL_BUT_WELL_KNOWN, _WELL_KNOWN, _ALL = range(3)


def test_unit_ready(unit: LogicalUnit, task: Task) -> int:
    """TEST UNIT READY (SPC-5 6.47): the gate has already said what there is to say."""
    return GOOD


def request_sense(unit: LogicalUnit, task: Task) -> int:
    """REQUEST SENSE (SPC-5 6.39): a pending unit attention, else why the unit is not ready, as parameter data."""
    itl = task.itl
    trouble = CheckCondition(itl.take_attention()) if itl.attentions else unit.standing()
    task.data_in = encode(trouble, bool(task.cdb[1] & 0x01))[: task.cdb[4]]
    return GOOD


def report_luns(unit: LogicalUnit, task: Task) -> int:
    """REPORT LUNS (SPC-5 6.33). LUN 0 is always there: a controller answers where no device does."""
    cdb = task.cdb
    nexus = task.itl.nexus
    if cdb[2] > _ALL:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    numbers = [] if cdb[2] == _WELL_KNOWN else sorted({0, *nexus.target.visible(nexus)})
    answer = struct.pack(f">I4x{len(numbers)}Q", 8 * len(numbers), *map(encode_lun, numbers))
    task.data_in = answer[: int.from_bytes(cdb[6:10], "big")]
    for itl in nexus.luns.values():
        itl.drop_attention(REPORTED_LUNS_CHANGED)
    return GOOD


def usage(text: str) -> bytes:
    """A CDB usage mask from hexadecimal digits."""
    return bytes.fromhex(text)


def without_naca(rows: Iterable[Command]) -> tuple[Command, ...]:
    """The rows as a unit with NORMACA zero has them: NACA in a CDB is an invalid field there (SAM-5 5.2)."""
    return tuple(replace(row, usage=row.usage[:-1] + bytes((row.usage[-1] & ~0x04,))) for row in rows)


TEST_UNIT_READY = Command(
    0x00, "TEST UNIT READY", test_unit_ready, usage("00 00000000 04"), medium=True, reservation="allowed"
)
REQUEST_SENSE = Command(
    0x03, "REQUEST SENSE", request_sense, usage("03 01 0000 FF 04"), attention=False, reservation="always"
)
INQUIRY = Command(
    0x12,
    "INQUIRY",
    inquiry,
    usage("12 01 FF FFFF 04"),
    attention=False,
    reservation="always",
    lun_bits=True,  # Linux puts the LUN there while it knows nothing of a target: tcm_loop's first LUN
)
REPORT_LUNS = Command(
    0xA0,
    "REPORT LUNS",
    report_luns,
    usage("A0 00 FF 000000 FFFFFFFF 00 04"),
    attention=False,
    reservation="always",
)
REPORT_SUPPORTED_OPERATION_CODES = Command(
    0xA3,
    "REPORT SUPPORTED OPERATION CODES",
    report_opcodes,
    usage("A3 0C 87 FF FFFF FFFFFFFF 00 04"),
    action=0x0C,
    reservation="read",
)
REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS = Command(
    0xA3,
    "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
    report_task_management,
    usage("A3 0D 80 00 0000 FFFFFFFF 00 04"),
    action=0x0D,
    reservation="read",
)
MODE_SENSE_6 = Command(0x1A, "MODE SENSE(6)", mode_sense_6, usage("1A 08 FF FF FF 04"), reservation="read")
MODE_SENSE_10 = Command(0x5A, "MODE SENSE(10)", mode_sense_10, usage("5A 18 FF FF 000000 FFFF 04"), reservation="read")
MODE_SELECT_6 = Command(0x15, "MODE SELECT(6)", mode_select_6, usage("15 13 0000 FF 04"), data_out=select_length_6)
MODE_SELECT_10 = Command(
    0x55, "MODE SELECT(10)", mode_select_10, usage("55 13 0000000000 FFFF 04"), data_out=select_length_10
)

COMMON = (
    TEST_UNIT_READY,
    REQUEST_SENSE,
    INQUIRY,
    REPORT_LUNS,
    REPORT_SUPPORTED_OPERATION_CODES,
    REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
)
MODES = (MODE_SENSE_6, MODE_SENSE_10, MODE_SELECT_6, MODE_SELECT_10)
