"""tgtd.scsi.spc.commands: REQUEST SENSE, REPORT LUNS, TEST UNIT READY."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import TUR, Bench, pointer_of
from tgtd.scsi.sense import MEDIUM_NOT_PRESENT, POWER_ON
from tgtd.scsi.spc.commands import COMMON, MODES, usage


def report_luns(select: int = 0, length: int = 1 << 20) -> bytes:
    return struct.pack(">BxB3xIxB", 0xA0, select, length, 0)


def luns_of(data: bytes) -> list[int]:
    length = struct.unpack_from(">I", data)[0]
    assert length == len(data) - 8
    return [field >> 48 for field in struct.unpack_from(f">{length // 8}Q", data, 8)]


def test_report_luns() -> None:
    bench = Bench()
    for number in (300, 1, 7):
        bench.disk(number=number)
    assert luns_of(bench.good(report_luns(), lun=1)) == [0, 1, 7, 0x4000 | 300]
    assert luns_of(bench.good(report_luns(2))) == [0, 1, 7, 0x4000 | 300]
    assert luns_of(bench.good(report_luns(1))) == []
    assert len(bench.good(report_luns(length=12))) == 12
    assert pointer_of(bench.run(report_luns(3))) == (True, 2, 7)


def test_report_luns_shows_the_view() -> None:
    bench = Bench()
    bench.disk(number=4)
    bench.disk(number=5)
    bench.target.set_view(bench.nexus, {2: 5})
    assert luns_of(bench.good(report_luns())) == [0, 2]


@pytest.mark.parametrize("number", [0, 9])
def test_report_luns_works_where_nothing_is(number: int) -> None:
    assert luns_of(Bench().good(report_luns(), lun=number)) == [0]


def test_request_sense() -> None:
    bench = Bench()
    disk = bench.disk(removable=True)
    data = bench.good(bytes.fromhex("030100001200"))
    assert data[:4] == bytes((0x72, *POWER_ON[:3]))
    disk.offline()
    data = bench.good(bytes.fromhex("030000001200"))
    assert (data[2], data[12], data[13]) == MEDIUM_NOT_PRESENT[:3]
    assert len(bench.good(bytes.fromhex("030000000500"))) == 5


def test_test_unit_ready() -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    bench.good(TUR)
    disk.offline()
    assert bench.refused(TUR)[0] == 2


def test_usage_reads_hexadecimal() -> None:
    assert usage("12 01 FF FFFF 04") == bytes((0x12, 1, 255, 255, 255, 4))


def test_rows_are_all_told() -> None:
    names = [row.name for row in (*COMMON, *MODES)]
    assert len(set(names)) == len(names) == 10
