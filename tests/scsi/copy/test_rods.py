"""tgtd.scsi.copy.rods: POPULATE TOKEN, WRITE USING TOKEN, and questions about tokens."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.copy.copying import MIB, Pair
from tests.scsi.workbench import cdb10, pointer_of, sense_of
from tgtd.scsi.copy.tokens import BLOCK_ZERO, CHANGE_VULNERABLE
from tgtd.scsi.target import TaskManagement, encode_lun

CANCELLED, UNKNOWN, EXPIRED, DELETED = (5, 0x23, 8), (5, 0x23, 4), (5, 0x23, 7), (5, 0x23, 9)
ZERO = struct.pack(">IxxH504x", BLOCK_ZERO, 504)
WRONG = (5, 0x26, 0)
Command = tuple[bytes, bytes]


def ranges(*runs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack(">QI4x", lba, count) for lba, count in runs)


def cdb(action: int, identifier: int, length: int) -> bytes:
    return struct.pack(">BB4xIIxx", 0x83, action, identifier, length)


def populate(*runs: tuple[int, int], identifier: int = 1, flags: int = 0, timeout: int = 0, kind: int = 0) -> Command:
    body = ranges(*runs)
    data = struct.pack(">HBxIIxxH", 14 + len(body), flags, timeout, kind, len(body)) + body
    return cdb(0x10, identifier, len(data)), data


def write(token: bytes, *runs: tuple[int, int], identifier: int = 2, flags: int = 0, offset: int = 0) -> Command:
    body = ranges(*runs)
    data = struct.pack(">HB5xQ512s6xH", 534 + len(body), flags, offset, token, len(body)) + body
    return cdb(0x11, identifier, len(data)), data


def tell(identifier: int, room: int = 1024) -> bytes:
    return struct.pack(">BBI4xIxx", 0x84, 0x07, identifier, room)


def tell_all(room: int = 4096) -> bytes:
    return struct.pack(">BB8xIxx", 0x84, 0x08, room)


def token_of(bench: Pair, *runs: tuple[int, int], timeout: int = 0) -> bytes:
    bench.good(*populate(*runs, timeout=timeout))
    return bench.good(tell(1))[38:]


def test_a_copy_by_token() -> None:
    bench = Pair()
    bench.good(*populate((8, 4), (100, 12000)))
    told = bench.good(tell(1))
    assert int.from_bytes(told[:4], "big") == len(told) - 4 == 28 + 4 + 514
    assert (told[4], told[5], told[15]) == (0x10, 1, 0xF1)
    assert int.from_bytes(told[16:24], "big") == 12004
    assert told[32:38] == struct.pack(">IH", 514, 0)
    token = told[38:]
    assert struct.unpack_from(">IxxH", token) == (CHANGE_VULNERABLE, 504)
    assert int.from_bytes(token[48:64], "big") == 12004 * 512
    bench.good(*write(token, (1, 3), (20, 12001)), lun=1)
    expected = (bench.pattern[8 * 512 : 12 * 512] + bench.pattern[100 * 512 : 12100 * 512])[: 12004 * 512]
    assert bench.content(bench.second, 512, 3 * 512) == expected[: 3 * 512]
    assert bench.content(bench.second, 20 * 512, 12001 * 512) == expected[3 * 512 :]
    done = bench.good(tell(2), lun=1)
    assert (done[4], done[5], int.from_bytes(done[16:24], "big")) == (0x11, 1, 12004)
    assert (bench.pool.used, bench.target.office.jobs) == (0, 0)


def test_from_an_offset_on_and_by_another_initiator() -> None:
    bench = Pair()
    token = token_of(bench, (0, 8), (64, 64))
    other = bench.connect("other")
    bench.ready(1, nexus=other)
    bench.good(*write(token, (0, 10), offset=6), lun=1, nexus=other)
    expected = bench.pattern[6 * 512 : 8 * 512] + bench.pattern[64 * 512 : 72 * 512]
    assert bench.content(bench.second, 0, 5120) == expected


@pytest.mark.parametrize("offset", [0, 65, 72])
def test_more_than_the_token_has(offset: int) -> None:
    bench = Pair()
    token = token_of(bench, (0, 72))
    assert bench.refused(*write(token, (0, 73), offset=offset), lun=1) == WRONG
    assert bench.content(bench.second, 0, 512) == bytes(512)


def test_more_than_a_token_may_have() -> None:
    bench = Pair()
    bench.first.blocks = bench.second.blocks = 1 << 40
    assert bench.refused(*populate((0, 1 << 25), (1 << 30, 1))) == WRONG
    assert bench.refused(*write(ZERO, (0, 1 << 25), (1 << 30, 1)), lun=1) == WRONG


def test_zeros() -> None:
    bench = Pair()
    bench.good(*write(ZERO, (4, 8)))
    assert bench.content(bench.first, 0, 16 * 512) == (
        bench.pattern[: 4 * 512] + bytes(8 * 512) + bench.pattern[12 * 512 : 16 * 512]
    )


@pytest.mark.parametrize(
    ("command", "data", "alive"),
    [
        (cdb10(0x2A, 107, 1), bytes(512), False),
        (cdb10(0x2A, 99, 1), bytes(512), True),
        (cdb10(0x2A, 108, 1), bytes(512), True),
        (cdb10(0x41, 50, 51), bytes(512), False),
        (cdb10(0x28, 100, 1), None, True),
        (struct.pack(">B6xHx", 0x42, 24), struct.pack(">HH4xQI4x", 22, 16, 0, 1), False),
        (struct.pack(">BxQIxx", 0x8A, 104, 1), bytes(512), False),
    ],
)
def test_what_is_written_over_cancels(command: bytes, data: bytes | None, alive: bool) -> None:
    bench = Pair()
    plain = bench.first.ops
    token = token_of(bench, (100, 8))
    assert bench.first.ops is not plain
    bench.good(command, data)
    task = bench.run(*write(token, (0, 8)), lun=1)
    assert (sense_of(task) == CANCELLED) is not alive
    assert (bench.first.ops == plain) is not alive


def test_written_over_while_it_is_copied() -> None:
    bench = Pair()
    token = token_of(bench, (0, 16384))
    task = bench.start(*write(token, (0, 16384)), lun=1)
    for _ in range(4):
        bench.lane.step()
    bench.start(cdb10(0x2A, 16000, 1), b"z" * 512)
    bench.lane.drain()
    assert sense_of(task) == CANCELLED
    assert b"z" * 512 not in bench.content(bench.second, 0, 8 * MIB)


def test_a_write_that_is_under_way_comes_first() -> None:
    """What the token stands for is what is there when POPULATE TOKEN ends."""
    bench = Pair()
    bench.first.store().write_now = lambda offset, data: False  # type: ignore[method-assign]
    bench.start(cdb10(0x2A, 0, 1), b"n" * 512)
    bench.start(*populate((0, 8)))
    bench.lane.drain()
    token = bench.good(tell(1))[38:]
    bench.good(*write(token, (0, 8)), lun=1)
    assert bench.content(bench.second, 0, 512) == b"n" * 512


def test_tokens_end() -> None:
    bench = Pair()
    now = [0.0]
    tokens = bench.target.office.tokens
    tokens._clock = lambda: now[0]
    token = token_of(bench, (0, 8), timeout=5)
    now[0] = 5.0
    bench.good(*write(token, (0, 8)), lun=1)
    now[0] = 10.0
    bench.good(*write(token, (0, 8)), lun=1)
    now[0] = 15.1
    assert bench.refused(*write(token, (0, 8)), lun=1) == EXPIRED
    token = token_of(bench, (0, 8))
    bench.good(*write(token, (0, 8), flags=2), lun=1)
    assert bench.refused(*write(token, (0, 8)), lun=1) == DELETED
    forged = token[:-400] + bytes(400)
    assert bench.refused(*write(forged, (0, 8)), lun=1) == UNKNOWN


@pytest.mark.parametrize("how", ["offline", "removed"])
def test_a_disk_that_is_another_now(how: str) -> None:
    bench = Pair()
    token = token_of(bench, (0, 8))
    if how == "offline":
        medium = bench.first.offline()
        assert medium is not None
        bench.first.insert(medium)
    else:
        bench.target.remove_lun(0)
    assert bench.refused(*write(token, (0, 8)), lun=1) == ((0xA, 0x0D, 2) if how == "removed" else CANCELLED)


def test_in_the_background() -> None:
    bench = Pair()
    token = token_of(bench, (0, 16384))
    assert bench.start(*write(token, (0, 16384), flags=1), lun=1).status == 0
    bench.lane.step()
    bench.lane.step()
    probe = bench.start(tell(2), lun=1)
    assert bytes(probe.data_in or b"")[5] == 0x12
    bench.lane.drain()
    done = bench.good(tell(2), lun=1)
    assert (done[5], int.from_bytes(done[16:24], "big")) == (1, 16384)
    assert bench.content(bench.second, 0, 8 * MIB) == bench.pattern[: 8 * MIB]


def test_aborted() -> None:
    bench = Pair()
    token = token_of(bench, (0, 16384))
    task = bench.start(*write(token, (0, 16384)), lun=1)
    bench.lane.step()
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(1), task.tag)
    bench.lane.drain()
    assert bench.good(tell(2), lun=1)[5] == 0x60
    bench.good(*write(token, (0, 8)), lun=1)


def test_all_tokens_are_told_of_but_not_handed_over() -> None:
    bench = Pair()
    token = token_of(bench, (0, 8))
    told = bench.good(tell_all())
    assert told == struct.pack(">I4x", 100) + token[:96]
    assert bench.good(tell_all(), lun=1) == struct.pack(">I4x", 4)


def test_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgtd.scsi.copy.tokens.MOST", 3)
    bench = Pair()
    for number in range(3):
        bench.good(*populate((0, 8), identifier=number))
    assert bench.refused(*populate((0, 8), identifier=9)) == (5, 0x55, 0x0D)


@pytest.mark.parametrize(
    ("at", "value"), [(2, 4), (3, 1), (4, 0x80), (8, 1), (12, 1), (13, 1), (15, 8), (0, 0xFF), (28, 1)]
)
def test_every_field_of_populate(at: int, value: int) -> None:
    bench = Pair()
    command, data = populate((0, 8), flags=2, kind=CHANGE_VULNERABLE)
    raw = bytearray(data)
    raw[at] |= value
    task = bench.run(command, bytes(raw))
    assert sense_of(task) == WRONG
    aims, place, _ = pointer_of(task)
    assert (aims, place) == (False, at if at not in (15,) else 14)


@pytest.mark.parametrize(
    ("runs", "sense"),
    [
        (((0, 8), (7, 2)), WRONG),
        (((16384, 1),), (5, 0x21, 0)),
        (((1 << 63, 1),), (5, 0x21, 0)),
        (((0, 0),), WRONG),
        (tuple((n, 1) for n in range(65)), (5, 0x26, 8)),
        ((), WRONG),
    ],
)
def test_ranges(runs: tuple[tuple[int, int], ...], sense: tuple[int, int, int]) -> None:
    assert Pair().refused(*populate(*runs)) == sense


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_any_list(data: st.DataObject) -> None:
    bench = Pair(size=MIB)
    token = token_of(bench, (0, 8))
    command, raw = data.draw(st.sampled_from([populate((0, 8)), write(token, (16, 8)), write(ZERO, (0, 8))]))
    changed = bytearray(raw)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    task = bench.run(command, bytes(changed[: data.draw(st.integers(0, len(changed)))]))
    assert task.status in (0, 2)
    assert (bench.first.faults, bench.pool.used, bench.target.office.jobs) == (0, 0, 0)
