"""The commands that a passthrough answers itself, or touches on their way, as rows; and the way of all others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi import inquiry
from tgtd.scsi.command import ActionTable
from tgtd.scsi.passthrough import likeness
from tgtd.scsi.passthrough.classes import CDB_LENGTHS
from tgtd.scsi.passthrough.exchange import Portrait
from tgtd.scsi.passthrough.opcodes import merged, refused
from tgtd.scsi.sense import INVALID_COMMAND_OPERATION_CODE, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.commands import (
    INQUIRY,
    REPORT_LUNS,
    REPORT_SUPPORTED_OPERATION_CODES,
    REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
    REQUEST_SENSE,
    request_sense,
    without_naca,
)
from tgtd.scsi.spc.opcodes import report_opcodes
from tgtd.scsi.spc.persistent import PERSISTENT
from tgtd.scsi.spc.portgroups import PORT_GROUPS
from tgtd.scsi.spc.reserve import RESERVES
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.passthrough.device import Passthrough

_WHOLE_PAGE = 1020
"""Room for a page that is changed on its way. Devices that know one byte of allocation length only read 252 in it."""

_ALL_COMMANDS = 65532
"""Room for the list of all commands."""


def cdb_of(padded: bytes) -> bytes:
    """A CDB as the device is to get it, from the padded one of a task. Raises when it is cut short.

    Of vendor specific ones nobody knows how long they are: as many as carry something, 10, 12 or 16 bytes.
    """
    if padded[0] == 0x7F:
        length = 8 + padded[7]
        if length > len(padded):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=7, bit=7)
        return padded[:length]
    length = CDB_LENGTHS.get(padded[0] >> 5, 0)
    if not length:
        carried = len(padded[:16].rstrip(b"\0"))
        length = 10 if carried <= 10 else 12 if carried <= 12 else 16
    return padded[:length]


def forward(unit: Passthrough, task: Task) -> int:
    """To the device and back. Which way data goes and how much is as the initiator says; not both ways at once."""
    if task.expected_in and task.expected_out:
        raise CheckCondition(INVALID_COMMAND_OPERATION_CODE, field=0, bit=7)
    if task.expected_out > unit.device().most_bytes:
        raise CheckCondition(INVALID_FIELD_IN_CDB)
    out = task.data_out if task.expected_out else None
    return unit.send(task, cdb_of(task.cdb), out, task.expected_in)


def identify(unit: Passthrough, task: Task) -> int:
    """INQUIRY: the device's, with what differs here; of what it said when it was last there, while it is away."""
    cdb = task.cdb
    code = cdb[2] if cdb[1] & 0x01 else None
    most = int.from_bytes(cdb[3:5], "big")
    if code in likeness.HIDDEN:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    if unit.medium is None:
        return _remembered(unit, task, code, most)
    if code is None:
        return unit.send(task, cdb[:6], None, most, partial(likeness.standard, unit.access.tpgs), most)
    device = unit.medium
    show = partial(_page, unit, task, device.portrait, device.most_bytes)
    if code not in (likeness.SUPPORTED_PAGES, likeness.DEVICE_IDENTIFICATION, likeness.BLOCK_LIMITS):
        return unit.send(task, cdb[:6], None, most)
    room = max(most, _WHOLE_PAGE)
    return unit.send(task, cdb[:3] + room.to_bytes(2, "big") + cdb[5:6], None, room, show, most)


def _page(unit: Passthrough, task: Task, portrait: Portrait, most_bytes: int, data: bytes) -> bytes:
    return likeness.page(data, unit, task.itl, portrait, most_bytes)


def _remembered(unit: Passthrough, task: Task, code: int | None, most: int) -> int:
    portrait = unit.portrait
    if portrait is None:
        return inquiry.inquiry(unit, task)
    if code is None:
        if task.cdb[2]:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
        task.data_in = likeness.standard(unit.access.tpgs, portrait.inquiry)[:most]
        return 0
    page = portrait.pages.get(code)
    if page is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    task.data_in = likeness.page(page, unit, task.itl, portrait, 0)[:most]
    return 0


def sense(unit: Passthrough, task: Task) -> int:
    """REQUEST SENSE: a unit attention of ours comes first, then the device has the word."""
    if task.itl.attentions or unit.medium is None:
        return request_sense(unit, task)
    return unit.send(task, task.cdb[:6], None, task.cdb[4])


def report(unit: Passthrough, task: Task) -> int:
    """REPORT SUPPORTED OPERATION CODES: of one command, whoever performs it says; of all, both together."""
    cdb = task.cdb
    if cdb[2] & 0x07:
        entry = unit.ops[cdb[3]]
        action = int.from_bytes(cdb[4:6], "big")
        own = entry is not None and (
            not isinstance(entry, ActionTable) or action in entry.rows or cdb[3] in (0x5E, 0x5F)
        )
        if own or refused(cdb[3], action):
            return report_opcodes(unit, task)
        return unit.send(task, cdb[:12], None, min(int.from_bytes(cdb[6:10], "big"), unit.device().most_bytes))
    report_opcodes(unit, replaced := _asking_for_all(task))
    ours = bytes(replaced.data_in or b"")
    known = [(row.opcode, row.action) for row in unit.rows]
    room = min(_ALL_COMMANDS, unit.device().most_bytes)
    show = partial(merged, ours=ours, own=known)
    return unit.send(
        task,
        replaced.cdb[:6] + room.to_bytes(4, "big") + cdb[10:12],
        None,
        room,
        show,
        int.from_bytes(cdb[6:10], "big"),
    )


def _asking_for_all(task: Task) -> Task:
    """The same question, asked for all of the answer."""
    cdb = task.cdb[:6] + b"\xff\xff\xff\xff" + task.cdb[10:]
    return Task(task.itl, task.tag, task.attribute, cdb, 0, task.done)


OWN = without_naca(
    (
        REPORT_LUNS,
        replace(REQUEST_SENSE, handler=sense),
        replace(INQUIRY, handler=identify),
        replace(REPORT_SUPPORTED_OPERATION_CODES, handler=report, medium=True),
        REPORT_SUPPORTED_TASK_MANAGEMENT_FUNCTIONS,
        *PERSISTENT,
        *RESERVES,
        *PORT_GROUPS,
    )
)
