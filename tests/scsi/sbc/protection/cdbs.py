"""CDBs and blocks with protection information, built from scratch."""

from __future__ import annotations

import struct

from tgtd.scsi.sbc.protection.guard import guard

GUARD, APPLICATION, REFERENCE = (0xB, 0x10, 1), (0xB, 0x10, 2), (0xB, 0x10, 3)
READ, WRITE, VERIFY, WRITE_VERIFY, SAME, OR = 0x28, 0x2A, 0x2F, 0x2E, 0x41, 0x8B
READ_32, VERIFY_32, WRITE_32, WRITE_VERIFY_32, SAME_32, OR_32, ATOMIC_32 = 9, 10, 11, 12, 13, 14, 15


def ten(opcode: int, lba: int, count: int, protect: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">BBIBHB", opcode, protect << 5 | flags, lba, 0, count, 0)


def sixteen(opcode: int, lba: int, count: int, protect: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">BBQIBB", opcode, protect << 5 | flags, lba, count, 0, 0)


def long(
    action: int,
    lba: int,
    count: int,
    protect: int = 0,
    flags: int = 0,
    reference: int = 0,
    tag: int = 0,
    mask: int = 0,
) -> bytes:
    head = struct.pack(">B6xBHBx", 0x7F, 0x18, action, protect << 5 | flags)
    return head + struct.pack(">QIHHI", lba, reference, tag, mask, count)


def block(fill: int, reference: int, tag: int = 0, crc: int | None = None, size: int = 512) -> bytes:
    """One block as it is on the wire when PROTECT is not zero."""
    data = bytes((fill,)) * size
    return data + struct.pack(">HHI", guard(data) if crc is None else crc, tag, reference & 0xFFFFFFFF)


def blocks(fill: int, lba: int, count: int, tag: int = 0) -> bytes:
    return b"".join(block(fill, lba + n, tag) for n in range(count))


def own_tags(on: bool = True) -> bytes:
    """The parameter list of a MODE SELECT(6) that sets ATO in the control mode page."""
    return bytes(4) + bytes.fromhex("0A0A 00 10 00") + bytes((0x80 if on else 0,)) + bytes((0, 0, 0, 0, 0, 1))


SELECT = bytes.fromhex("15100000 10 00")
