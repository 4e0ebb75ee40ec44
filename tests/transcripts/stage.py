"""Transcripts: who sends what, and what must come back, over real iSCSI connections.

Every answer's residual must be exact besides: the room that the initiator gave, less what it got.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import NamedTuple

from tests.initiator import Initiator, Result
from tests.wire.conftest import Site

GOOD, CONFLICT = 0x00, 0x18

Answer = int | tuple[int, int, int] | bytes | Callable[[bytes], object]
"""A status; sense key, ASC and ASCQ of a CHECK CONDITION; data-in; or what must be true of the data-in."""


class Out(NamedTuple):
    """A command that sends data, or nothing."""

    cdb: bytes
    data: bytes = b""


class In(NamedTuple):
    """A command that reads. room: how much the initiator expects."""

    cdb: bytes
    room: int


class Row(NamedTuple):
    """One exchange. node: whose it is; words: for people. information: the INFORMATION field that must be valid."""

    node: str
    words: str
    sends: Out | In
    answer: Answer = GOOD
    information: int | None = None


def play(site: Site, lun: int, rows: Iterable[Row]) -> None:
    """Carry out the rows in their order. Nodes log in when they speak first, and have their power-on attention then.

    Raises AssertionError with the row that went otherwise.
    """
    with ExitStack() as stack:
        nodes: dict[str, Initiator] = {}
        for number, row in enumerate(rows, 1):
            if row.node not in nodes:
                name, isid = f"iqn.1991-05.com.microsoft:{row.node}", 0x400001370000 + len(nodes)
                nodes[row.node] = stack.enter_context(site.login(name=name, isid=isid))
                check(nodes[row.node].read(bytes(6), 0, lun=lun), In(bytes(6), 0), (0x6, 0x29, 0x00), "its first words")
            words = f"{number}. {row.node}: {row.words}"
            result = send(nodes[row.node], lun, row.sends)
            check(result, row.sends, row.answer, words)
            if row.information is not None:
                valid = result.sense[0] == 0xF0 and int.from_bytes(result.sense[3:7], "big") == row.information
                assert valid, f"{words}: sense {result.sense.hex()}"


def send(node: Initiator, lun: int, sends: Out | In) -> Result:
    if isinstance(sends, Out) and sends.data:
        return node.write(sends.cdb, sends.data, lun=lun)
    return node.read(sends.cdb, sends.room if isinstance(sends, In) else 0, lun=lun)


def check(result: Result, sends: Out | In, answer: Answer, words: str) -> None:
    seen = f"{words}: status {result.status:02X}h, sense {result.sense.hex()}, data {result.data[:64].hex()}"
    if isinstance(answer, tuple):
        assert result.status == 0x02, seen
        assert result.asc == answer, seen
    elif isinstance(answer, int):
        assert result.status == answer, seen
    else:
        assert result.status == GOOD, seen
        assert result.data == answer if isinstance(answer, bytes) else answer(result.data), seen
    if isinstance(sends, In):
        assert result.residual == sends.room - len(result.data), f"{seen}: residual {result.residual}"
    elif result.status == GOOD:
        assert result.residual == 0, f"{seen}: residual {result.residual}"


def vital(page: int, room: int = 255) -> In:
    """INQUIRY for a VPD page."""
    return In(struct.pack(">BBBHB", 0x12, 1, page, room, 0), room)


def standard(room: int) -> In:
    """INQUIRY for standard data."""
    return In(struct.pack(">BBBHB", 0x12, 0, 0, room, 0), room)


def unmap(*ranges: tuple[int, int]) -> Out:
    """UNMAP of (LBA, blocks)."""
    body = b"".join(struct.pack(">QI4x", lba, count) for lba, count in ranges)
    data = struct.pack(">HH4x", len(body) + 6, len(body)) + body
    return Out(struct.pack(">B6xHx", 0x42, len(data)), data)


def compare_and_write(lba: int, expected: bytes, new: bytes) -> Out:
    """COMPARE AND WRITE of one block."""
    return Out(struct.pack(">BxQ3xBxx", 0x89, lba, 1), expected + new)


def write_same(lba: int, count: int, block: bytes, unmaps: bool = False) -> Out:
    """WRITE SAME(16)."""
    return Out(struct.pack(">BBQIxx", 0x93, 8 if unmaps else 0, lba, count), block)


def read16(lba: int, count: int, block_size: int = 512) -> In:
    return In(struct.pack(">BxQIxx", 0x88, lba, count), count * block_size)


def write16(lba: int, data: bytes, block_size: int = 512) -> Out:
    return Out(struct.pack(">BxQIxx", 0x8A, lba, len(data) // block_size), data)


def lba_status(lba: int, room: int = 24) -> In:
    """GET LBA STATUS(16)."""
    return In(struct.pack(">BBQIxx", 0x9E, 0x12, lba, room), room)


READ_CAPACITY_10 = In(struct.pack(">B9x", 0x25), 8)
READ_CAPACITY_16 = In(struct.pack(">BB8xIxx", 0x9E, 0x10, 32), 32)
REPORT_LUNS = In(struct.pack(">B5xIxx", 0xA0, 0x2000), 0x2000)
TEST_UNIT_READY = Out(bytes(6))
RESERVE_6, RELEASE_6 = Out(bytes((0x16, 0, 0, 0, 0, 0))), Out(bytes((0x17, 0, 0, 0, 0, 0)))
