"""tgtd.scsi.sbc.format: FORMAT UNIT with and without parameters."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.scsi.workbench import TUR, Bench, cdb10, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sense import (
    FORMAT_FAILED,
    FORMAT_IN_PROGRESS,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    PARAMETER_LIST_LENGTH_ERROR,
)

MIB = 1 << 20
FMTDATA, LONGLIST = 0x10, 0x20
IMMED, IP, FOV = 0x02, 0x08, 0x80
READ = cdb10(0x28, 0, 8)


def format_unit(flags: int = 0, fast: int = 0) -> bytes:
    return bytes((0x04, flags, 0, 0, fast, 0))


class Fragile(RamMedium):
    fails = False

    def write(self, offset: int, data: Any, durable: bool) -> None:
        if self.fails:
            raise OSError(errno.EIO, "broken")
        super().write(offset, data, durable)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        if self.fails:
            raise OSError(errno.EIO, "broken")
        super().zero(offset, length, may_discard)


def make(**settings: Any) -> tuple[Bench, Fragile]:
    bench = Bench()
    medium = Fragile(MIB)
    medium.write(0, b"before" * 1000, False)
    bench.disk(medium, **settings)
    bench.ready()
    return bench, medium


@pytest.mark.parametrize("thin", [False, True])
def test_plain(thin: bool) -> None:
    bench, _ = make(thin=thin)
    bench.good(format_unit())
    assert bench.good(READ) == bytes(4096)


def test_fast_leaves_what_is_there() -> None:
    bench, _ = make()
    bench.good(format_unit(fast=1))
    assert bench.good(READ)[:6] == b"before"


def test_a_pattern() -> None:
    bench, _ = make()
    data = bytes((0, FOV | IP, 0, 0)) + b"\0\1\0\2" + b"ab"
    bench.good(format_unit(FMTDATA), data)
    assert bench.good(READ) == b"ab" * 2048


def test_a_long_list_in_the_background() -> None:
    bench, _ = make()
    task = bench.start(format_unit(FMTDATA | LONGLIST), bytes((0, IMMED, 0, 0, 0, 0, 0, 0)))
    assert task.status == 0
    task = bench.start(TUR)
    assert sense_of(task) == FORMAT_IN_PROGRESS[:3]
    assert task.sense[15] == 0x80
    bench.lane.drain()
    assert bench.good(READ) == bytes(4096)


def test_failure() -> None:
    """What needs the medium is refused until a format or a sanitize operation succeeds."""
    bench, medium = make()
    medium.fails = True
    assert bench.refused(format_unit()) == FORMAT_FAILED[:3]
    medium.fails = False
    assert bench.refused(READ) == FORMAT_FAILED[:3]
    bench.good(format_unit())
    assert bench.good(READ) == bytes(4096)


@pytest.mark.parametrize(
    ("cdb", "data", "sense", "where"),
    [
        (format_unit(0x08), None, INVALID_FIELD_IN_CDB, (True, 1, 3)),
        (format_unit(LONGLIST), None, INVALID_FIELD_IN_CDB, (True, 1, 5)),
        (format_unit(fast=2), None, INVALID_FIELD_IN_CDB, (True, 4, 1)),
        (format_unit(0x80), None, INVALID_FIELD_IN_CDB, (True, 1, 7)),
        (format_unit(FMTDATA), b"\1\0\0\0", INVALID_FIELD_IN_PARAMETER_LIST, (False, 0, 2)),
        (format_unit(FMTDATA), b"\0\x20\0\0", INVALID_FIELD_IN_PARAMETER_LIST, (False, 1, 5)),
        (format_unit(FMTDATA), b"\0\0\0\x08", INVALID_FIELD_IN_PARAMETER_LIST, (False, 2, None)),
        (
            format_unit(FMTDATA),
            bytes((0, FOV | IP, 0, 0)) + b"\0\2\0\1x",
            INVALID_FIELD_IN_PARAMETER_LIST,
            (False, 5, 7),
        ),
        (
            format_unit(FMTDATA),
            bytes((0, FOV | IP, 0, 0)) + b"\0\1\0\0",
            INVALID_FIELD_IN_PARAMETER_LIST,
            (False, 6, None),
        ),
    ],
)
def test_what_is_wrong(cdb: bytes, data: bytes | None, sense: Any, where: tuple[bool, int, int | None]) -> None:
    bench, _ = make()
    task = bench.run(cdb, data)
    assert sense_of(task) == sense[:3]
    assert pointer_of(task) == where
    assert bench.good(READ)[:6] == b"before"


@pytest.mark.parametrize("data", [b"\0\0\0", bytes((0, FOV | IP, 0, 0)), bytes((0, FOV | IP, 0, 0)) + b"\0\1\0\2a"])
def test_lists_that_are_too_short(data: bytes) -> None:
    bench, _ = make()
    assert bench.refused(format_unit(FMTDATA), data) == PARAMETER_LIST_LENGTH_ERROR[:3]
    assert bench.good(READ)[:6] == b"before"
