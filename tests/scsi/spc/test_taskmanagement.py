"""tgtd.scsi.spc.taskmanagement: the report is what Target.manage performs."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench
from tgtd.scsi.spc.taskmanagement import SUPPORT_BITS
from tgtd.scsi.target import ServiceResponse, TaskManagement, encode_lun


def report(flags: int, length: int = 255) -> bytes:
    return bytes((0xA3, 0x0D, flags, 0, 0, 0, 0, 0, 0, length, 0, 0))


@pytest.mark.parametrize("function", TaskManagement)
def test_each_function_is_reported_and_performed(function: TaskManagement) -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    byte, bit = SUPPORT_BITS[function]
    assert bench.good(report(0))[byte] & bit
    assert bench.target.manage(function, bench.nexus, encode_lun(0), 1) is ServiceResponse.COMPLETE


def test_nothing_else_is_reported() -> None:
    bench = Bench()
    data = bench.good(report(0))
    assert len(data) == 4
    assert sum(byte.bit_count() for byte in data) == len(TaskManagement) == len(set(SUPPORT_BITS.values()))


def test_by_a_simple_transport() -> None:
    bench = Bench()
    bench.nexus.simple = True
    assert bench.good(report(0)) == bytes((0x88, 0, 0, 0)), "ABORT TASK, LOGICAL UNIT RESET"


def test_extended_data() -> None:
    bench = Bench()
    data = bench.good(report(0x80))
    assert len(data) == 16
    assert data[3] == 12
    assert data[4] == 1
    assert int.from_bytes(data[8:12], "big") > 0
    assert data[:3] == bench.good(report(0))[:3]
    assert len(bench.good(report(0x80, 6))) == 6
