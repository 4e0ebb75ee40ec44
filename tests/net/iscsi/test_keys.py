"""The table of text keys against RFC 7143 13, and the text format."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.net.iscsi.keys import KEYS, KeyPhase, encode, number, parse

# RFC 7143 13: default, lowest, highest; leading connection only; irrelevant in discovery.
NUMBERS = {
    "MaxConnections": (1, 1, 65535, True, True),
    "MaxRecvDataSegmentLength": (8192, 512, 16777215, False, False),
    "MaxBurstLength": (262144, 512, 16777215, True, True),
    "FirstBurstLength": (65536, 512, 16777215, True, True),
    "DefaultTime2Wait": (2, 0, 3600, True, False),
    "DefaultTime2Retain": (20, 0, 3600, True, False),
    "MaxOutstandingR2T": (1, 1, 65535, True, True),
    "ErrorRecoveryLevel": (0, 0, 2, True, False),
}
BOOLEANS = {"InitialR2T": True, "ImmediateData": True, "DataPDUInOrder": True, "DataSequenceInOrder": True}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_as_the_standard_bounds_them(name: str) -> None:
    row = KEYS[name]
    default, low, high, leading, irrelevant = NUMBERS[name]
    assert (int(row.default), row.low, row.high) == (default, low, high)
    assert (KeyPhase.LEADING in row.phase, row.discovery) == (leading, not irrelevant)


@pytest.mark.parametrize("name", BOOLEANS)
def test_booleans_default_to_yes(name: str) -> None:
    assert KEYS[name].default == "Yes"
    assert not KEYS[name].discovery


@pytest.mark.parametrize(
    ("name", "offer", "wish", "result"),
    [
        ("MaxConnections", "8", "4", "4"),
        ("MaxBurstLength", "0x10000", "262144", "65536"),
        ("DefaultTime2Wait", "5", "2", "5"),
        ("DefaultTime2Wait", "0", "2", "2"),
        ("DefaultTime2Retain", "5", "20", "5"),
        ("ErrorRecoveryLevel", "2", "0", "0"),
        ("InitialR2T", "No", "No", "No"),
        ("InitialR2T", "No", "Yes", "Yes"),
        ("InitialR2T", "Yes", "No", "Yes"),
        ("ImmediateData", "Yes", "No", "No"),
        ("ImmediateData", "No", "Yes", "No"),
        ("ImmediateData", "Yes", "Yes", "Yes"),
        ("DataPDUInOrder", "No", "Yes", "Yes"),
        ("HeaderDigest", "CRC32C,None", "None,CRC32C", "CRC32C"),
        ("HeaderDigest", "X-other,None", "None,CRC32C", "None"),
        ("DataDigest", "CRC32C", "None", "Reject"),
        ("AuthMethod", "KRB5,CHAP", "CHAP", "CHAP"),
        ("TaskReporting", "FastAbort,RFC3720", "RFC3720", "RFC3720"),
        ("IFMarker", "Yes", "No", "No"),
        ("OFMarkInt", "2048~8192", "Reject", "Reject"),
        ("iSCSIProtocolLevel", "2", "2", "2"),
        ("iSCSIProtocolLevel", "1", "2", "1"),
    ],
)
def test_results(name: str, offer: str, wish: str, result: str) -> None:
    row = KEYS[name]
    assert row.settle is not None
    assert row.settle(row, offer, wish) == result


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("MaxConnections", "0"),
        ("MaxConnections", "65536"),
        ("MaxConnections", ""),
        ("MaxConnections", "-1"),
        ("MaxConnections", "1 "),
        ("MaxConnections", "٣"),
        ("MaxConnections", "9" * 5000),
        ("MaxBurstLength", "0x_fff"),
        ("MaxBurstLength", "511"),
        ("DefaultTime2Wait", "3601"),
        ("InitialR2T", "yes"),
        ("ImmediateData", "1"),
    ],
)
def test_out_of_bounds(name: str, offer: str) -> None:
    row = KEYS[name]
    assert row.settle is not None
    with pytest.raises(ValueError, match=name):
        row.settle(row, offer, row.default)


def test_hexadecimal_numbers() -> None:
    assert number(KEYS["MaxBurstLength"], "0X200") == 512


def test_text_is_taken_apart_in_order() -> None:
    assert list(parse(b"A=1\0iSCSI=\0\0X#k.e-y_+@=a=b\0").items()) == [("A", "1"), ("iSCSI", ""), ("X#k.e-y_+@", "a=b")]


@pytest.mark.parametrize(
    "text", [b"A", b"=1", b"A=1\0A=1", b"A=\xff", b"A=1\nB", b"A=\x7f", b"1=2", b"A b=1", b"A" * 64 + b"=", b"A\r=1"]
)
def test_what_is_no_text(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"key|decode|control"):
        parse(text)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(text: bytes) -> None:
    try:
        pairs = parse(text)
    except ValueError:
        return
    assert parse(encode(list(pairs.items()))) == pairs
    assert parse(text + b"\0\0") == pairs


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(KEYS)), st.text(max_size=30), st.text(max_size=8))
def test_any_offer_has_a_result_or_is_out_of_bounds(name: str, offer: str, prefix: str) -> None:
    row = KEYS[name]
    if row.settle is None:
        return
    for value in (offer, prefix + "0x" + offer, offer + ",None"):
        with contextlib.suppress(ValueError):
            assert isinstance(row.settle(row, value, row.default), str)
