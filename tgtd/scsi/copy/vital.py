"""VPD page 8Fh, third-party copy, built of the tables that the copy manager goes by (SPC-5 7.7.18)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import ActionTable
from tgtd.scsi.copy.commands import EXTENDED_COPY, RECEIVE
from tgtd.scsi.copy.manager import MOST_JOBS
from tgtd.scsi.copy.parameters import CSCD_TYPES, MOST_CSCDS, MOST_DESCRIPTORS, MOST_SEGMENTS, OWN_UNIT, SEGMENT_TYPES
from tgtd.scsi.copy.rods import MOST_RANGES
from tgtd.scsi.copy.tokens import (
    BLOCK_ZERO,
    CHANGE_VULNERABLE,
    DEFAULT_TIMEOUT,
    LONGEST_TIMEOUT,
    MOST_BYTES,
    OPTIMAL_BYTES,
)
from tgtd.scsi.inquiry import THIRD_PARTY_COPY, VitalPage

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus
    from tgtd.scsi.sbc.disk import Disk

_BLOCK_LIMITS, _TOKEN_FEATURES, _TOKEN_TYPES = 0x0000, 0x0106, 0x0108
_OUT, _IN = 0x01, 0x02  # the token comes from us; is taken by us
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


def _block_limits(disk: Disk) -> bytes:
    most, optimal = MOST_BYTES >> disk.shift, OPTIMAL_BYTES >> disk.shift
    return descriptor(
        _BLOCK_LIMITS,
        struct.pack(">6xHIIQQ", MOST_RANGES, LONGEST_TIMEOUT, DEFAULT_TIMEOUT, most, optimal),
    )


def _token_features() -> bytes:
    """No tokens of others, no bounds but those of time; of block devices."""
    blocks = struct.pack(">BxHxxHQQQQ8x", 0, 0x2C, 0, 0, 0, 0, 0)
    return descriptor(
        _TOKEN_FEATURES, struct.pack(">B11xIII18xH", 0, 1, 0xFFFFFFFF, LONGEST_TIMEOUT, len(blocks)) + blocks
    )


def _token_types() -> bytes:
    rows = ((CHANGE_VULNERABLE, _OUT | _IN), (BLOCK_ZERO, _IN))
    parts = b"".join(struct.pack(">IBxH56x", kind, flags, 0) for kind, flags in rows)
    return descriptor(_TOKEN_TYPES, struct.pack(">xxH", len(parts)) + parts)


def third_party_copy(disk: Disk, itl: LunNexus) -> bytes:
    types = bytes(sorted(SEGMENT_TYPES + CSCD_TYPES))
    return (
        _block_limits(disk)
        + _commands(disk)
        + descriptor(_PARAMETERS, struct.pack(">4xHHII12x", MOST_CSCDS, MOST_SEGMENTS, MOST_DESCRIPTORS, 0))
        + descriptor(_DESCRIPTORS, bytes((len(types),)) + types)
        + descriptor(_IDENTIFIERS, struct.pack(">HH", 2, OWN_UNIT))
        + _token_features()
        + _token_types()
        + descriptor(_GENERAL, struct.pack(">IIIBB18x", MOST_JOBS, MOST_JOBS, 0, 9, 0))
    )


COPY_PAGE = VitalPage(THIRD_PARTY_COPY, "third-party copy", third_party_copy)
