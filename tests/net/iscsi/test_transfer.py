"""Gathering data-out: what continues a burst and what breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.net.iscsi.transfer import (
    INCORRECT_AMOUNT_OF_DATA,
    PROTOCOL_SERVICE_CRC_ERROR,
    Burst,
    DataError,
    DataOutTransfer,
)
from tgtd.scsi.sense import BUSY, Refused
from tgtd.scsi.task import Task


def make(limit: int, total: int | None = None) -> DataOutTransfer:
    nobody: Any = None
    task = Task(nobody, 1, 0, bytes(16), 0, lambda task: None)
    return DataOutTransfer(task, memoryview(bytearray(limit)), limit if total is None else total)


def test_solicited_bursts_cover_the_rest() -> None:
    transfer = make(1000)
    transfer.solicited = 100
    assert [transfer.solicit(tag, 400) for tag in (1, 2, 3)] == [(100, 400), (500, 400), (900, 100)]
    assert not transfer.complete


def test_data_lands_where_it_belongs() -> None:
    transfer = make(8)
    burst = transfer.unsolicited = Burst(0, 8)
    for sn, piece in enumerate((b"abc", b"defgh")):
        transfer.check(burst, sn, burst.offset, len(piece))
        transfer.store(burst.offset, piece)
        transfer.advance(None, burst, len(piece), sn == 1)
    assert (bytes(transfer.view), transfer.complete) == (b"abcdefgh", True)


def test_what_is_not_wanted_is_dropped() -> None:
    transfer = make(4, total=12)
    burst = transfer.unsolicited = Burst(0, 12)
    assert transfer.place(0, 4) is not None
    assert transfer.place(2, 4) is None
    transfer.store(2, b"abcd")
    transfer.store(8, b"wxyz")
    transfer.advance(None, burst, 12, True)
    assert (bytes(transfer.view), transfer.received, transfer.complete) == (b"\0\0ab", 4, True)


@pytest.mark.parametrize(
    ("sn", "offset", "length", "sense"),
    [
        (1, 10, 5, PROTOCOL_SERVICE_CRC_ERROR),
        (0, 11, 5, PROTOCOL_SERVICE_CRC_ERROR),
        (0, 9, 5, PROTOCOL_SERVICE_CRC_ERROR),
        (0, 10, 11, INCORRECT_AMOUNT_OF_DATA),
    ],
)
def test_what_does_not_continue_the_burst(sn: int, offset: int, length: int, sense: object) -> None:
    with pytest.raises(DataError) as caught:
        make(20).check(Burst(10, 20), sn, offset, length)
    assert caught.value.sense is sense


@pytest.mark.parametrize(("length", "final"), [(10, True), (20, False)])
def test_a_solicited_burst_ends_where_it_was_asked_to(length: int, final: bool) -> None:
    transfer = make(20)
    transfer.solicit(1, 20)
    with pytest.raises(DataError):
        transfer.advance(1, transfer.bursts[1], length, final)
    assert bool(transfer.bursts) is not final, "what is still open may still get data, to be dropped"


def test_unsolicited_data_may_end_early_and_the_rest_is_asked_for() -> None:
    transfer = make(20)
    burst = transfer.unsolicited = Burst(0, 15)
    transfer.advance(None, burst, 5, True)
    assert transfer.burst(None) is None
    assert transfer.solicit(1, 100) == (5, 15)


def test_unsolicited_data_without_end() -> None:
    transfer = make(20)
    burst = transfer.unsolicited = Burst(0, 15)
    with pytest.raises(DataError):
        transfer.advance(None, burst, 15, False)


def test_a_lost_task_is_complete_when_nothing_is_open() -> None:
    transfer = make(20)
    transfer.failure = Refused(BUSY)
    burst = transfer.unsolicited = Burst(0, 15)
    before = transfer.complete
    transfer.advance(None, burst, 15, True)
    assert (before, transfer.complete) == (False, True)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=300), st.integers(0, 300), st.integers(1, 64), st.integers(1, 64))
def test_any_cutting_gives_the_same_bytes(data: bytes, immediate: int, burst_length: int, segment: int) -> None:
    transfer = make(len(data))
    immediate = min(immediate, len(data))
    transfer.store(0, data[:immediate])
    transfer.received = transfer.solicited = immediate
    tag = 0
    while not transfer.complete:
        tag += 1
        offset, length = transfer.solicit(tag, burst_length)
        burst = transfer.bursts[tag]
        for sn, at in enumerate(range(offset, offset + length, segment)):
            piece = data[at : min(at + segment, offset + length)]
            transfer.check(burst, sn, at, len(piece))
            transfer.store(at, piece)
            transfer.advance(tag, burst, len(piece), at + len(piece) == offset + length)
    assert bytes(transfer.view) == data
