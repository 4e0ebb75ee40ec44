"""tgtd.scsi.passthrough.opcodes: two lists made one."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tgtd.scsi.passthrough.opcodes import merged, refused


def listed(*rows: tuple[int, int, int], timeouts: bool = False) -> bytes:
    each = [struct.pack(">BxHxBH", opcode, action, flags | timeouts << 1, 10) for opcode, action, flags in rows]
    body = b"".join(row + (struct.pack(">HxBII", 10, 0, 0, 30) if timeouts else b"") for row in each)
    return struct.pack(">I", len(body)) + body


def test_order_and_precedence() -> None:
    theirs = listed((0x28, 0, 0), (0x83, 0, 1), (0xA3, 0x0A, 1), (0xA3, 0x05, 1), (0x12, 0, 0), (0x16, 0, 0))
    ours = listed((0x12, 0, 0), (0xA3, 0x0C, 1))
    told = merged(theirs, ours, [(0x12, None), (0x16, None), (0xA3, 0x0C)])
    assert told == listed((0x12, 0, 0), (0x28, 0, 0), (0xA3, 0x05, 1), (0xA3, 0x0C, 1))


def test_timeouts_are_kept() -> None:
    theirs, ours = listed((0x28, 0, 0), timeouts=True), listed((0x12, 0, 0), timeouts=True)
    assert merged(theirs, ours, []) == listed((0x12, 0, 0), (0x28, 0, 0), timeouts=True)


def test_refused() -> None:
    assert refused(0x83, 0x11)
    assert refused(0xA4, 0x0A)
    assert not refused(0xA4, 0x0B)


@given(st.binary(max_size=200))
def test_anything(theirs: bytes) -> None:
    told = merged(theirs, listed((0x12, 0, 0)), [(0x12, None)])
    assert int.from_bytes(told[:4], "big") == len(told) - 4
    assert b"\x12\0\0\0\0\0\0\x0a" in told
