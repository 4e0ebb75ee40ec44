"""CHAP in both directions, computed here a second time."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.net.iscsi.chap import ALGORITHMS, ChapFailed, Exchange, decode_binary
from tgtd.net.iscsi.settings import Chap, Credentials

HASHES = {5: hashlib.md5, 6: hashlib.sha1, 7: hashlib.sha256, 8: hashlib.sha3_256}
SECRET, OURS = b"initiator secret", b"target's secret!"
CHAP = Chap({"host": SECRET}, Credentials("us", OURS))


def fixed(count: int) -> bytes:
    return bytes(range(40, 40 + count))


def answer(challenge: dict[str, str], secret: bytes = SECRET) -> str:
    make = HASHES[int(challenge["CHAP_A"])]
    identifier = bytes((int(challenge["CHAP_I"]),))
    return "0x" + make(identifier + secret + bytes.fromhex(challenge["CHAP_C"][2:])).hexdigest()


def begun(offer: str = "5", chap: Chap = CHAP) -> tuple[Exchange, dict[str, str]]:
    exchange = Exchange(chap, fixed)
    return exchange, dict(exchange.step({"CHAP_A": offer}))


def test_numbers_of_the_algorithms() -> None:
    assert {name: row.number for name, row in ALGORITHMS.items()} == {"md5": 5, "sha1": 6, "sha256": 7, "sha3-256": 8}


@pytest.mark.parametrize("number", HASHES)
def test_one_way(number: int) -> None:
    exchange, challenge = begun(str(number))
    assert challenge["CHAP_A"] == str(number)
    assert len(bytes.fromhex(challenge["CHAP_C"][2:])) == HASHES[number]().digest_size
    assert exchange.step({"CHAP_N": "host", "CHAP_R": answer(challenge)}) == []
    assert (exchange.done, exchange.user) == (True, "host")


@pytest.mark.parametrize("number", HASHES)
@pytest.mark.parametrize("coding", ["hex", "base64"])
@pytest.mark.parametrize("identifier", ["7", "0x07"])
def test_mutual(number: int, coding: str, identifier: str) -> None:
    exchange, challenge = begun(str(number))
    ours = b"a challenge of the initiator"
    text = "0x" + ours.hex() if coding == "hex" else "0b" + base64.b64encode(ours).decode()
    keys = {"CHAP_N": "host", "CHAP_R": answer(challenge), "CHAP_I": identifier, "CHAP_C": text}
    proof = dict(exchange.step(keys))
    assert proof == {"CHAP_N": "us", "CHAP_R": "0x" + HASHES[number](b"\x07" + OURS + ours).hexdigest()}
    assert exchange.done


@pytest.mark.parametrize(
    ("offer", "allowed", "chosen"),
    [
        ("8,7,6,5", ("md5",), "5"),
        ("5,7", ("sha256", "md5"), "5"),
        ("9,7", ("sha256", "md5"), "7"),
    ],
)
def test_first_offer_that_is_allowed(offer: str, allowed: tuple[str, ...], chosen: str) -> None:
    assert begun(offer, Chap({"host": SECRET}, algorithms=allowed))[1]["CHAP_A"] == chosen


@pytest.mark.parametrize("offer", ["9", "", "05", "5 ", "5;7", "7"])
def test_no_algorithm_in_common(offer: str) -> None:
    with pytest.raises(ChapFailed, match="chap_algorithms"):
        begun(offer, Chap({"host": SECRET}, algorithms=("md5",)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"CHAP_N": "other"}, "not listed"),
        ({"CHAP_R": "0x00"}, "wrong secret"),
        ({"CHAP_R": "00"}, "neither 0x nor 0b"),
        ({"CHAP_R": "0xzz"}, "malformed"),
        ({"CHAP_R": "0b*"}, "malformed"),
        ({"CHAP_R": "0x"}, "empty"),
        ({"CHAP_R": "0x" + "00" * 1025}, "too long"),
        ({"CHAP_R": None}, "no CHAP_R"),
        ({"CHAP_N": None}, "no CHAP_N"),
        ({"CHAP_I": "1"}, "neither 0x"),
        ({"CHAP_C": "0x1234"}, "CHAP_I"),
        ({"CHAP_C": "0x1234", "CHAP_I": "256"}, "CHAP_I"),
        ({"CHAP_C": "0x1234", "CHAP_I": "9" * 5000}, "CHAP_I"),
        ({"CHAP_C": "0x1234", "CHAP_I": "²"}, "CHAP_I"),
        ({"CHAP_C": "0x" + fixed(16).hex(), "CHAP_I": "3"}, "reflection"),
        ({"CHAP_C": "0b" + base64.b64encode(fixed(16)).decode(), "CHAP_I": "3"}, "reflection"),
    ],
)
def test_failures(change: dict[str, str | None], reason: str) -> None:
    exchange, challenge = begun()
    keys = {"CHAP_N": "host", "CHAP_R": answer(challenge)} | change
    with pytest.raises(ChapFailed, match=reason) as failure:
        exchange.step({name: value for name, value in keys.items() if value is not None})
    assert not exchange.done
    assert SECRET.decode() not in str(failure.value)


def test_wrong_secret() -> None:
    exchange, challenge = begun()
    with pytest.raises(ChapFailed, match="wrong secret"):
        exchange.step({"CHAP_N": "host", "CHAP_R": answer(challenge, b"a wrong secret!!")})


def test_no_proof_without_a_secret_of_ours() -> None:
    exchange, challenge = begun(chap=Chap({"host": SECRET}))
    with pytest.raises(ChapFailed, match="chap_mutual"):
        exchange.step({"CHAP_N": "host", "CHAP_R": answer(challenge), "CHAP_I": "1", "CHAP_C": "0x12"})
    assert not exchange.done


def test_out_of_turn() -> None:
    with pytest.raises(ChapFailed, match="CHAP_A"):
        Exchange(CHAP, fixed).step({"CHAP_N": "host", "CHAP_R": "0x00"})
    exchange, challenge = begun()
    exchange.step({"CHAP_N": "host", "CHAP_R": answer(challenge)})
    with pytest.raises(ChapFailed, match="ended"):
        exchange.step({"CHAP_A": "5"})


def test_secrets_stay_out_of_repr() -> None:
    assert SECRET.decode() not in repr(CHAP)
    assert OURS.decode() not in repr(CHAP)


def test_odd_hexadecimal() -> None:
    assert decode_binary("0x123") == b"\x01\x23"


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["CHAP_A", "CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C"]), st.text(max_size=40)))
def test_nothing_but_the_secret_gets_through(keys: dict[str, str]) -> None:
    exchange, _ = begun()
    with pytest.raises(ChapFailed):
        exchange.step(keys)
    assert not exchange.done
