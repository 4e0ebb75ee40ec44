"""INITIALIZE ELEMENT STATUS, READ ELEMENT STATUS, and looking for a volume by its tag (SMC-3 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    GOOD,
    INVALID_ELEMENT_ADDRESS,
    INVALID_FIELD_IN_CDB,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.smc.barcodes import shape
from tgtd.scsi.smc.inventory import ElementType
from tgtd.scsi.smc.report import Status, encode, read_element_status
from tgtd.scsi.smc.reservations import demand
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

_TAG = 40
_RANGE = 0x01


def initialize(changer: Changer, task: Task) -> int:
    """INITIALIZE ELEMENT STATUS: the inventory is known, whatever happens."""
    demand(changer, task.itl, *changer.layout.transport)
    return GOOD


def initialize_range(changer: Changer, task: Task) -> int:
    """INITIALIZE ELEMENT STATUS WITH RANGE, also under the operation code that libraries had before there was one."""
    if task.cdb[1] & _RANGE and changer.layout.kind(int.from_bytes(task.cdb[2:4], "big")) is None:
        raise CheckCondition(INVALID_ELEMENT_ADDRESS)
    demand(changer, task.itl, *changer.layout.transport)
    return GOOD


@dataclass(frozen=True, slots=True)
class Search:
    """SEND VOLUME TAG: what REQUEST VOLUME ELEMENT ADDRESS will tell of, to the same I_T nexus."""

    action: int
    found: list[Status]


def wanted_tag(changer: Changer, cdb: bytes) -> int:
    return min(int.from_bytes(cdb[8:10], "big"), _TAG)


def send_volume_tag(changer: Changer, task: Task) -> int:
    """SEND VOLUME TAG, action 5 (translate, primary tags): volumes by a template with `*` and `?`."""
    cdb = task.cdb
    code, action = cdb[1] & 0x0F, cdb[5] & 0x1F
    if code > ElementType.DRIVE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=3)
    if action not in (0, 1, 4, 5):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=4)
    data = bytes(task.data_out or b"")
    if len(data) < _TAG or int.from_bytes(cdb[8:10], "big") != _TAG:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    fitting = shape(data[:32].rstrip(b" \0").decode("ascii", "replace"))
    first = int.from_bytes(cdb[2:4], "big")
    changer.searches[task.itl] = Search(
        action,
        [one for one in changer.statuses(first, code) if one.volume is not None and fitting.match(one.volume.barcode)],
    )
    return GOOD


def request_volume_element_address(changer: Changer, task: Task) -> int:
    """REQUEST VOLUME ELEMENT ADDRESS: what the last SEND VOLUME TAG of this I_T nexus found."""
    cdb = task.cdb
    search = changer.searches.get(task.itl)
    if search is None:
        raise CheckCondition(COMMAND_SEQUENCE_ERROR)
    code, first, most = cdb[1] & 0x0F, int.from_bytes(cdb[2:4], "big"), int.from_bytes(cdb[4:6], "big")
    found = [one for one in search.found if one.address >= first and code in (0, one.kind)][:most]
    room = int.from_bytes(cdb[7:10], "big")
    answer = bytearray(encode(found, bool(cdb[1] & 0x10), False, max(room, 8)))
    answer[4] = search.action
    task.data_in = bytes(answer[:room])
    return GOOD


STATUS = (
    Command(0x07, "INITIALIZE ELEMENT STATUS", initialize, usage("07 00 000000 04"), medium=True, timeout=600),
    Command(
        0x37,
        "INITIALIZE ELEMENT STATUS WITH RANGE",
        initialize_range,
        usage("37 03 FFFF 0000 FFFF 00 04"),
        medium=True,
        timeout=600,
    ),
    Command(
        0xE7,
        "INITIALIZE ELEMENT STATUS WITH RANGE (OLD CODE)",
        initialize_range,
        usage("E7 03 FFFF 0000 FFFF 00 04"),
        medium=True,
        timeout=600,
    ),
    Command(
        0xB8, "READ ELEMENT STATUS", read_element_status, usage("B8 1F FFFF FFFF 03 FFFFFF 00 04"), reservation="read"
    ),
    Command(0xB6, "SEND VOLUME TAG", send_volume_tag, usage("B6 0F FFFF 00 1F 0000 FFFF 00 04"), data_out=wanted_tag),
    Command(
        0xB5,
        "REQUEST VOLUME ELEMENT ADDRESS",
        request_volume_element_address,
        usage("B5 1F FFFF FFFF 00 FFFFFF 00 04"),
        reservation="read",
    ),
)
