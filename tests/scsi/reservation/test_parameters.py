"""tgtd.scsi.reservation.parameters: every length and bit of the parameter lists is checked (SPC-5 6.17)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.reserving import ALL_TG_PT, APTPL, REGISTER, SPEC_I_PT, move, out
from tgtd.scsi.reservation.parameters import MOST_PARAMETERS, CommandOrigin, PersistentReserveOut, decode, decode_move
from tgtd.scsi.reservation.state import Registrant
from tgtd.scsi.reservation.transportid import iscsi_port
from tgtd.scsi.sense import INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH_ERROR, CheckCondition

ME, OTHER = (iscsi_port(f"iqn.2026-11.com.example:{name},i,0x000000000001") for name in ("me", "other"))
SECOND = iscsi_port("iqn.2026-11.com.example:other,i,0x000000000002")
DEVICE = iscsi_port("iqn.2026-11.com.example:other")
DEVICE = bytes((0x05,)) + DEVICE[1:]
FLAGS = 0x0D


def known(name: str) -> list[bytes]:
    return [OTHER, SECOND] if name.endswith(":other") else []


HERE = CommandOrigin(Registrant(ME, 1), (1, 2), known)


def basic(sent: tuple[bytes, bytes], flags: int = FLAGS) -> PersistentReserveOut:
    return decode(*sent, HERE, flags)


def test_plain() -> None:
    request = basic(out(REGISTER, 0x11, 0x22, kind=5, scope=1))
    assert (request.key, request.new_key, request.type, request.scope) == (0x11, 0x22, 5, 1)
    assert (request.persistent, request.ports, request.others) == (False, (1,), None)


def test_flags() -> None:
    request = basic(out(REGISTER, flags=APTPL | ALL_TG_PT))
    assert (request.persistent, request.ports) == (True, (1, 2))


def test_initiator_ports() -> None:
    request = basic(out(REGISTER, flags=SPEC_I_PT | ALL_TG_PT, ids=OTHER + SECOND))
    assert request.others == {
        Registrant(OTHER, 1): 28,
        Registrant(OTHER, 2): 28,
        Registrant(SECOND, 1): 28 + len(OTHER),
        Registrant(SECOND, 2): 28 + len(OTHER),
    }


def test_a_device_stands_for_its_ports() -> None:
    request = basic(out(REGISTER, flags=SPEC_I_PT, ids=DEVICE))
    assert request.others == {Registrant(OTHER, 1): 28, Registrant(SECOND, 1): 28}


def test_no_initiator_ports() -> None:
    assert basic(out(REGISTER, flags=SPEC_I_PT, ids=b"")).others == {}


def broken(sent: tuple[bytes, bytes], flags: int = FLAGS) -> CheckCondition:
    with pytest.raises(CheckCondition) as caught:
        basic(sent, flags)
    return caught.value


def with_length(sent: tuple[bytes, bytes], length: int) -> tuple[bytes, bytes]:
    return sent[0][:5] + struct.pack(">I", length) + sent[0][9:], sent[1]


@pytest.mark.parametrize(
    "sent",
    [
        with_length(out(REGISTER), 0),
        with_length(out(REGISTER), 23),
        with_length(out(REGISTER), 25),
        with_length(out(REGISTER), MOST_PARAMETERS + 1),
        (with_length(out(REGISTER), 28)[0], out(REGISTER)[1] + bytes(4)),
        (out(REGISTER)[0], out(REGISTER)[1][:20]),
        out(REGISTER, flags=SPEC_I_PT),
        (
            with_length(out(REGISTER, flags=SPEC_I_PT, ids=OTHER), 28)[0],
            out(REGISTER, flags=SPEC_I_PT, ids=OTHER)[1][:28],
        ),
        with_length(out(REGISTER, flags=SPEC_I_PT, ids=OTHER), 28 + len(OTHER) + 4),
    ],
)
def test_lengths(sent: tuple[bytes, bytes]) -> None:
    assert broken(sent).sense is PARAMETER_LIST_LENGTH_ERROR


@pytest.mark.parametrize(
    ("sent", "flags", "field", "bit"),
    [
        (out(REGISTER, flags=0x10), FLAGS, 20, 4),
        (out(REGISTER, flags=0xFF, ids=b""), FLAGS, 20, 7),
        (out(REGISTER, flags=SPEC_I_PT), 0x05, 20, 3),
        (out(REGISTER, flags=ALL_TG_PT), 0x01, 20, 2),
        (out(REGISTER, flags=SPEC_I_PT, ids=OTHER + bytes((5, 0, 0, 16)) + bytes(16)), FLAGS, 28 + len(OTHER), None),
        (out(REGISTER, flags=SPEC_I_PT, ids=OTHER[:-4]), FLAGS, 28, None),
        (out(REGISTER, flags=SPEC_I_PT, ids=OTHER + b"\x45\0"), FLAGS, 28 + len(OTHER), None),
        (out(REGISTER, flags=SPEC_I_PT, ids=bytes(24)), FLAGS, 28, 3),
        (out(REGISTER, flags=SPEC_I_PT, ids=bytes((0x05,)) + iscsi_port("iqn.x:stranger")[1:]), FLAGS, 28, None),
    ],
)
def test_fields(sent: tuple[bytes, bytes], flags: int, field: int, bit: int | None) -> None:
    error = broken(sent, flags)
    assert (error.sense, error.field, error.bit) == (INVALID_FIELD_IN_PARAMETER_LIST, field, bit)


def test_move() -> None:
    request = decode_move(*move(1, 2, OTHER, port=2, flags=3), HERE)
    assert request.destination == Registrant(OTHER, 2)
    assert (request.key, request.new_key, request.unregister, request.persistent) == (1, 2, True, True)


@pytest.mark.parametrize(
    ("sent", "field", "bit"),
    [
        (move(1, 2, OTHER, flags=0x84), 17, 7),
        (move(1, 2, OTHER, port=3), 18, None),
        (move(1, 2, bytes((5, 0, 0, 16)) + bytes(16)), 20, None),
        (move(1, 2, DEVICE), 24, None),
        (move(1, 2, ME), 24, None),
        (move(1, 2, OTHER + SECOND), 24 + len(OTHER), None),
        (move(1, 2, bytes(24)), 24, 3),
    ],
)
def test_move_fields(sent: tuple[bytes, bytes], field: int, bit: int | None) -> None:
    with pytest.raises(CheckCondition) as caught:
        decode_move(*sent, HERE)
    error = caught.value
    assert (error.sense, error.field, error.bit) == (INVALID_FIELD_IN_PARAMETER_LIST, field, bit)


def test_move_length() -> None:
    with pytest.raises(CheckCondition) as caught:
        decode_move(*with_length(move(1, 2, OTHER), 24 + len(OTHER) - 4), HERE)
    assert caught.value.sense is PARAMETER_LIST_LENGTH_ERROR


SHAPES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda head, flags, ids: head[:20] + bytes((flags,)) + head[21:24] + len(ids).to_bytes(4, "big") + ids,
        st.binary(min_size=24, max_size=24),
        st.sampled_from((0, 1, 4, 8, 13, 255)),
        st.lists(st.one_of(st.sampled_from((ME, OTHER, DEVICE)), st.binary(max_size=60))).map(b"".join),
    ),
    st.builds(
        lambda head, flags, port, name: head[:16] + struct.pack(">xBHI", flags, port, len(name)) + name,
        st.binary(min_size=16, max_size=16),
        st.integers(0, 255),
        st.integers(0, 3),
        st.one_of(st.sampled_from((ME, OTHER, DEVICE, OTHER + SECOND)), st.binary(max_size=60)),
    ),
)


@settings(max_examples=300)
@given(SHAPES, st.one_of(st.none(), st.integers(0, 0xFFFFFFFF)))
def test_anything_is_understood_or_refused(data: bytes, told: int | None) -> None:
    """A hostile list ends in a request or in valid sense that points into it."""
    cdb = struct.pack(">BBB2xIx", 0x5F, 0, 0x15, len(data) if told is None else told)
    for request in (lambda: decode(cdb, data, HERE, FLAGS), lambda: decode_move(cdb, data, HERE)):
        error = refusal_of(request)
        if error is not None:
            assert error.sense.key == 5
            assert error.field is None or error.field < max(len(data), 24)


def refusal_of(request: Callable[[], PersistentReserveOut]) -> CheckCondition | None:
    try:
        request()
    except CheckCondition as error:
        return error
    return None
