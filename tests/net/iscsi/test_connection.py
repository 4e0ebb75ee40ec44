"""Bytes in and out of one connection: pieces, garbage, peers that do not read, peers that go away."""

from __future__ import annotations

import contextlib
import socket
import struct
import time

import pytest
from crc32c import crc32c
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.initiator import TEST_UNIT_READY, Initiator, LoginFailed, inquiry, read10, write10
from tests.net.iscsi.conftest import NAME, Stage

NAMES = f"InitiatorName=iqn.2026-11.org.test:raw\0TargetName={NAME}\0DefaultTime2Retain=0\0"
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def login_request(text: str = NAMES, flags: int = 0x87, isid: int = 0x8000_0001_0000) -> bytes:
    data = text.encode()
    head = struct.pack(">BBBBI6sHIH2xII16x", 0x43, flags, 0, 0, len(data), isid.to_bytes(6, "big"), 0, 1, 0, 1, 0)
    return head + data + bytes(-len(data) % 4)


def command(
    cdb: bytes, sn: int, flags: int = 0x81, expected: int = 0, data: bytes = b"", itt: int | None = None
) -> bytes:
    head = struct.pack(
        ">BB2xIQIIII16s",
        1,
        flags,
        len(data),
        1 << 48,
        sn if itt is None else itt,
        expected,
        sn,
        0,
        cdb.ljust(16, b"\0"),
    )
    return head + data + bytes(-len(data) % 4)


def logout(sn: int) -> bytes:
    return struct.pack(">BB14xIH2xII16x", 0x46, 0x80, 99, 0, sn, 0)


SESSION = b"".join(
    (
        login_request(),
        command(bytes(6), 1),
        command(write10(0, 3), 2, 0xA1, 1536, b"0123456789abcdef" * 96),
        command(read10(0, 3), 3, 0xC1, 1536),
        command(inquiry(), 4, 0xC1, 96),
        logout(5),
    )
)


