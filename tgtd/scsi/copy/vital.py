"""VPD page 8Fh, third-party copy, built of the tables that the copy manager goes by (SPC-5 7.7.18)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import ActionTable
from tgtd.scsi.copy.commands import EXTENDED_COPY, RECEIVE
from tgtd.scsi.copy.manager import MOST_JOBS
from tgtd.scsi.copy.parameters import CSCD_TYPES, MOST_CSCDS, MOST_DESCRIPTORS, MOST_SEGMENTS, OWN_UNIT, SEGMENT_TYPES
from tgtd.scsi.inquiry import THIRD_PARTY_COPY, VitalPage

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus
    from tgtd.scsi.sbc.disk import Disk

_COMMANDS, _PARAMETERS, _DESCRIPTORS, _IDENTIFIERS, _GENERAL = 0x0001, 0x0004, 0x0008, 0x000C, 0x8001


def descriptor(kind: int, body: bytes) -> bytes:
    """A third-party copy descriptor: padded to a multiple of four."""
    body += bytes(-len(body) % 4)
    return struct.pack(">HH", kind, len(body)) + body


def _commands(disk: Disk) -> bytes:
    parts = b""
    for opcode in (EXTENDED_COPY, RECEIVE):
        entry = disk.ops[opcode]
        if isinstance(entry, ActionTable):
            parts += bytes((opcode, len(entry.rows), *sorted(entry.rows)))
    return descriptor(_COMMANDS, bytes((len(parts),)) + parts)


def third_party_copy(disk: Disk, itl: LunNexus) -> bytes:
    types = bytes(sorted(SEGMENT_TYPES + CSCD_TYPES))
    return (
        _commands(disk)
        + descriptor(_PARAMETERS, struct.pack(">4xHHII12x", MOST_CSCDS, MOST_SEGMENTS, MOST_DESCRIPTORS, 0))
        + descriptor(_DESCRIPTORS, bytes((len(types),)) + types)
        + descriptor(_IDENTIFIERS, struct.pack(">HH", 2, OWN_UNIT))
        + descriptor(_GENERAL, struct.pack(">IIIBB18x", MOST_JOBS, MOST_JOBS, 0, 9, 0))
    )


COPY_PAGE = VitalPage(THIRD_PARTY_COPY, "third-party copy", third_party_copy)
