"""iSCSI task management functions (RFC 7143 11.5, 11.6; RFC 7144 4.2) as SAM-5 functions of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tgtd.net.iscsi.pdu import after
from tgtd.scsi.sense import Sense
from tgtd.scsi.target import ServiceResponse, TaskManagement

if TYPE_CHECKING:
    from tgtd.net.iscsi.session import Session

ABORT_TASK = 1
TARGET_COLD_RESET = 7
TASK_REASSIGN = 8

# Responses.
COMPLETE = 0
NO_SUCH_TASK = 1
NO_SUCH_LUN = 2
REASSIGNMENT_NOT_SUPPORTED = 4
NOT_SUPPORTED = 5
SUCCEEDED = 7
REJECTED = 255

_PLAIN: Mapping[int, TaskManagement] = {
    2: TaskManagement.ABORT_TASK_SET,
    3: TaskManagement.CLEAR_ACA,
    4: TaskManagement.CLEAR_TASK_SET,
    5: TaskManagement.LOGICAL_UNIT_RESET,
    6: TaskManagement.TARGET_RESET,
    TARGET_COLD_RESET: TaskManagement.TARGET_RESET,
}

# RFC 7144 4.2: only where iSCSIProtocolLevel 2 or more was settled.
_LEVEL_2: Mapping[int, TaskManagement] = {
    9: TaskManagement.QUERY_TASK,
    10: TaskManagement.QUERY_TASK_SET,
    11: TaskManagement.I_T_NEXUS_RESET,
    12: TaskManagement.QUERY_ASYNCHRONOUS_EVENT,
}

_ANSWERS: Mapping[ServiceResponse, int] = {
    ServiceResponse.COMPLETE: COMPLETE,
    ServiceResponse.SUCCEEDED: SUCCEEDED,
    ServiceResponse.REJECTED: REJECTED,
    ServiceResponse.INCORRECT_LUN: NO_SUCH_LUN,
}


def perform(
    session: Session, function: int, lun: int, referenced: int, cmd_sn: int, ref_cmd_sn: int, level: int
) -> tuple[int, int]:
    """Carry a function out; the response code, and bytes 8 to 15 of the response (RFC 7144 6.2).

    It is done when this returns, however long a medium takes. cmd_sn: the request's own.
    """
    assert session.nexus is not None
    if function == ABORT_TASK:
        return _abort_task(session, lun, referenced, cmd_sn, ref_cmd_sn), 0
    if function == TASK_REASSIGN:
        return REASSIGNMENT_NOT_SUPPORTED, 0
    known = _PLAIN.get(function) or (_LEVEL_2.get(function) if level >= 2 else None)
    if known is None:
        return NOT_SUPPORTED, 0
    response = _ANSWERS[session.nexus.target.manage(known, session.nexus, lun, referenced)]
    if known is TaskManagement.QUERY_ASYNCHRONOUS_EVENT and response == SUCCEEDED:
        return response, _event(session.nexus.lun(lun).attentions)
    return response, 0


def _event(attentions: Sequence[Sense]) -> int:
    """SAM-5 7.10: UADE DEPTH, sense key, ASC and ASCQ of the oldest unit attention, in the first bytes of eight."""
    first = attentions[0]
    return (2 if len(attentions) > 1 else 1) << 60 | first.key << 56 | first.asc << 48 | first.ascq << 40


def _abort_task(session: Session, lun: int, referenced: int, cmd_sn: int, ref_cmd_sn: int) -> int:
    """11.5.1: a task that we know is aborted; one that has yet to arrive counts as arrived and aborted."""
    task = session.tasks.get(referenced)
    if task is not None:
        assert session.nexus is not None
        if session.nexus.lun(lun).lu is not task.itl.lu:
            return NO_SUCH_TASK
        task.itl.lu.abort_tasks(task.itl, referenced)
        return COMPLETE
    if after(cmd_sn, ref_cmd_sn) and session.skip(ref_cmd_sn, referenced):
        return COMPLETE
    return NO_SUCH_TASK
