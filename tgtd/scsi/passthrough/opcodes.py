"""REPORT SUPPORTED OPERATION CODES of a passthrough: what the device says, less what we refuse, plus what we answer
ourselves (SPC-5 6.34)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

REFUSED: frozenset[tuple[int, int | None]] = frozenset({(0x83, None), (0x84, None), (0xA3, 0x0A), (0xA4, 0x0A)})
"""Operation code and service action (None: all of them). Third-party copy reaches units that the administrator did not
hand out; target port groups speak of the ports by which this host sees the device."""

_DESCRIPTOR = struct.Struct(">BxHxBH")
_TIMEOUTS = 12


def refused(opcode: int, action: int) -> bool:
    """Whether a command never reaches the device."""
    return (opcode, None) in REFUSED or (opcode, action) in REFUSED


def merged(theirs: bytes, ours: bytes, own: Iterable[tuple[int, int | None]]) -> bytes:
    """Two lists of all commands made one, in order. own: what we answer ourselves, whatever the device says of it."""
    known = set(own)
    rows = {key: row for key, row in _rows(theirs) if not _hidden(*key, known)}
    rows.update(_rows(ours))
    body = b"".join(row for _, row in sorted(rows.items()))
    return struct.pack(">I", len(body)) + body


def _hidden(opcode: int, action: int, known: set[tuple[int, int | None]]) -> bool:
    return refused(opcode, action) or (opcode, None) in known or (opcode, action) in known


def _rows(data: bytes) -> Iterator[tuple[tuple[int, int], bytes]]:
    """The command descriptors of a list, by operation code and service action; a list that was cut ends early."""
    at, end = 4, min(len(data), 4 + int.from_bytes(data[:4], "big"))
    while at + _DESCRIPTOR.size <= end:
        opcode, action, flags, _ = _DESCRIPTOR.unpack_from(data, at)
        size = _DESCRIPTOR.size + (_TIMEOUTS if flags & 0x02 else 0)
        yield (opcode, action), data[at : at + size]
        at += size
