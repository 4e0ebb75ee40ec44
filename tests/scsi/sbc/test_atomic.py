"""tgtd.scsi.sbc.atomic: only where the medium can promise it."""

from __future__ import annotations

import struct
from typing import Any

from tests.scsi.workbench import Bench, cdb10, pointer_of, sense_of
from tgtd.media.null import NullMedium
from tgtd.media.ram import RamMedium

MIB = 1 << 20


def write_atomic(lba: int, count: int, boundary: int = 0) -> bytes:
    return struct.pack(">BBQHHBB", 0x9C, 0, lba, boundary, count, 0, 0)


def make(medium: Any = None) -> Bench:
    bench = Bench()
    bench.disk(medium or RamMedium(MIB))
    bench.ready()
    return bench


def limits(bench: Bench) -> tuple[int, ...]:
    """MAXIMUM ATOMIC TRANSFER LENGTH and what follows it in VPD page B0h."""
    page = bench.good(bytes((0x12, 1, 0xB0, 0, 255, 0)))
    return struct.unpack_from(">IIIII", page, 44)


def test_memory_can() -> None:
    bench = make(RamMedium(64 * MIB))
    most = limits(bench)[0]
    assert most > 0
    bench.good(write_atomic(3, 2), b"a" * 1024)
    assert bench.good(cdb10(0x28, 3, 2)) == b"a" * 1024
    task = bench.run(write_atomic(0, most + 1), b"")
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task)[:2] == (True, 12)
    assert sense_of(bench.run(write_atomic(128 * 1024 - 1, 2), b"x" * 1024)) == (5, 0x21, 0)
    assert sense_of(bench.run(write_atomic(0, 2, 1), b"x" * 1024)) == (5, 0x24, 0), "there are no boundaries"


def test_who_cannot_does_not_say_so() -> None:
    class Paged(NullMedium):
        atomic_bytes = 0

    bench = make(Paged(MIB))
    assert limits(bench) == (0, 0, 0, 0, 0)
    assert bench.refused(write_atomic(0, 1), b"x" * 512) == (5, 0x20, 0)


def test_nothing_runs_meanwhile() -> None:
    bench = make()
    bench.start(write_atomic(0, 1), b"a" * 512)
    bench.start(write_atomic(0, 1), b"b" * 512)
    assert len(bench.lane.jobs) == 1
    bench.lane.drain()
    assert bench.good(cdb10(0x28, 0, 1)) == b"b" * 512
