"""The login phase on the wire: response headers, CHAP, digests, texts in pieces."""

from __future__ import annotations

import logging
import struct
from typing import Any

import pytest

from tests.initiator import HASHES, Initiator, LoginFailed, inquiry
from tests.net.iscsi.conftest import NAME, Stage
from tgtd.net.iscsi.settings import Access, Chap, Credentials, Redirect

ME = "iqn.2026-11.org.test:initiator"
SECRET, OURS = b"initiator secret", b"target's secret!"
NUMBERS = {"md5": 5, "sha1": 6, "sha256": 7, "sha3-256": 8}


def with_chap(*algorithms: str, mutual: bool = True) -> Access:
    ours = Credentials("us", OURS) if mutual else None
    return Access(anyone=True, chap=Chap({"host": SECRET}, ours, algorithms or tuple(NUMBERS)))


def failure(stage: Stage, **wishes: Any) -> int:
    """The status with which a login is refused."""
    with stage.connect(**wishes) as initiator, pytest.raises(LoginFailed) as caught:
        initiator.login()
    assert stage.empties()
    return caught.value.status


def test_response_header(stage: Stage) -> None:
    with stage.connect(cmd_sn=0x7FFFFFFF) as initiator:
        initiator._itt = 0x1234
        text = f"InitiatorName={ME}\0TargetName={NAME}\0AuthMethod=None\0".encode()
        first = initiator.login_pdu(0x80, text, 0, 1)
        last = initiator.login_pdu(0x80, b"MaxConnections=2\0", 1, 3)
        assert (first.flags, last.flags) == (0x81, 0x87)
        assert (first.head[2:4], first.head[8:14], first.itt) == (b"\0\0", initiator.isid.to_bytes(6, "big"), 0x1234)
        assert first.head[14:16] == b"\0\0"
        assert last.head[14:16] != b"\0\0"
        assert last.word(24) == first.word(24) + 1
        assert (last.word(28), last.word(32)) == (0x7FFFFFFF, 0x7FFFFFFF + 127)
        assert dict(last.text) == {"MaxConnections": "2", "MaxRecvDataSegmentLength": "262144"}
        assert initiator.read(inquiry(), 96, lun=1).response.word(24) == last.word(24) + 1


def test_command_numbers_wrap(stage: Stage) -> None:
    with stage.connect(cmd_sn=0xFFFFFFFE).login() as initiator:
        for _ in range(5):
            assert initiator.read(inquiry(), 96, lun=1).status == 0
        assert (initiator.cmd_sn, initiator.max_cmd_sn) == (3, 130)


@pytest.mark.parametrize("status", ["temporary", "permanent"])
def test_redirection(stage: Stage, status: str) -> None:
    stage.target.redirect = Redirect("[fd00::1]:3261", status == "permanent")
    with stage.connect() as initiator, pytest.raises(LoginFailed) as caught:
        initiator.login()
    assert caught.value.status == (0x0102 if status == "permanent" else 0x0101)
    assert caught.value.pdu.text == [("TargetAddress", "[fd00::1]:3261")]


def test_texts_in_pieces_both_ways(stage: Stage) -> None:
    with stage.connect() as initiator:
        unknown = "".join(f"X-{number:04}=1\0" for number in range(600))
        text = f"InitiatorName={ME}\0TargetName={NAME}\0{unknown}".encode()
        for at in range(0, len(text) - 1000, 1000):
            pdu = initiator.login_pdu(0x40, text[at : at + 1000], 1, 0)
            assert (pdu.flags, pdu.data) == (0x04, b"")
        pdu = initiator.login_pdu(0x80, text[at + 1000 :], 1, 3)
        whole = pdu.data
        while pdu.flags & 0x40:
            assert (pdu.flags, len(pdu.data)) == (0x44, 8192)
            pdu = initiator.login_pdu(0x80, b"", 1, 3)
            whole += pdu.data
        assert pdu.flags == 0x87
        assert whole.count(b"=NotUnderstood\0") == 600
        assert initiator.read(inquiry(), 96, lun=1).status == 0


