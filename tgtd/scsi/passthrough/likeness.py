"""INQUIRY data of a real device, as initiators of ours see them (SPC-5 6.6, 7.7).

Everything is the device's, but for what is not true of the way by which initiators reach it here: its target ports,
asymmetric access (ours, where port groups are declared), third-party copy, ACA, command queueing, and how much data one
command may move.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tgtd.scsi.inquiry import IDENTIFICATION
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.passthrough.exchange import Portrait
from tgtd.scsi.spc.unit import PrimaryUnit

SUPPORTED_PAGES, DEVICE_IDENTIFICATION, BLOCK_LIMITS = 0x00, 0x83, 0xB0

HIDDEN = frozenset({0x85, 0x87, 0x88, 0x8F})
"""VPD pages about other ports and other ways to the device: management addresses, mode page policy (its nexuses are
not ours), SCSI ports, third-party copy."""

_NORMACA, _TPGS_3PC, _CMDQUE = 0x20, 0x38, 0x02


def standard(tpgs: int, data: bytes) -> bytes:
    """Standard INQUIRY data: without NORMACA and 3PC, with CMDQUE and a TPGS of ours."""
    shown = bytearray(data)
    for at, off, on in ((3, _NORMACA, 0), (5, _TPGS_3PC, tpgs << 4), (7, 0, _CMDQUE)):
        if at < len(shown):
            shown[at] = shown[at] & ~off | on
    return bytes(shown)


def page(data: bytes, unit: PrimaryUnit, itl: LunNexus, portrait: Portrait, most_bytes: int) -> bytes:
    """A whole VPD page. One that does not follow its own header is handed on as it is."""
    if len(data) < 4 or len(data) < 4 + int.from_bytes(data[2:4], "big"):
        return data
    body = data[4 : 4 + int.from_bytes(data[2:4], "big")]
    match data[1]:
        case 0x00:
            body = bytes(code for code in body if code not in HIDDEN)
        case 0x83:
            own = (each for each in designators(IDENTIFICATION.build(unit, itl)) if each[1] & 0x30)
            body = b"".join((*(each for each in designators(body) if not each[1] & 0x30), *own))
        case 0xB0 if portrait.block_size:
            body = _limited(body, most_bytes // portrait.block_size)
    return data[:2] + struct.pack(">H", len(body)) + body


def designators(body: bytes) -> Iterator[bytes]:
    """The designation descriptors of VPD page 83h (SPC-5 7.7.6.1); association is in bits 5 and 4 of byte 1."""
    while len(body) >= 4:
        length = 4 + body[3]
        yield body[:length]
        body = body[length:]


def _limited(body: bytes, blocks: int) -> bytes:
    """SBC-4 6.6.4: MAXIMUM TRANSFER LENGTH, where zero means none, and OPTIMAL TRANSFER LENGTH."""
    if len(body) < 12:
        return body
    most, best = struct.unpack_from(">II", body, 4)
    return body[:4] + struct.pack(">II", min(most or blocks, blocks), min(best, blocks)) + body[12:]
