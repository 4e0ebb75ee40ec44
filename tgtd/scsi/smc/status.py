"""INITIALIZE ELEMENT STATUS, READ ELEMENT STATUS, and looking for a volume by its tag (SMC-3 6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    GOOD,
    INVALID_ELEMENT_ADDRESS,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
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

_LIST = struct.Struct(">32sHHHH")
"""Template, reserved, least volume sequence number, reserved, the greatest one."""
_TAG = _LIST.size
_SEQUENCE = 0
"""Of every volume."""
_TRANSLATES, _UNNUMBERED = (0, 1, 4, 5), (4, 5)
"""Send action codes: all tags or the primary ones, which are all there are; the latter ignore sequence numbers."""
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
    """SEND VOLUME TAG, to translate primary tags: volumes by a template with `*` and `?`. Without a list nothing is
    looked for."""
    cdb = task.cdb
    code, action, length = _kind(cdb), cdb[5] & 0x1F, int.from_bytes(cdb[8:10], "big")
    if action not in _TRANSLATES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=4)
    if not length:
        return GOOD
    data = bytes(task.data_out or b"")
    if len(data) < _TAG or length != _TAG:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    template, reserved, least, more, most = _LIST.unpack(data)
    for at, value in ((32, reserved), (36, more)):
        if value:
            byte = at + (value < 0x100)
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=byte, bit=data[byte].bit_length() - 1)
    fitting = shape(template.split(b"\0")[0].rstrip(b" ").decode("ascii", "replace"))
    first = int.from_bytes(cdb[2:4], "big")
    numbered = action in _UNNUMBERED or least <= _SEQUENCE <= most
    changer.searches[task.itl] = Search(
        action,
        [
            one
            for one in changer.statuses(first, code)
            if numbered and one.volume is not None and fitting.match(one.volume.barcode)
        ],
    )
    return GOOD


def _kind(cdb: bytes) -> int:
    """ELEMENT TYPE CODE; 0: any."""
    code = cdb[1] & 0x0F
    if code > ElementType.DRIVE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=3)
    return code


def request_volume_element_address(changer: Changer, task: Task) -> int:
    """REQUEST VOLUME ELEMENT ADDRESS: what the last SEND VOLUME TAG of this I_T nexus found."""
    cdb = task.cdb
    code, first, most = _kind(cdb), int.from_bytes(cdb[2:4], "big"), int.from_bytes(cdb[4:6], "big")
    search = changer.searches.get(task.itl)
    if search is None:
        raise CheckCondition(COMMAND_SEQUENCE_ERROR)
    found = [one for one in search.found if one.address >= first and code in (0, one.kind)][:most]
    room = int.from_bytes(cdb[7:10], "big")
    answer = bytearray(encode(found, bool(cdb[1] & 0x10), False, max(room, 8)))
    answer[4] = search.action
    task.data_in = bytes(answer[:room])
    return GOOD


# Bit 7 of the older ones' CONTROL byte is the vendor's, and NBL in many libraries: look for cartridges, not for their
# barcodes. Those that have a reader read barcodes nevertheless, and so it is here.
STATUS = (
    Command(0x07, "INITIALIZE ELEMENT STATUS", initialize, usage("07 00 000000 84"), medium=True, timeout=600),
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
        usage("E7 03 FFFF 0000 FFFF 00 84"),
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
