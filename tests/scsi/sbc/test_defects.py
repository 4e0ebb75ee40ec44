"""tgtd.scsi.sbc.defects: marking, replacing and listing bad blocks."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench, cdb10, pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, MARKED_BAD, PARAMETER_LIST_LENGTH_ERROR

WR_UNCOR, PBLOCK = 0x40, 0x20
LONGLBA, LONGLIST = 2, 1


def write_long(lba: int, flags: int = WR_UNCOR) -> bytes:
    return struct.pack(">BBI4x", 0x3F, flags, lba)


def write_long_16(lba: int, flags: int = WR_UNCOR) -> bytes:
    return struct.pack(">BBQ6x", 0x9F, 0x11 | flags, lba)


def reassign(*lbas: int, flags: int = 0) -> tuple[bytes, bytes]:
    body = b"".join(lba.to_bytes(8 if flags & LONGLBA else 4, "big") for lba in lbas)
    head = len(body).to_bytes(4, "big") if flags & LONGLIST else b"\0\0" + len(body).to_bytes(2, "big")
    return bytes((0x07, flags, 0, 0, 0, 0)), head + body


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.disk(physical_block_size=4096)
    bench.ready()
    bench.good(cdb10(0x2A, 0, 64), b"d" * 32768)
    return bench


@pytest.mark.parametrize("cdb", [write_long(9), write_long_16(9)])
def test_a_marked_block_cannot_be_read(bench: Bench, cdb: bytes) -> None:
    bench.good(cdb)
    task = bench.run(cdb10(0x28, 8, 8))
    assert sense_of(task) == MARKED_BAD[:3]
    assert task.sense[0] & 0x80
    assert int.from_bytes(task.sense[3:7], "big") == 9
    assert bench.good(cdb10(0x28, 0, 8)) == b"d" * 4096
    assert bench.refused(cdb10(0x2F, 8, 8)) == MARKED_BAD[:3]  # VERIFY
    bench.good(cdb10(0x2A, 9, 1), b"n" * 512)
    assert bench.good(cdb10(0x28, 8, 2)) == b"d" * 512 + b"n" * 512


def test_a_physical_block(bench: Bench) -> None:
    bench.good(write_long(11, WR_UNCOR | PBLOCK))
    bad = [lba for lba in range(24) if bench.run(cdb10(0x28, lba, 1)).status]
    assert bad == list(range(8, 16))


def test_what_write_long_does_not_do(bench: Bench) -> None:
    task = bench.run(write_long(9, 0))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 1, 6)
    assert bench.refused(write_long(2048)) == LBA_OUT_OF_RANGE[:3]


@pytest.mark.parametrize("flags", [0, LONGLBA, LONGLIST, LONGLBA | LONGLIST])
def test_reassign(bench: Bench, flags: int) -> None:
    """What was in the block is there again; it stands in the grown list."""
    bench.good(write_long(9))
    bench.good(*reassign(9, 12, flags=flags))
    assert bench.good(cdb10(0x28, 8, 8)) == b"d" * 4096
    grown = bench.good(bytes((0x37, 0, 0x08, 0, 0, 0, 0, 1, 0, 0)))
    assert grown == bytes((0, 0x08, 0, 8)) + struct.pack(">II", 9, 12)
    long = bench.good(struct.pack(">BBIIBB", 0xB7, 0x08 | 3, 1, 256, 0, 0))
    assert long == struct.pack(">BBHI", 0, 0x0B, 0, 8) + struct.pack(">Q", 12)
    assert bench.good(bytes((0x37, 0, 0x10, 0, 0, 0, 0, 1, 0, 0))) == bytes((0, 0x10, 0, 0))


@pytest.mark.parametrize("data", [b"\0\0", b"\0\0\0\3abc", b"\0\0\0\x08\0\0\0\1"])
def test_lists_that_are_wrong(bench: Bench, data: bytes) -> None:
    assert bench.refused(bytes((7, 0, 0, 0, 0, 0)), data) == PARAMETER_LIST_LENGTH_ERROR[:3]


def test_blocks_that_are_not_there(bench: Bench) -> None:
    cdb, data = reassign(9, 2048)
    assert bench.refused(cdb, data) == LBA_OUT_OF_RANGE[:3]
    assert bench.good(bytes((0x37, 0, 0x08, 0, 0, 0, 0, 1, 0, 0)))[3] == 0


def test_formats_of_addresses(bench: Bench) -> None:
    task = bench.run(bytes((0x37, 0, 0x08 | 5, 0, 0, 0, 0, 1, 0, 0)))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 2, 2)