@pytest.mark.parametrize("change", [{0: 0x03}, {1: 0xC7}, {1: 0x8B}, {3: 1}])
def test_bad_headers(stage: Stage, change: dict[int, int]) -> None:
    text = f"InitiatorName={ME}\0TargetName={NAME}\0".encode()
    head = bytearray(struct.pack(">BBBB4x6sHIH2xII16x", 0x43, 0x87, 0, 0, bytes(6), 0, 1, 0, 1, 0))
    for at, value in change.items():
        head[at] = value
    with stage.connect() as initiator:
        initiator.send(bytes(head), text)
        try:
            pdu = initiator.receive()
        except ConnectionError:
            assert change == {0: 0x03}, "without the I bit there is no answer"
        else:
            assert pdu.head[36] == 2
    assert stage.empties()


# CHAP


@pytest.mark.parametrize("number", HASHES)
@pytest.mark.parametrize("mutual", [None, ("us", OURS)], ids=["one-way", "mutual"])
@pytest.mark.parametrize("target", [NAME, ""], ids=["normal", "discovery"])
def test_chap(stage: Stage, number: int, mutual: tuple[str, bytes] | None, target: str) -> None:
    stage.target.access = stage.service.discovery = with_chap()
    wishes = {"user": "host", "secret": SECRET, "algorithms": str(number), "mutual": mutual}
    with stage.connect(target=target, **wishes).login() as initiator:
        assert initiator.send_targets("" if target else "All")
        assert stage.call(lambda: [session.user for session in stage.service.sessions.values()]) == ["host"]


@pytest.mark.parametrize("number", HASHES)
@pytest.mark.parametrize("target", [NAME, ""], ids=["normal", "discovery"])
def test_chap_refused(stage: Stage, number: int, target: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage.target.access = stage.service.discovery = with_chap()
    good = {"target": target, "user": "host", "secret": SECRET, "algorithms": str(number)}
    for wishes in (
        good | {"secret": b"a wrong secret!!"},
        good | {"user": "other"},
        good | {"reflect": True},
        good | {"user": ""},
        good | {"algorithms": "9"},
    ):
        assert failure(stage, **wishes) == 0x0201
    for reason in ("wrong secret", "not listed", "reflection", "CHAP is needed", "chap_algorithms"):
        assert reason in caplog.text
    assert SECRET.decode() not in caplog.text


@pytest.mark.parametrize("allowed", NUMBERS)
def test_only_the_algorithms_that_are_allowed(stage: Stage, allowed: str) -> None:
    stage.target.access = with_chap(allowed)
    for name, number in NUMBERS.items():
        wishes = {"user": "host", "secret": SECRET, "algorithms": str(number)}
        if name == allowed:
            with stage.connect(**wishes).login():
                pass
            assert stage.empties()
        else:
            assert failure(stage, **wishes) == 0x0201


def test_no_proof_where_none_is_set(stage: Stage) -> None:
    stage.target.access = with_chap(mutual=False)
    assert failure(stage, user="host", secret=SECRET, mutual=("us", OURS)) == 0x0201


def test_an_initiator_without_chap_where_none_is_asked_for(stage: Stage) -> None:
    assert failure(stage, user="host", secret=SECRET) == 0x0201


def test_a_further_connection_is_of_the_same_user(stage: Stage) -> None:
    access = with_chap()
    both = {"host": SECRET, "guest": b"another secret.."}
    stage.target.access = Access(anyone=True, chap=Chap(both, None, access.chap.algorithms))
    keys = {"MaxConnections": "2"}
    with stage.connect(user="host", secret=SECRET, keys=keys).login() as first:
        more: dict[str, Any] = {"isid": first.isid, "tsih": first.tsih, "cid": 1}
        thief = stage.connect(user="guest", secret=both["guest"], **more)
        with thief, pytest.raises(LoginFailed, match="0202"):
            thief.login()
        with stage.connect(user="host", secret=SECRET, **more).login() as second:
            assert second.tsih == first.tsih


def test_refusals_say_what_to_change(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    stage.target.access = Access(initiators=("iqn.nobody",))
    assert failure(stage) == 0x0202
    assert ME in caplog.text
    assert "access.initiators" in caplog.text
    assert failure(stage, target="iqn.none") == 0x0203
    assert "[[target]]" in caplog.text
    assert stage.service.refusals == 2


def test_a_name_cannot_write_into_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    assert failure(stage, name="iqn.x\nERROR the disk is on fire") == 0x0200
    assert "on fire" not in caplog.text


def test_digests_from_the_first_pdu_on(stage: Stage) -> None:
    with Initiator(stage.address, target=NAME, keys={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}).login() as one:
        assert one.header_digest
        assert one.read(inquiry(), 96, lun=1).data
