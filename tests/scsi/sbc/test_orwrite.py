"""tgtd.scsi.sbc.orwrite: bits are added, and nothing comes between."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.test_write import Noting, make
from tests.scsi.workbench import cdb10, cdb16, sense_of

OR = 0x8B


def test_bits_are_added() -> None:
    bench, _ = make()
    bench.good(cdb10(0x2A, 0, 2), b"\x0f" * 1024)
    bench.good(cdb16(OR, 1, 2), b"\xa0" * 512 + b"\x01" * 512)
    assert bench.good(cdb10(0x28, 0, 3)) == b"\x0f" * 512 + b"\xaf" * 512 + b"\x01" * 512


def test_nothing_comes_between() -> None:
    bench, _ = make()
    first = bench.start(cdb16(OR, 0, 1), b"\x01" * 512)
    second = bench.start(cdb16(OR, 0, 1), b"\x02" * 512)
    write = bench.start(cdb10(0x2A, 1, 1), b"\x04" * 512)
    assert len(bench.lane.jobs) == 1
    bench.lane.drain()
    assert [task.status for task in (first, second, write)] == [0, 0, 0]
    assert bench.good(cdb10(0x28, 0, 1)) == b"\x03" * 512


@pytest.mark.parametrize(("flags", "expected"), [(0, "cached"), (8, "durable")])
def test_force_unit_access(flags: int, expected: str) -> None:
    bench, medium = make()
    assert isinstance(medium, Noting)
    bench.good(cdb16(OR, 0, 1, flags), b"\x01" * 512)
    assert medium.log == [expected]


def test_nothing_and_too_much() -> None:
    bench, _ = make()
    bench.good(cdb16(OR, 0, 0), b"")
    assert sense_of(bench.run(cdb16(OR, 2048, 1), b"x" * 512)) == (5, 0x21, 0)
    bench.good(cdb16(OR, 2047, 1), b"x" * 512)
