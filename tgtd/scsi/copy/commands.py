"""EXTENDED COPY, COPY OPERATION ABORT, and what there is to ask about copies (SPC-5 6.4 to 6.7, 6.24 to 6.29).

Held data, and with it RECEIVE COPY DATA, does not exist: no segment descriptor that is performed holds any.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.copy.job import Failure, Segment
from tgtd.scsi.copy.manager import MOST_JOBS, kind_of_record, office_of
from tgtd.scsi.copy.office import End
from tgtd.scsi.copy.parameters import (
    CSCD_TYPES,
    MOST_CSCDS,
    MOST_DESCRIPTORS,
    MOST_PARAMETERS,
    MOST_SEGMENTS,
    OWN_UNIT,
    SEGMENT_TYPES,
    CopyMove,
    Cscd,
    Order,
    decode,
)
from tgtd.scsi.copy.records import DONE, FAILED, CopyRecord
from tgtd.scsi.sense import (
    COPY_STOPPED,
    COPY_TARGET_NOT_REACHABLE,
    GOOD,
    INCORRECT_COPY_TARGET_TYPE,
    INVALID_FIELD_IN_CDB,
    PARAMETER_LIST_LENGTH_ERROR,
    UNEXPECTED_INEXACT_SEGMENT,
    UNREACHABLE_COPY_TARGET,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

EXTENDED_COPY, RECEIVE = 0x83, 0x84
LID1, LID4 = 0x00, 0x01
_SNLID = 0x01


def wanted(disk: Disk, cdb: bytes) -> int:
    length = int.from_bytes(cdb[10:14], "big")
    if length > MOST_PARAMETERS:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return length


def parameter_list(disk: Disk, task: Task) -> bytes:
    """All of it. Raises PARAMETER LIST LENGTH ERROR when less has come than the CDB says."""
    length = wanted(disk, task.cdb)
    data = bytes(task.data_out or b"")
    if len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return data


def extended_copy(wide: bool, disk: Disk, task: Task) -> int:
    """EXTENDED COPY(LID1), (LID4): segment after segment. A list without length asks for nothing."""
    data = parameter_list(disk, task)
    if not data:
        return GOOD
    order = decode(data, wide)
    disk.copies.records.demand_free(task.itl.nexus, order.identifier)
    record = CopyRecord(task.itl.nexus, order.identifier, LID4 if wide else LID1, kind_of_record(order.immediate))
    try:
        segments = _segments(disk, task, order)
    except CheckCondition as trouble:
        if trouble.sense.key == COPY_STOPPED.key:
            _note(disk, record, trouble)
        raise
    if not segments:
        disk.copies.records.enter(record)
        record.end(DONE)
        return GOOD
    return disk.copies.copy(task, record, segments, partial(_explain, disk, order))


def _note(disk: Disk, record: CopyRecord, trouble: CheckCondition) -> None:
    """A copy that ended before its first step can be asked about all the same."""
    if record.identifier is not None:
        disk.copies.records.enter(record)
        record.end(FAILED, *disk.copies.sense(trouble))


def _explain(disk: Disk, order: Order, failure: Failure) -> tuple[int, bytes]:
    trouble = failure.trouble
    at = order.moves[failure.segment].at
    return disk.copies.sense(CheckCondition(trouble.sense, field=at, specific=failure.segment))


def _segments(disk: Disk, task: Task, order: Order) -> list[Segment]:
    """Where everything lies. Raises COPY ABORTED for what is not there, pointing at its descriptor."""
    ends: dict[int, End] = {OWN_UNIT: End(task.itl.nexus, disk, task.itl.number)}
    found = []
    for number, move in enumerate(order.moves):
        for index in (move.source, move.destination):
            if index not in ends:
                ends[index] = _end(task, order, index, number, move.at)
        found.append(_segment(ends[move.source], ends[move.destination], move, number))
    return found


def _end(task: Task, order: Order, index: int, number: int, at: int) -> End:
    if index >= len(order.cscds):
        raise CheckCondition(UNREACHABLE_COPY_TARGET, field=at, specific=number)
    cscd = order.cscds[index]
    refuse = partial(CheckCondition, field=cscd.at, specific=number)
    if cscd.relative_port:  # the copy manager has no initiator port of its own
        raise refuse(UNREACHABLE_COPY_TARGET)
    end = office_of(task).reach(task.itl.nexus, cscd.designator)
    if end is None:
        raise refuse(COPY_TARGET_NOT_REACHABLE)
    if not _fits(end, cscd):
        raise refuse(INCORRECT_COPY_TARGET_TYPE)
    return end


def _fits(end: End, cscd: Cscd) -> bool:
    """It is a disk, and has blocks as the initiator believes."""
    unit = end.itl.lu
    if cscd.device_type != 0x00 or not unit.can_be_copied:
        return False
    return cscd.block_size in (0, end.disk.block_size)


def _segment(source: End, destination: End, move: CopyMove, number: int) -> Segment:
    """Raises COPY ABORTED for what is not on the disks, or is no whole number of the destination's blocks."""
    length = move.blocks << (destination if move.by_destination else source).disk.shift
    here, there = move.source_lba << source.disk.shift, move.destination_lba << destination.disk.shift
    if length % source.disk.block_size or length % destination.disk.block_size:
        raise CheckCondition(UNEXPECTED_INEXACT_SEGMENT, field=move.at, specific=number)
    for end, offset in ((source, here), (destination, there)):
        if end.disk.medium is None:
            raise CheckCondition(COPY_TARGET_NOT_REACHABLE, field=move.at, specific=number)
        if offset + length > end.disk.capacity:
            raise CheckCondition(COPY_STOPPED, field=move.at, specific=number)
    return Segment(source, here, destination, there, length)


