"""tgtd.scsi.reservation.reports: parameter data of PERSISTENT RESERVE IN, byte by byte (SPC-5 6.16)."""

from __future__ import annotations

import pytest

from tgtd.scsi.reservation.reports import capabilities, full_status, keys, reservation
from tgtd.scsi.reservation.state import Registrant, State
from tgtd.scsi.reservation.types import TYPES

A, B = Registrant(b"\x45\0\0\x04abcd", 1), Registrant(b"\x45\0\0\x04efgh", 0x0203)
STATE = State(generation=0x01020304, keys={A: 0xA1, B: 0xB2}, type=TYPES[5], holder=B)


def test_keys() -> None:
    assert keys(STATE).hex(" ", 4) == "01020304 00000010 00000000 000000a1 00000000 000000b2"
    assert keys(State()) == bytes(8)


def test_reservation() -> None:
    assert reservation(STATE).hex(" ", 4) == "01020304 00000010 00000000 000000b2 00000000 00050000"
    assert reservation(State(generation=3)).hex() == "0000000300000000"


@pytest.mark.parametrize("code", [7, 8])
def test_a_reservation_of_all_has_no_key(code: int) -> None:
    it = State(keys={A: 1}, type=TYPES[code])
    assert reservation(it)[8:] == bytes(13) + bytes((code, 0, 0))


def test_capabilities() -> None:
    assert capabilities(State()).hex() == "00089dc0ea010000"
    assert capabilities(State(persistent=True))[3] == 0xC1


def test_full_status() -> None:
    found = full_status(STATE)
    assert found[:8].hex() == "0102030400000040"
    first, second = found[8:40], found[40:]
    assert first.hex(" ", 4) == "00000000 000000a1 00000000 00000000 00000001 00000008 45000004 61626364"
    assert second.hex(" ", 4) == "00000000 000000b2 00000000 01050000 00000203 00000008 45000004 65666768"


def test_full_status_where_all_hold() -> None:
    found = full_status(State(keys={A: 1, B: 2}, type=TYPES[8]))
    assert (found[20:22], found[52:54]) == (bytes((1, 8)), bytes((1, 8)))
