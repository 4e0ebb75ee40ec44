"""tgtd.scsi.spc.absent: LUNs at which there is nothing."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench, pointer_of
from tgtd.scsi.sense import LOGICAL_UNIT_NOT_SUPPORTED

ANSWERED = {0x12, 0xA0, 0x03}


def test_inquiry() -> None:
    bench = Bench()
    data = bench.good(bytes.fromhex("120000006000"), lun=5)
    assert data[0] == 0x7F
    assert len(data) == 96
    assert bench.good(bytes.fromhex("120100006000"), lun=5) == b"\x7f\0\0\x01\0"
    assert pointer_of(bench.run(bytes.fromhex("121000006000"), lun=5)) == (True, 1, 4)


def test_inquiry_with_the_lun_where_scsi_2_had_it() -> None:
    """As Linux looks at the first LUN of a target of which it knows nothing yet."""
    bench = Bench()
    assert bench.good(bytes.fromhex("12a000006000"), lun=5) == bench.good(bytes.fromhex("120000006000"), lun=5)


def test_request_sense_tells_as_data() -> None:
    data = Bench().good(bytes.fromhex("030000001200"), lun=5)
    assert (data[2], data[12], data[13]) == LOGICAL_UNIT_NOT_SUPPORTED[:3]


@pytest.mark.parametrize("opcode", sorted(set(range(256)) - ANSWERED))
def test_everything_else(opcode: int) -> None:
    assert Bench().refused(bytes((opcode,)), lun=5) == LOGICAL_UNIT_NOT_SUPPORTED[:3]


def test_no_initiator_can_lock_the_others_out() -> None:
    bench = Bench()
    assert bench.refused(bytes.fromhex("28000000000000000004"), lun=5) == LOGICAL_UNIT_NOT_SUPPORTED[:3]
    other = bench.connect("other")
    for nexus in (bench.nexus, other):
        assert bench.run(bytes.fromhex("a00000000000000000400000"), lun=7, nexus=nexus).status == 0
        assert not bench.good(bytes.fromhex("120000006000"), lun=7, nexus=nexus)[3] & 0x20