def record_of(disk: Disk, task: Task, width: int) -> CopyRecord:
    """The copy that a list identifier of so many bytes names. Raises INVALID FIELD IN CDB."""
    identifier = int.from_bytes(task.cdb[2 : 2 + width], "big")
    record = disk.copies.records.find(task.itl.nexus, identifier)
    if record is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    return record


def answer(disk: Disk, task: Task, record: CopyRecord, data: bytes) -> int:
    """Tell, and forget what was told in full."""
    allocation = int.from_bytes(task.cdb[10:14], "big")
    task.data_in = data[:allocation]
    if not record.running and allocation >= len(data):
        disk.copies.records.drop(record)
    return GOOD


def copy_status_narrow(disk: Disk, task: Task) -> int:
    record = record_of(disk, task, 1)
    return answer(disk, task, record, record.narrow())


def failure_details(disk: Disk, task: Task) -> int:
    record = record_of(disk, task, 1)
    if record.running:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    return answer(disk, task, record, record.details())


def copy_status_wide(disk: Disk, task: Task) -> int:
    record = record_of(disk, task, 4)
    body = record.wide()
    return answer(disk, task, record, struct.pack(">I", len(body)) + body)


def copy_operation_abort(disk: Disk, task: Task) -> int:
    record = record_of(disk, task, 4)
    if not record.running:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    disk.copies.abort(record)
    return GOOD


def operating_parameters(disk: Disk, task: Task) -> int:
    """RECEIVE COPY OPERATING PARAMETERS (SPC-5 6.27)."""
    types = bytes(sorted(SEGMENT_TYPES + CSCD_TYPES))
    body = struct.pack(
        ">B3xHHIIIII2xHBBBB3xB",
        _SNLID,
        MOST_CSCDS,
        MOST_SEGMENTS,
        MOST_DESCRIPTORS,
        0,
        0,
        0,
        0,
        MOST_JOBS,
        MOST_JOBS,
        9,
        0,
        0,
        len(types),
    )
    task.data_in = (struct.pack(">I", len(body + types)) + body + types)[: int.from_bytes(task.cdb[10:14], "big")]
    return GOOD


def _usage(opcode: int, action: int, middle: str) -> bytes:
    return bytes((opcode, action)) + bytes.fromhex(middle)


_LIST = "0000000000000000 FFFFFFFF 00 04"

COPIES = (
    Command(
        EXTENDED_COPY,
        "EXTENDED COPY(LID1)",
        partial(extended_copy, False),
        _usage(EXTENDED_COPY, LID1, _LIST),
        action=LID1,
        data_out=wanted,
        medium=True,
        timeout=3600,
    ),
    Command(
        EXTENDED_COPY,
        "EXTENDED COPY(LID4)",
        partial(extended_copy, True),
        _usage(EXTENDED_COPY, LID4, _LIST),
        action=LID4,
        data_out=wanted,
        medium=True,
        timeout=3600,
    ),
    Command(
        EXTENDED_COPY,
        "COPY OPERATION ABORT",
        copy_operation_abort,
        _usage(EXTENDED_COPY, 0x1C, "FFFFFFFF 000000000000000000 04"),
        action=0x1C,
    ),
    Command(
        RECEIVE,
        "RECEIVE COPY STATUS(LID1)",
        copy_status_narrow,
        _usage(RECEIVE, 0x00, "FF 00000000000000 FFFFFFFF 00 04"),
        action=0x00,
        reservation="allowed",
    ),
    Command(
        RECEIVE,
        "RECEIVE COPY OPERATING PARAMETERS",
        operating_parameters,
        _usage(RECEIVE, 0x03, _LIST),
        action=0x03,
        reservation="allowed",
    ),
    Command(
        RECEIVE,
        "RECEIVE COPY FAILURE DETAILS(LID1)",
        failure_details,
        _usage(RECEIVE, 0x04, "FF 00000000000000 FFFFFFFF 00 04"),
        action=0x04,
        reservation="allowed",
    ),
    Command(
        RECEIVE,
        "RECEIVE COPY STATUS(LID4)",
        copy_status_wide,
        _usage(RECEIVE, 0x05, "FFFFFFFF 00000000 FFFFFFFF 00 04"),
        action=0x05,
        reservation="allowed",
    ),
)
