"""tgtd.scsi.spc.timestamp: the clock is the host's until it is set."""

from __future__ import annotations

import time

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH_ERROR, TIMESTAMP_CHANGED
from tgtd.scsi.spc.timestamp import Clock
from tgtd.scsi.target import TaskManagement, encode_lun


def report(room: int = 255) -> bytes:
    return bytes((0xA3, 0x0F, 0, 0, 0, 0)) + room.to_bytes(4, "big") + bytes(2)


def change(length: int = 12) -> bytes:
    return bytes((0xA4, 0x0F, 0, 0, 0, 0)) + length.to_bytes(4, "big") + bytes(2)


def stamp(milliseconds: int) -> bytes:
    return bytes(4) + milliseconds.to_bytes(6, "big") + bytes(2)


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench


def told(bench: Bench) -> tuple[int, int]:
    """Origin and milliseconds."""
    answer = bench.good(report())
    assert len(answer) == 12
    assert answer[:2] == b"\0\x0a"
    return answer[2], int.from_bytes(answer[4:10], "big")


def test_the_hosts_clock() -> None:
    origin, milliseconds = told(make())
    assert origin == 3
    assert abs(milliseconds / 1000 - time.time()) < 60


def test_set_and_running_on() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.good(change(), stamp(86_400_000))
    origin, first = told(bench)
    assert origin == 2
    assert 86_400_000 <= first < 86_460_000
    time.sleep(0.005)
    assert told(bench)[1] > first
    assert bench.refused(bytes(6), nexus=other) == TIMESTAMP_CHANGED[:3]
    bench.good(bytes(6))
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert told(bench)[0] == 2, "a reset does not touch it"


def test_it_has_48_bits() -> None:
    clock = Clock()
    clock.set(0xFFFF_FFFF_FFFF)
    time.sleep(0.005)
    assert clock.now() < 60_000


@pytest.mark.parametrize("room", [0, 1, 11])
def test_allocation_length(room: int) -> None:
    assert len(make().good(report(room))) == room


@pytest.mark.parametrize(
    ("at", "value", "bit"), [(0, 0x80, 7), (3, 1, 0), (4, 0xF1, 7), (10, 0x10, 4), (11, 3, 1)], ids=str
)
def test_fields_that_are_wrong(at: int, value: int, bit: int) -> None:
    bench = make()
    data = bytearray(stamp(1))
    data[at] = value
    task = bench.run(change(), bytes(data))
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task) == (False, at, bit)
    assert told(bench)[0] == 3


@pytest.mark.parametrize(("length", "sent"), [(11, 11), (13, 13), (12, 11), (0xFFFFFFFF, 12)])
def test_lengths_that_are_wrong(length: int, sent: int) -> None:
    bench = make()
    assert bench.refused(change(length), stamp(1).ljust(13, b"\0")[:sent]) == PARAMETER_LIST_LENGTH_ERROR[:3]
    assert told(bench)[0] == 3


def test_no_list_is_no_change() -> None:
    bench = make()
    bench.good(change(0))
    assert told(bench)[0] == 3


def test_the_control_extension_page_says_who_may_set_it() -> None:
    """TCMOS and SCSIP."""
    assert make().good(bytes((0x1A, 8, 0x0A, 1, 255, 0)))[8] == 0x06
