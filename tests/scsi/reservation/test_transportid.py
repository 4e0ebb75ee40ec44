"""tgtd.scsi.reservation.transportid: names of initiator ports (SPC-5 7.6.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgtd.scsi.reservation.transportid import Malformed, describe, iscsi_port, length_at, normal

PORT = "iqn.2026-11.com.example:a,i,0x00023d000001"
WIRE = iscsi_port(PORT)


def iscsi(text: bytes, form: int = 1) -> bytes:
    name = text.ljust(-(-(len(text) + 1) // 4) * 4, b"\0")
    return bytes((form << 6 | 5, 0)) + len(name).to_bytes(2, "big") + name


def test_iscsi_port() -> None:
    assert WIRE[:4] == bytes((0x45, 0, 0, 44))
    assert len(WIRE) == 48
    assert WIRE[4:].rstrip(b"\0").decode() == PORT
    assert iscsi_port("x")[2:4] == bytes((0, 20)), "SPC-5 7.6.4.6: at least 20"


@pytest.mark.parametrize(
    "spelled",
    [
        "IQN.2026-11.com.example:A,i,0x00023D000001",
        "iqn.2026-11.com.example:a,i,0x23d000001",
        "iqn.2026-11.com.example:a,i,0x00023d000001\0rubbish",
    ],
)
def test_one_port_has_one_form(spelled: str) -> None:
    assert normal(iscsi(spelled.encode())) == WIRE


def test_a_device_is_no_port() -> None:
    assert normal(iscsi(b"iqn.2026-11.com.example:A", form=0)) == "iqn.2026-11.com.example:a"


@pytest.mark.parametrize(
    "wire",
    [
        iscsi(b"iqn.2026-11.com.example:a"),
        iscsi(b"iqn.2026-11.com.example:a,i,0x"),
        iscsi(b"iqn.2026-11.com.example:a,i,0x0123456789abc"),
        iscsi(b"iqn.2026-11.com.example:a,i,0x12zz"),
        iscsi(b"", form=0).ljust(24, b"\0"),
        iscsi(b"iqn.2026-11.com.example:a", form=2),
        iscsi(b"iqn.2026-11.com.example:\xff\xfe,i,0x1"),
    ],
)
def test_no_name(wire: bytes) -> None:
    with pytest.raises(Malformed):
        normal(wire)


def test_lengths() -> None:
    assert length_at(b"xx" + WIRE + b"more", 2) == len(WIRE)
    assert length_at(bytes(24), 0) == 24
    for cut in (bytes(3), bytes(23), WIRE[:-1], bytes((5, 0, 0, 16)) + bytes(16), bytes((5, 0, 0, 22)) + bytes(22)):
        with pytest.raises(Malformed):
            length_at(cut, 0)


def test_other_protocols_are_compared_as_they_are() -> None:
    fibre_channel = bytes((0, *range(1, 24)))
    assert normal(fibre_channel) == fibre_channel
    assert describe(fibre_channel) == fibre_channel.hex()


def test_for_people() -> None:
    assert describe(WIRE) == PORT
    assert describe(b"") == ""


@given(st.binary(max_size=80))
def test_anything(data: bytes) -> None:
    try:
        length = length_at(data, 0)
        found = normal(data[:length])
    except Malformed:
        return
    assert length <= len(data)
    if isinstance(found, bytes):
        assert normal(found) == found
