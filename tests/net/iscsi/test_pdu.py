"""Header layouts, serial numbers, additional header segments."""

from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tgtd.net.iscsi import pdu

LAYOUTS = {name: value for name, value in vars(pdu).items() if isinstance(value, Struct)}
CDB = bytes(range(16))


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_a_whole_header(name: str) -> None:
    assert LAYOUTS[name].size == pdu.BHS


@pytest.mark.parametrize(
    ("a", "b", "later"),
    [(1, 0, True), (0, 0, False), (0, 1, False), (0, 0xFFFFFFFF, True), (0x7FFFFFFF, 0, True), (0x80000000, 0, False)],
)
def test_serial_numbers_wrap(a: int, b: int, later: bool) -> None:
    assert pdu.after(a, b) is later


@pytest.mark.parametrize("length", range(9))
def test_padding_fills_a_word(length: int) -> None:
    assert (length + len(pdu.PADDING[length & 3])) % 4 == 0


def extended(rest: bytes) -> bytes:
    segment = (len(rest) + 1).to_bytes(2, "big") + b"\x01\0" + rest
    return segment + bytes(-len(segment) % 4)


BIDI = b"\0\5\2\0" + (4096).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("ahs", "cdb", "bidi"),
    [
        (b"", CDB, None),
        (extended(b"x" * 16), CDB + b"x" * 16, None),
        (extended(b"y" * 5), CDB + b"y" * 5, None),
        (BIDI, CDB, 4096),
        (extended(b"x" * 3) + BIDI, CDB + b"xxx", 4096),
        (BIDI + extended(b"x" * 244), CDB + b"x" * 244, 4096),
    ],
)
def test_additional_segments(ahs: bytes, cdb: bytes, bidi: int | None) -> None:
    assert pdu.split_ahs(ahs, CDB) == (cdb, bidi)


@pytest.mark.parametrize(
    "ahs",
    [b"\0", b"\0\0\1\0", b"\0\x09\1\0xx", b"\0\4\2\0abc", b"\0\1\3\0", BIDI + BIDI, extended(b"x") + extended(b"y")],
)
def test_segments_that_do_not_add_up(ahs: bytes) -> None:
    with pytest.raises(pdu.ProtocolError):
        pdu.split_ahs(ahs, CDB)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=1020))
@example(extended(b"x") + b"\0")
def test_any_bytes_are_split_or_refused(ahs: bytes) -> None:
    try:
        cdb, bidi = pdu.split_ahs(ahs, CDB)
    except pdu.ProtocolError:
        return
    assert cdb[:16] == CDB
    assert len(cdb) <= 16 + len(ahs)
    assert bidi is None or 0 <= bidi < 1 << 32
