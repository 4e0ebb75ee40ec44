"""tgtd.scsi.sbc.orwrite: bits are added or taken away by generation, and nothing comes between."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.sbc.test_write import Noting, make
from tests.scsi.workbench import Bench, cdb10, cdb16, pointer_of, sense_of
from tgtd.scsi.target import TaskManagement, encode_lun

OR = 0x8B
MISMATCH = (5, 0x2C, 0x0C)
ONES = b"\xff" * 512


def long(
    lba: int, count: int, expected: int, new: int = 0, policy: int = 0, operation: int = 0, flags: int = 0
) -> bytes:
    head = struct.pack(">BxBBxxBBHBx", 0x7F, operation, policy, 0, 0x18, 0x0E, flags)
    return head + struct.pack(">QIII", lba, expected, new, count)


def clear(bench: Bench, expected: int, new: int, policy: int = 0, data: bytes = ONES) -> None:
    bench.good(long(0, 1, expected, new, policy, 1), data)


def content(bench: Bench) -> int:
    data = bench.good(cdb10(0x28, 0, 1))
    assert data == data[:1] * 512
    return data[0]


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


def test_bits_are_set_and_cleared_by_the_long_form() -> None:
    bench, _ = make()
    bench.good(long(0, 1, 0), b"\x3c" * 512)
    bench.good(long(0, 1, 0), b"\x03" * 512)
    assert content(bench) == 0x3F
    clear(bench, 0, 5, data=b"\x0f" * 512)
    assert content(bench) == 0x0F
    bench.good(long(0, 1, 5), b"\x80" * 512)
    assert content(bench) == 0x8F


def test_nothing_is_cleared_for_another_generation() -> None:
    bench, _ = make()
    bench.good(long(0, 1, 0), b"\x3c" * 512)
    assert bench.refused(long(0, 1, 1, 2, 3, 1), bytes(512)) == MISMATCH
    assert content(bench) == 0x3C
    clear(bench, 0, 1)
    assert bench.refused(long(0, 1, 0, 2, 3, 1), bytes(512)) == MISMATCH
    assert content(bench) == 0x3C


PERFORMED, DISCARDED, REFUSED = "performed", "discarded", "refused"


@pytest.mark.parametrize(
    ("policy", "previous", "other"),
    [
        (0, PERFORMED, REFUSED),
        (2, DISCARDED, REFUSED),
        (3, PERFORMED, PERFORMED),
        (5, DISCARDED, DISCARDED),
        (7, REFUSED, REFUSED),
    ],
)
def test_policies(policy: int, previous: str, other: str) -> None:
    """SBC-4 table 29, for the current generation (7), the previous one (0), and another."""
    bench, _ = make()
    clear(bench, 0, 7, policy)
    for bit, (expected, verdict) in enumerate(((7, PERFORMED), (0, previous), (9, other))):
        before = content(bench)
        task = bench.run(long(0, 1, expected), bytes((1 << bit,)) * 512)
        assert sense_of(task) == (MISMATCH if verdict == REFUSED else (-1, -1, -1))
        assert content(bench) == (before | 1 << bit if verdict == PERFORMED else before)


def test_the_short_form_expects_generation_zero() -> None:
    bench, _ = make()
    clear(bench, 0, 7, 7)
    assert bench.refused(cdb16(OR, 0, 1), ONES) == MISMATCH
    clear(bench, 7, 0, 7)
    bench.good(cdb16(OR, 0, 1), ONES)
    assert content(bench) == 0xFF


def test_a_reset_leaves_generations_alone() -> None:
    bench, _ = make()
    clear(bench, 0, 7, 3)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert bench.refused(long(0, 1, 0, 1, 0, 1), ONES) == MISMATCH
    bench.good(long(0, 1, 1234), ONES)


def test_generations_change_in_the_order_of_the_commands() -> None:
    bench, _ = make()
    first = bench.start(long(0, 1, 0, 1, 7, 1), ONES)
    second = bench.start(long(0, 1, 0), ONES)
    third = bench.start(long(0, 1, 1), ONES)
    bench.lane.drain()
    assert [sense_of(task) for task in (first, second, third)] == [(-1, -1, -1), MISMATCH, (-1, -1, -1)]


def test_fields_of_the_long_form() -> None:
    bench, medium = make()
    assert pointer_of(bench.run(long(0, 1, 0, operation=2), ONES)) == (True, 2, 2)
    assert pointer_of(bench.run(long(0, 1, 0, policy=1, operation=1), ONES)) == (True, 3, 3)
    assert bench.refused(long(2048, 1, 0), ONES) == (5, 0x21, 0)
    assert bench.refused(long(0, 1, 0), ONES[:100]) == (5, 0x24, 0)
    assert bench.refused(long(0, 1, 0, flags=0x20), ONES) == (5, 0x24, 0)
    bench.good(long(0, 1, 0, policy=1), ONES)  # ignored by a set operation
    bench.good(long(0, 1, 0, flags=0x18), ONES)
    assert medium.log[-2:] == ["cached", "durable"]
    bench.good(long(0, 0, 0, 3, 0, 1), b"")
    assert bench.refused(long(0, 0, 4), b"") == MISMATCH