def talk(stage: Stage, pieces: list[bytes], end: bool = False) -> bytes:
    """Send the pieces, return everything that comes back until the target closes."""
    received = b""
    with socket.create_connection(stage.address, 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                sock.sendall(piece)
        if end:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := sock.recv(1 << 16):
                received += more
    return received


def normal(answer: bytes) -> bytes:
    """Without the TSIH, which counts the sessions."""
    return answer[:14] + b"\0\0" + answer[16:]


# Pieces


def test_a_session_whole_byte_by_byte_and_with_trailing_bytes(stage: Stage) -> None:
    whole = normal(talk(stage, [SESSION]))
    assert b"0123456789abcdef" * 96 in whole
    assert normal(talk(stage, [SESSION[at : at + 1] for at in range(len(SESSION))])) == whole
    assert normal(talk(stage, [SESSION + b"\1" * 1000])) == whole
    assert stage.empties()


@FUZZ
@given(cuts=st.lists(st.integers(1, 400), max_size=12))
def test_any_cutting_gives_the_same_answer(stage: Stage, cuts: list[int]) -> None:
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(SESSION[at : at + cut])
        at += cut
    answer = talk(stage, [*pieces, SESSION[at:]])
    assert answer.count(b"0123456789abcdef") == 96
    assert answer[-48] & 0x3F == 0x26


@FUZZ
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes(stage: Stage, data: bytes) -> None:
    talk(stage, [data], end=True)
    talk(stage, [login_request(), data], end=True)
    assert not stage.errors.lines


FIELDS = st.one_of(st.sampled_from([0, 1, 2, 3, 512, 1024, 0xFFFFFFFE, 0xFFFFFFFF]), st.integers(0, 0xFFFFFFFF))
OPCODES = st.sampled_from(
    [0x00, 0x40, 0x01, 0x41, 0x02, 0x42, 0x04, 0x44, 0x05, 0x06, 0x46, 0x10, 0x1C, 0x20, 0x3F, 0x43]
)


@st.composite
def random_pdu(draw: st.DrawFn) -> bytes:
    """A header of the right shape with anything in its fields, and as much data as it says."""
    data = draw(st.binary(max_size=64))
    ahs = draw(st.sampled_from([b"", b"", b"", bytes(4), b"\0\5\2\0\0\0\2\0", b"\0\1\1\0"]))
    words = [draw(FIELDS) for _ in range(8)]
    cdb = draw(st.sampled_from([None, read10(0, 2), write10(0, 2), inquiry(), bytes(6)]))
    lun = draw(st.sampled_from([0, 1 << 48, 0x4001 << 48, 0xFFFFFFFFFFFFFFFF]))
    head = struct.pack(">BBH", draw(OPCODES), draw(st.integers(0, 255)), 0) + bytes((len(ahs) // 4,))
    head += len(data).to_bytes(3, "big") + lun.to_bytes(8, "big") + struct.pack(">8I", *words)
    if cdb is not None:
        head = head[:32] + cdb.ljust(16, b"\0")
    return head + ahs + data + bytes(-len(data) % 4)


@FUZZ
@given(pdus=st.lists(random_pdu(), max_size=12), digests=st.booleans())
def test_random_fields_in_the_full_feature_phase(stage: Stage, pdus: list[bytes], digests: bool) -> None:
    more = "InitialR2T=No\0MaxOutstandingR2T=4\0iSCSIProtocolLevel=2\0" + ("HeaderDigest=CRC32C\0" if digests else "")
    talk(stage, [login_request(NAMES + more), *pdus], end=True)
    assert not stage.errors.lines
    assert stage.becomes(lambda: not stage.service.connections)


def test_fuzzed_sessions_leave_nothing_behind(stage: Stage) -> None:
    for number in range(20):
        talk(stage, [login_request(isid=number), command(write10(0, 9), 1, 0xA1, 4608, bytes(100))], end=True)
    assert stage.empties()


# Peers that give up half way


@pytest.mark.parametrize("start", [b"", b"\x43", login_request()[:47], login_request()[:60], b"GET / HTTP/1.1\r\n\r\n"])
def test_silence_ends_with_the_login_time(stage: Stage, start: bytes) -> None:
    stage.service.limits = type(stage.service.limits)(login_timeout=0.1)
    begin = time.monotonic()
    assert talk(stage, [start]) == b""
    assert time.monotonic() - begin < 5
    assert stage.empties()


def test_a_login_that_never_ends(stage: Stage) -> None:
    stage.service.limits = type(stage.service.limits)(login_timeout=0.1)
    assert len(talk(stage, [login_request(flags=0x00)])) >= 48
    assert stage.empties()


@pytest.mark.parametrize("part", [0, 1, 100, 100_000])
def test_half_a_write_and_gone(stage: Stage, part: int) -> None:
    with stage.login(keys={"InitialR2T": "No", "FirstBurstLength": "262144"}) as initiator:
        whole = command(write10(0, 512), initiator.cmd_sn, 0xA1, 262144, bytes(262144))
        initiator.sock.sendall(whole[: 48 + part])
        stage.becomes(lambda: stage.pool.used > 0 or part < 2)
    assert stage.empties()


def test_half_a_data_out_and_gone(stage: Stage) -> None:
    with stage.login(keys={"ImmediateData": "No"}) as initiator:
        itt = initiator.command_pdu(write10(0, 512), 1, 262144, 0xA0)
        r2t = initiator.receive()
        head = struct.pack(">BB2xIQII4xI4xII4x", 5, 0x80, 65536, 1 << 48, itt, r2t.word(20), 0, 0, 0)
        initiator.sock.sendall(head + bytes(1000))
    assert stage.empties()


# What ends a connection


@pytest.mark.parametrize("opcode", [0x00, 0x01, 0x04, 0x05, 0x06, 0x20, 0x3F])
def test_nothing_but_login_before_the_login(stage: Stage, opcode: int) -> None:
    assert talk(stage, [bytes((opcode,)) + bytes(47)]) == b""


def test_no_login_after_the_login(stage: Stage) -> None:
    answer = talk(stage, [login_request() * 2])
    assert len(answer) < 200


def test_a_data_segment_beyond_what_was_declared(stage: Stage) -> None:
    with stage.login() as initiator:
        initiator.nop(bytes(262144))
        assert len(initiator.receive().data) == 262144
        initiator.nop(bytes(262145))
        with pytest.raises(ConnectionError):
            initiator.receive()


@pytest.mark.parametrize("where", ["header", "data"])
def test_digest_errors(stage: Stage, where: str) -> None:
    with stage.login(keys={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}) as initiator:
        initiator.header_digest = initiator.data_digest = False
        head = struct.pack(">BB2xI8xIIII16x", 0x40, 0x80, 4, 7, 0xFFFFFFFF, initiator.cmd_sn, 0)
        digest = b"\0\0\0\0" if where == "header" else _crc(head)
        initiator.sock.sendall(head + digest + b"ping" + b"\0\0\0\0")
        if where == "data":
            initiator.header_digest = initiator.data_digest = True
            pdu = initiator.receive()
            assert (pdu.opcode, pdu.head[2], pdu.data) == (0x3F, 0x02, head)
        with pytest.raises(ConnectionError):
            initiator.receive()


def _crc(data: bytes) -> bytes:
    return crc32c(data).to_bytes(4, "little")


# A refused login is over


def test_what_follows_a_refused_login_is_not_heard(stage: Stage) -> None:
    """All in one segment: refused by access, then a login that goes on as if it were not, then a write."""
    access = type(stage.target.access)
    stage.target.access = access(initiators=("iqn.someone.else",))
    before = bytes(stage.medium_start())
    rest = (
        login_request("")
        + command(write10(0, 1), 1, 0xA1, 512, b"!" * 512)
        + command(write10(0, 1), 2, 0xA1, 512, b"!" * 512)
    )
    answer = talk(stage, [login_request() + rest])
    assert (len(answer), answer[36:38]) == (48, b"\2\2")
    assert stage.medium_start() == before
    assert stage.empties()


# Peers that do not read


def test_a_peer_that_does_not_read_is_held_and_others_go_on(stage: Stage) -> None:
    with stage.login() as deaf, stage.login(isid=2) as other:
        for number in range(100):
            deaf.command_pdu(read10(0, 2048), 1, 1 << 20, 0xC0)
            if number % 10 == 0:
                assert other.read(read10(0, 1), 512, lun=1).status == 0
        assert stage.call(lambda: stage.pool.used) < 20 << 20
        for _ in range(100):
            itt_free = deaf.receive()
            gathered = len(itt_free.data)
            while not itt_free.flags & 1:
                itt_free = deaf.receive()
                gathered += len(itt_free.data)
            assert gathered == 1 << 20
        assert deaf.read(inquiry(), 96, lun=1).status == 0
    assert stage.pool_settles()


def test_a_batch_of_slow_requests_leaves_others_their_turn(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the answers to one batch take together, the others do not wait for all of them."""

    def slowly(*_: object) -> list[tuple[str, str]]:
        time.sleep(0.01)
        return []

    monkeypatch.setattr(stage.service, "send_targets", slowly)
    with stage.login(target="") as greedy, stage.login() as other:
        question = b"SendTargets=All\0"
        head = struct.pack(">BB3x3s8xIIII16x", 0x44, 0x80, len(question).to_bytes(3, "big"), 7, 0xFFFFFFFF, 1, 0)
        greedy.sock.sendall((head + question) * 400)
        time.sleep(0.05)
        began = time.monotonic()
        for _ in range(3):
            assert other.read(TEST_UNIT_READY, 0, lun=1).status == 0
        assert time.monotonic() - began < 2
        for _ in range(400):
            assert greedy.receive().opcode == 0x24
    assert stage.empties()


def test_a_peer_that_does_not_read_at_all_is_dropped(stage: Stage) -> None:
    stage.target.settings = type(stage.target.settings)(nop_interval=0.1, nop_timeout=0.1)
    with stage.login() as deaf:
        for _ in range(100):
            deaf.command_pdu(read10(0, 2048), 1, 1 << 20, 0xC0)
        assert stage.empties()


def test_addresses_without_ipv6_clothes(stage: Stage) -> None:
    with stage.login():
        connection = stage.call(lambda: next(iter(stage.service.connections)))
        assert (connection.local, connection.peer[0]) == (stage.address, "127.0.0.1")


def test_login_failure_is_told_before_the_end(stage: Stage) -> None:
    with Initiator(stage.address, target="iqn.none") as initiator:
        with pytest.raises(LoginFailed, match="0203"):
            initiator.login()
        with pytest.raises(ConnectionError):
            initiator.receive()


def test_last_words_nobody_reads(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgtd.net.iscsi.connection._FAREWELL", 0.1)
    with stage.login() as initiator:
        initiator.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(7):
            initiator.command_pdu(read10(0, 2048), 1, 1 << 20, 0xC0)
        initiator.sock.sendall(logout(initiator.cmd_sn))
        assert stage.empties()


def test_an_ipv6_socket_that_takes_ipv4(stage: Stage) -> None:
    server = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = server.getsockname()[1]

    def adopt() -> None:
        stage.service.open_portal("::", port, server)
        stage.service.accept()
        stage.target.portals = (("127.0.0.1", port),)

    stage.call(adopt)
    with Initiator(("127.0.0.1", port), target=NAME).login() as initiator:
        assert initiator.send_targets("")[1] == ("TargetAddress", f"127.0.0.1:{port},1")
