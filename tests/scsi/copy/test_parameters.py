"""tgtd.scsi.copy.parameters: every field of a list, and lists of any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scsi.copy.copying import SOURCE, cscd, move, narrow, wide
from tgtd.scsi.copy.office import Designator
from tgtd.scsi.copy.parameters import MOST_CSCDS, MOST_SEGMENTS, CopyMove, Cscd, decode
from tgtd.scsi.sense import CheckCondition, Sense

WRONG, LENGTH = (0x26, 0x00), (0x1A, 0x00)


def refused(data: bytes, wide_: bool = False) -> tuple[tuple[int, int], int | None, int | None]:
    with pytest.raises(CheckCondition) as caught:
        decode(data, wide_)
    sense: Sense = caught.value.sense
    assert sense.key == 5
    return (sense.asc, sense.ascq), caught.value.field, caught.value.bit


def test_what_is_in_it() -> None:
    order = decode(narrow(cscd(block_size=512), move(0, 1, 5, 6, 7, flags=3), identifier=4, flags=0x35), False)
    assert order.cscds == (Cscd(16, Designator(1, 3, SOURCE), 0, 0, 512),)
    assert order.moves == (CopyMove(48, 0, 1, True, 5, 6, 7),)
    assert (order.identifier, order.immediate) == (4, False)
    order = decode(wide(cscd(), move(0, 1, 5, 6, 7), identifier=0x01020304, immediate=True), True)
    assert (order.identifier, order.immediate) == (0x01020304, True)
    assert order.moves[0].at == 80


@pytest.mark.parametrize("wide_", [False, True])
def test_cut_short(wide_: bool) -> None:
    data = (wide if wide_ else narrow)(cscd(), move(0, 0, 1, 0, 0))
    for length in range(len(data)):
        assert refused(data[:length], wide_)[0] == LENGTH, length


@pytest.mark.parametrize("at", [4, 5, 6, 7])
def test_reserved_bytes_of_a_narrow_list(at: int) -> None:
    data = bytearray(narrow(cscd(), move(0, 0, 1, 0, 0)))
    data[at] = 0x20
    assert refused(bytes(data)) == (WRONG, at, 5)


@pytest.mark.parametrize("at", [0, 2, *range(4, 15), 16, *range(17, 20), *range(24, 42)])
def test_fixed_bytes_of_a_wide_list(at: int) -> None:
    data = bytearray(wide(cscd(), move(0, 0, 1, 0, 0)))
    data[at] ^= 0x80
    assert refused(bytes(data), True)[:2] == (WRONG, at)


@pytest.mark.parametrize(
    ("data", "code", "at"),
    [
        (narrow(cscd(), flags=0x08), WRONG, 1),
        (narrow(cscd(), flags=0x80), WRONG, 1),
        (narrow(cscd(), flags=0x18), WRONG, 0),
        (narrow(b"\xe0" + cscd()[1:]), (0x26, 0x07), 16),
        (narrow(cscd(), b"\x01" + move(0, 0, 1, 0, 0)[1:]), (0x26, 0x09), 48),
        (narrow(cscd(), b"\x02\x80" + move(0, 0, 1, 0, 0)[2:]), WRONG, 49),
        (narrow(cscd(), b"\x02\x00\x00\x17" + move(0, 0, 1, 0, 0)[4:]), WRONG, 50),
        (narrow(cscd()[:5] + b"\x13" + cscd()[6:]), WRONG, 21),
        (narrow(cscd()[:7] + b"\x15" + cscd()[8:]), WRONG, 23),
        (narrow(*[cscd()] * (MOST_CSCDS + 1)), (0x26, 0x06), None),
        (narrow(cscd(), *[move(0, 0, 1, 0, 0)] * (MOST_SEGMENTS + 1)), (0x26, 0x08), 48 + 28 * MOST_SEGMENTS),
        (narrow(*[cscd()] * 257), LENGTH, None),
        (narrow(cscd())[:15] + b"\x01" + cscd(), (0x26, 0x0B), None),
    ],
)
def test_what_is_wrong_with_it(data: bytes, code: tuple[int, int], at: int | None) -> None:
    assert refused(data)[:2] == (code, at)


@pytest.mark.parametrize("bits", [2, 0x80])
def test_sense_with_good_is_not_to_be_had(bits: int) -> None:
    data = bytearray(wide(cscd()))
    data[15] |= bits
    assert refused(bytes(data), True)[:2] == (WRONG, 15)


def sound(data: bytes, wide_: bool) -> None:
    """Either it is refused, pointing into the list, or it is within the bounds."""
    try:
        order = decode(data, wide_)
    except CheckCondition as trouble:
        at = trouble.field
    else:
        at = None
        assert len(order.cscds) <= MOST_CSCDS
        assert len(order.moves) <= MOST_SEGMENTS
    assert at is None or at < len(data)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes(data: bytes, wide_: bool) -> None:
    sound(data, wide_)


@given(st.data(), st.booleans())
def test_almost_right(data: st.DataObject, wide_: bool) -> None:
    raw = bytearray((wide if wide_ else narrow)(cscd(), move(0, 0, 1, 0, 0)))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    sound(bytes(raw), wide_)
