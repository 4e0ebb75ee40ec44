"""tgtd.scsi.passthrough.device: what goes through, and what this host's troubles become."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.passthrough.stand_in import PassBench
from tests.scsi.workbench import IDENTITY, TUR, cdb10, pointer_of, sense_of
from tgtd.scsi.passthrough.device import LONG_SECONDS, TAPE_SECONDS, PassthroughSettings
from tgtd.scsi.passthrough.exchange import DeviceReply, Portrait
from tgtd.scsi.sense import (
    BECOMING_READY,
    BUSY,
    COMMAND_TIMEOUT,
    GOOD,
    INQUIRY_DATA_CHANGED,
    INTERNAL_TARGET_FAILURE,
    INVALID_COMMAND_OPERATION_CODE,
    INVALID_FIELD_IN_CDB,
    LBA_OUT_OF_RANGE,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    RESERVATION_CONFLICT,
)
from tgtd.scsi.target import TaskManagement

DATA = bytes(range(256)) * 4


def test_data_goes_both_ways() -> None:
    bench = PassBench()
    assert bench.run(cdb10(0x2A, 8, 2), DATA).status == GOOD
    task = bench.fetch(cdb10(0x28, 8, 2), 1024)
    assert (task.status, task.data_in) == (GOOD, DATA)
    assert bench.real.asked == [(cdb10(0x2A, 8, 2), 1024, 0, 60), (cdb10(0x28, 8, 2), 0, 1024, 60)]
    counters = bench.unit.counters.as_dict()
    assert counters == {"commands": 2, "read_bytes": 1024, "write_bytes": 1024, "errors": 0, "medium_errors": 0}
    assert bench.pool.used == 0


def test_less_than_expected_is_a_residual() -> None:
    bench = PassBench()
    task = bench.fetch(cdb10(0x28, 0, 1), 4096)
    assert len(task.data_in) == 512
    out = bench.run(cdb10(0x2A, 0, 1), bytes(4096))
    assert (out.wanted_out, out.expected_out) == (512, 4096)


def test_sense_and_data_come_together() -> None:
    """As a tape's short block does."""
    bench = PassBench()
    sense = bytes.fromhex("f00020000001000a00000000000000000000")
    bench.real.replies.append(DeviceReply(0x02, sense, 100))
    task = bench.fetch(bytes.fromhex("080000020000"), 512)
    assert (task.status, task.sense, len(task.data_in)) == (0x02, sense, 100)


def test_sense_is_the_device_s() -> None:
    bench = PassBench()
    assert bench.refused(cdb10(0x28, 1 << 20, 1)) == LBA_OUT_OF_RANGE[:3]
    bench.real.replies.append(DeviceReply(0x02, b"", 0))
    assert bench.refused(TUR) == INTERNAL_TARGET_FAILURE[:3]
    bench.real.replies.append(DeviceReply(RESERVATION_CONFLICT, b"", 0))
    assert bench.run(TUR).status == RESERVATION_CONFLICT
    assert bench.unit.counters.errors == 3


@pytest.mark.parametrize("sense", ["70000600000000 0a 00000000 2900", "72 06 29 00 00000000"])
def test_a_unit_attention_of_the_device_is_for_all(sense: str) -> None:
    bench = PassBench()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.real.replies.append(DeviceReply(0x02, bytes.fromhex(sense.replace(" ", "")), 0))
    assert bench.refused(TUR) == (6, 0x29, 0)
    assert bench.refused(TUR, nexus=other) == (6, 0x29, 0)
    assert bench.run(TUR).status == bench.run(TUR, nexus=other).status == GOOD


def test_no_data_both_ways() -> None:
    bench = PassBench()
    bench.room = 512
    assert bench.refused(cdb10(0x53, 0, 1), bytes(512)) == INVALID_COMMAND_OPERATION_CODE[:3]
    assert not bench.real.asked


def test_no_more_than_the_host_moves() -> None:
    bench = PassBench()
    assert bench.refused(cdb10(0x2A, 0, 129), bytes(129 * 512)) == INVALID_FIELD_IN_CDB[:3]
    assert sense_of(bench.fetch(cdb10(0x28, 0, 129), 129 * 512)) == INVALID_FIELD_IN_CDB[:3]
    assert bench.fetch(cdb10(0x28, 0, 128), 128 * 512).status == GOOD
    assert len(bench.real.asked) == 1


def test_naca_is_refused() -> None:
    bench = PassBench()
    task = bench.run(cdb10(0x28, 0, 1)[:9] + b"\x04")
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 9, 2)


def test_commands_that_take_long_have_time() -> None:
    bench = PassBench(timeout=7)
    bench.run(TUR)
    bench.run(bytes((0x01, 0, 0, 0, 0, 0)))
    assert [seconds for *_, seconds in bench.real.asked] == [7, LONG_SECONDS]
    bench.unit.change(PassthroughSettings(20000), IDENTITY)
    bench.run(bytes((0x01, 0, 0, 0, 0, 0)))
    assert bench.real.asked[-1][3] == 20000


