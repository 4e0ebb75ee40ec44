"""REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS: what Target.manage performs (SPC-5 6.35)."""

from __future__ import annotations

import struct

from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.sense import GOOD
from tgtd.scsi.target import TaskManagement
from tgtd.scsi.task import Task

SUPPORT_BITS = {
    TaskManagement.ABORT_TASK: (0, 0x80),
    TaskManagement.ABORT_TASK_SET: (0, 0x40),
    TaskManagement.CLEAR_ACA: (0, 0x20),
    TaskManagement.CLEAR_TASK_SET: (0, 0x10),
    TaskManagement.LOGICAL_UNIT_RESET: (0, 0x08),
    TaskManagement.QUERY_TASK: (0, 0x04),
    TaskManagement.TARGET_RESET: (0, 0x02),
    TaskManagement.QUERY_ASYNCHRONOUS_EVENT: (1, 0x04),
    TaskManagement.QUERY_TASK_SET: (1, 0x02),
    TaskManagement.I_T_NEXUS_RESET: (1, 0x01),
}
"""Function → byte and bit that say it is supported."""

_SIMPLE = (TaskManagement.ABORT_TASK, TaskManagement.LOGICAL_UNIT_RESET)
"""What transports hand over whose nexuses are `simple`."""
_LONG_TIMEOUT = 50  # in 100 ms; every function answers at once, this leaves room for a loaded host


def report_task_management(unit: LogicalUnit, task: Task) -> int:
    """REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS; REPD adds the timeouts."""
    flags = [0, 0]
    for function in _SIMPLE if task.itl.nexus.simple else SUPPORT_BITS:
        byte, bit = SUPPORT_BITS[function]
        flags[byte] |= bit
    extended = bool(task.cdb[2] & 0x80)
    answer = struct.pack(">BBxB", *flags, 0x0C if extended else 0)
    if extended:
        answer += struct.pack(">BxBBII", 0x01, 0, 0, _LONG_TIMEOUT, 0)
    task.data_in = answer[: int.from_bytes(task.cdb[6:10], "big")]
    return GOOD