def test_a_tape_has_time_to_find_its_place() -> None:
    bench = PassBench(timeout=7)
    inquiry = bench.real.portrait.inquiry
    bench.real.portrait = Portrait(b"\x01" + inquiry[1:])
    bench.unit.insert(bench.real)
    bench.ready()
    for cdb in (TUR, bytes((0x08, 0, 0, 0, 1, 0)), bytes((0x10, 0, 0, 0, 1, 0))):
        bench.run(cdb)
    assert {cdb[0]: seconds for cdb, _, _, seconds in bench.real.asked} == {
        0x00: TAPE_SECONDS,
        0x08: TAPE_SECONDS,
        0x10: LONG_SECONDS,
    }


@pytest.mark.parametrize(
    ("number", "sense"),
    [
        (errno.EPERM, INVALID_COMMAND_OPERATION_CODE),
        (errno.EINVAL, INVALID_FIELD_IN_CDB),
        (errno.ETIMEDOUT, COMMAND_TIMEOUT),
        (errno.EIO, INTERNAL_TARGET_FAILURE),
    ],
)
def test_troubles_of_the_host(number: int, sense: tuple[int, int, int, str], caplog: pytest.LogCaptureFixture) -> None:
    bench = PassBench()
    bench.real.trouble = OSError(number, "trouble")
    assert bench.refused(TUR) == bench.refused(TUR) == sense[:3]
    assert caplog.text.count("CAP_SYS_RAWIO") == (number == errno.EPERM)
    assert bench.unit.counters.medium_errors == (2 if number in (errno.ETIMEDOUT, errno.EIO) else 0)
    assert bench.unit.faults == 0


def test_a_busy_host() -> None:
    bench = PassBench()
    bench.real.trouble = OSError(errno.EBUSY, "busy")
    assert bench.run(TUR).status == BUSY


def test_a_device_that_is_gone_is_told_of() -> None:
    bench = PassBench()
    lost: list[OSError] = []
    bench.unit.lost = lost.append
    bench.real.trouble = OSError(errno.ENODEV, "gone")
    assert bench.refused(TUR)[0] == 2
    assert [error.errno for error in lost] == [errno.ENODEV]


def test_a_device_comes_and_goes() -> None:
    bench = PassBench(there=False)
    assert bench.refused(TUR) == MANUAL_INTERVENTION_REQUIRED[:3]
    assert bench.unit.capacity is None
    assert bench.good(bytes.fromhex("120000240000"))[0] == 0x3F
    bench.unit.insert(bench.real)
    assert bench.itl().attentions == [INQUIRY_DATA_CHANGED, MEDIUM_MAY_HAVE_CHANGED]
    bench.ready()
    assert bench.run(TUR).status == GOOD
    assert bench.unit.capacity == 1 << 20
    assert bench.unit.offline(BECOMING_READY) is bench.real
    assert bench.refused(TUR) == BECOMING_READY[:3]
    bench.unit.insert(bench.real)
    assert bench.itl().attentions == [MEDIUM_MAY_HAVE_CHANGED]
    assert bench.unit.traits() == {"removable": False}


def test_an_abort_answers_at_once_and_the_buffer_waits() -> None:
    bench = PassBench()
    bench.room = 4096
    task = bench.start(cdb10(0x28, 0, 8))
    assert bench.target.manage(TaskManagement.ABORT_TASK_SET, bench.nexus, 0).name == "COMPLETE"
    assert bench.done == [task]
    task.release()
    assert bench.pool.used == 4096
    bench.lane.drain()
    assert bench.pool.used == 0
    assert not bench.real.asked


def test_reservations_are_ours() -> None:
    bench = PassBench()
    other = bench.connect("b")
    bench.ready(nexus=other)
    key = bytes(8) + (5).to_bytes(8, "big") + bytes(8)
    assert bench.run(bytes.fromhex("5f000000000000001800"), key).status == GOOD
    reserve = (5).to_bytes(8, "big") + bytes(16)
    assert bench.run(bytes.fromhex("5f010100000000001800"), reserve).status == GOOD
    assert bench.run(cdb10(0x2A, 0, 1), bytes(512), nexus=other).status == RESERVATION_CONFLICT
    assert bench.run(bytes.fromhex("c00000000000"), nexus=other).status == RESERVATION_CONFLICT
    assert bench.fetch(cdb10(0x28, 0, 1), 512, nexus=other).status == GOOD
    assert bench.run(cdb10(0x2A, 0, 1), bytes(512)).status == GOOD
    assert {cdb[0] for cdb, *_ in bench.real.asked} == {0x2A, 0x28}


CDBS = st.one_of(
    st.binary(min_size=16, max_size=16),
    st.sampled_from((6, 10, 12, 16, 32, 260)).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.builds(
        lambda opcode, rest: bytes((opcode,)) + rest,
        st.sampled_from((0x03, 0x12, 0x28, 0x2A, 0x5E, 0x5F, 0x7F, 0xA0, 0xA3)),
        st.binary(min_size=15, max_size=15),
    ),
)


@settings(max_examples=500, deadline=None)
@given(CDBS, st.binary(max_size=600), st.integers(0, 9000), st.booleans())
def test_any_cdb_ends_once_and_well(cdb: bytes, data: bytes, room: int, there: bool) -> None:
    bench = PassBench(there)
    bench.room = room
    task = bench.run(cdb, data or None)
    assert task.status in (0x00, 0x02, 0x04, 0x08, 0x18)
    assert (task.status == 0x02) == bool(task.sense)
    assert bench.unit.faults == bench.real.disk.faults == 0
    assert bench.pool.used == len(bench.unit.tasks) == 0
