"""The full feature phase over a real socket, byte for byte."""

from __future__ import annotations

import os

import pytest

from tests.initiator import SYNCHRONIZE_CACHE, TEST_UNIT_READY, inquiry, read10, write10
from tests.net.iscsi.conftest import Stage
from tgtd.net.iscsi.settings import Settings

POWER_ON = (6, 0x29, 0)


def test_write_and_read_back(stage: Stage) -> None:
    with stage.connect().login() as initiator:
        assert initiator.read(TEST_UNIT_READY, 0, lun=1).asc == POWER_ON
        data = os.urandom(1 << 20)
        assert initiator.write(write10(8, 2048), data, lun=1).status == 0
        assert initiator.read(read10(8, 2048), len(data), lun=1).data == data
    assert stage.pool_settles()


@pytest.mark.parametrize("digest", ["None", "CRC32C"])
@pytest.mark.parametrize(("initial_r2t", "immediate"), [("Yes", "No"), ("Yes", "Yes"), ("No", "Yes"), ("No", "No")])
def test_every_way_of_sending_data(stage: Stage, digest: str, initial_r2t: str, immediate: str) -> None:
    keys = {
        "HeaderDigest": digest,
        "DataDigest": digest,
        "InitialR2T": initial_r2t,
        "ImmediateData": immediate,
        "MaxBurstLength": "65536",
        "FirstBurstLength": "32768",
        "MaxOutstandingR2T": "2",
    }
    with stage.login(keys=keys) as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        data = os.urandom(300 * 512)
        first = data[:8192] if immediate == "Yes" else b""
        itt = initiator.command_pdu(write10(0, 300), 1, len(data), 0xA0 if initial_r2t == "Yes" else 0x20, first)
        if initial_r2t == "No":
            position, sn = len(first), 0
            while position < 32768:
                piece = data[position : position + 8192]
                initiator.data_out_pdu(itt, 0xFFFFFFFF, sn, position, piece, position + 8192 == 32768, lun=1)
                position, sn = position + 8192, sn + 1
        assert initiator.finish(itt, data).status == 0
        assert initiator.read(read10(0, 300), len(data), lun=1).data == data


def test_residuals_both_ways(stage: Stage) -> None:
    with stage.login() as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        assert initiator.read(read10(0, 1), 10000, lun=1).residual == 10000 - 512
        short = initiator.read(read10(0, 2), 512, lun=1)
        assert (short.status, len(short.data), short.residual) == (0, 512, -512)
        none = initiator.read(read10(0, 1), 0, lun=1)
        assert (none.status, none.residual) == (0, -512)
        assert initiator.write(write10(0, 1), bytes(2048), lun=1).residual == 2048 - 512
        assert initiator.write(write10(0, 2), bytes(512), lun=1).residual == -512


def test_data_in_keeps_to_the_segment_and_burst_lengths(stage: Stage) -> None:
    keys = {"MaxRecvDataSegmentLength": "1024", "MaxBurstLength": "2048"}
    with stage.login(keys=keys) as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        itt = initiator.command_pdu(read10(0, 9), 1, 9 * 512, 0xC0)
        pdus = [initiator.receive() for _ in range(5)]
        assert [len(p.data) for p in pdus] == [1024, 1024, 1024, 1024, 512]
        assert [p.flags & 0x80 for p in pdus] == [0, 0x80, 0, 0x80, 0x80]
        assert [p.flags & 1 for p in pdus] == [0, 0, 0, 0, 1]
        assert [p.word(36) for p in pdus] == [0, 1, 2, 3, 4]
        assert all(p.itt == itt for p in pdus)


@pytest.mark.parametrize("sns", [(0, 0), (27, 28), (0xFFFFFFFF, 0), (1, 0)])
def test_wrong_data_sn_fails_the_command_only(stage: Stage, sns: tuple[int, int]) -> None:
    with stage.login(keys={"InitialR2T": "Yes", "ImmediateData": "No"}) as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        itt = initiator.command_pdu(write10(0, 2), 1, 1024, 0xA0)
        r2t = initiator.receive()
        for sn, offset in zip(sns, (0, 512), strict=True):
            initiator.data_out_pdu(itt, r2t.word(20), sn, offset, bytes(512), offset == 512, lun=1)
        assert initiator.finish(itt).asc == (0xB, 0x47, 5)
        assert initiator.read(TEST_UNIT_READY, 0, lun=1).status == 0
    assert stage.pool_settles()


def test_commands_run_in_the_order_of_their_numbers(stage: Stage) -> None:
    with stage.login() as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        sn = initiator.cmd_sn
        second = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, b"B" * 512, cmd_sn=sn + 1)
        third = initiator.command_pdu(read10(0, 1), 1, 512, 0xC0, cmd_sn=sn + 2)
        first = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, b"A" * 512, cmd_sn=sn)
        ended = [initiator.receive() for _ in range(3)]
        assert {p.itt for p in ended} == {first, second, third}
        initiator.cmd_sn = sn + 3
        assert initiator.read(SYNCHRONIZE_CACHE, 0, lun=1).status == 0
        assert initiator.read(read10(0, 1), 512, lun=1).data in (b"A" * 512, b"B" * 512)


@pytest.mark.parametrize("distance", [-1, 1000])
def test_a_number_outside_the_window_is_ignored(stage: Stage, distance: int) -> None:
    with stage.login() as initiator:
        initiator.command_pdu(TEST_UNIT_READY, 1, cmd_sn=initiator.cmd_sn + distance)
        itt = initiator.command_pdu(inquiry(), 1, 96, 0xC0)
        assert initiator.receive().itt == itt


def test_window_never_goes_backwards_and_always_reopens(stage: Stage) -> None:
    with stage.login() as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        seen = initiator.max_cmd_sn
        for number in range(300):
            kind = number % 3
            if kind == 0:
                initiator.read(read10(0, 1), 512, lun=1)
            elif kind == 1:
                initiator.write(write10(0, 1), bytes(512), lun=1)
            else:
                initiator.finish(initiator.command_pdu(TEST_UNIT_READY, 1, immediate=True))
            assert (initiator.max_cmd_sn - seen) & 0xFFFFFFFF < 2
            seen = initiator.max_cmd_sn
        assert seen == initiator.cmd_sn + 127


def test_ping_is_echoed(stage: Stage) -> None:
    with stage.login() as initiator:
        itt = initiator.nop(b"are you there")
        pdu = initiator.receive()
        assert (pdu.opcode, pdu.itt, pdu.data) == (0x20, itt, b"are you there")


@pytest.mark.parametrize(("opcode", "reason"), [(0x10, 0x03), (0x1C, 0x05), (0x07, 0x05)])
def test_what_we_do_not_know_is_rejected_with_its_header(stage: Stage, opcode: int, reason: int) -> None:
    with stage.login() as initiator:
        head = bytes((0x40 | opcode, 0x80)) + bytes(46)
        initiator.send(head)
        pdu = initiator.receive()
        assert (pdu.opcode, pdu.head[2], pdu.data) == (0x3F, reason, head)
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_tag_in_use_is_rejected(stage: Stage) -> None:
    with stage.login(keys={"InitialR2T": "Yes", "ImmediateData": "No"}) as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        itt = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0)
        r2t = initiator.receive()
        initiator.command_pdu(read10(0, 1), 1, 512, 0xC0, itt=itt)
        assert initiator.receive().opcode == 0x3F
        initiator.data_out_pdu(itt, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert initiator.finish(itt).status == 0


def test_extended_cdb_reaches_the_unit(stage: Stage) -> None:
    with stage.login() as initiator:
        cdb = bytes((0x7F, 0, 0, 0, 0, 0, 0, 24, 0x7F, 0xFF)) + bytes(22)
        ahs = (17).to_bytes(2, "big") + b"\x01\0" + cdb[16:]
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        itt = initiator.command_pdu(cdb, 1, ahs=ahs)
        assert initiator.finish(itt).asc[0] == 5


@pytest.mark.parametrize("ahs", [b"\0\0\0\0", b"\xff\xff\1\0", b"\0\5\7\0\0\0\0\0"])
def test_malformed_additional_header_ends_the_connection(stage: Stage, ahs: bytes) -> None:
    with stage.login() as initiator:
        initiator.command_pdu(inquiry(), 1, 96, 0xC0, ahs=ahs)
        with pytest.raises(ConnectionError):
            initiator.receive()
    with stage.login() as other:
        assert other.read(inquiry(), 96, lun=1).status == 0


def test_logout_closes(stage: Stage) -> None:
    with stage.login() as initiator:
        assert initiator.logout() == 0
        with pytest.raises(ConnectionError):
            initiator.receive()
    assert not stage.call(lambda: list(stage.service.sessions))


def test_an_answer_without_data_is_a_response(stage: Stage) -> None:
    """A Data-In of no bytes would leave libiscsi waiting."""
    with stage.login() as initiator:
        read_capacity = bytes((0x9E, 0x10)) + bytes(14)
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        assert initiator.read(read_capacity, 0, lun=1).response.opcode == 0x21


def test_a_silent_initiator_is_pinged_and_answers(stage: Stage) -> None:
    stage.target.settings = Settings(nop_interval=0.05, nop_timeout=5)
    with stage.login() as initiator:
        for _ in range(3):
            ping = initiator.receive()
            assert (ping.opcode, ping.flags, ping.itt, ping.word(24)) == (0x20, 0x80, 0xFFFFFFFF, initiator.exp_stat_sn)
            assert ping.word(20) != 0xFFFFFFFF
            initiator.nop(ttt=ping.word(20))
        assert stage.call(lambda: len(stage.service.connections)) == 1


def test_a_dead_initiator_is_dropped(stage: Stage) -> None:
    stage.target.settings = Settings(nop_interval=0.05, nop_timeout=0.05)
    with stage.login() as initiator:
        assert initiator.receive().opcode == 0x20
        with pytest.raises(ConnectionError):
            initiator.receive()
    assert stage.empties()


def test_status_numbers_count_what_carries_status(stage: Stage) -> None:
    """StatSN goes up by one with each response, and not with an R2T, a ping or Data-In without status."""
    keys = {"InitialR2T": "Yes", "ImmediateData": "No", "MaxRecvDataSegmentLength": "512"}
    with stage.login(keys=keys) as initiator:
        expected = initiator.exp_stat_sn
        itt = initiator.command_pdu(write10(0, 2), 1, 1024, 0xA0)
        r2t = initiator.receive()
        assert r2t.word(24) == expected
        initiator.data_out_pdu(itt, r2t.word(20), 0, 0, bytes(1024), True, lun=1)
        assert initiator.finish(itt).response.word(24) == expected
        assert initiator.read(read10(0, 4), 2048, lun=1).response.word(24) == expected + 1
        initiator.nop()
        assert initiator.receive().word(24) == expected + 2
        initiator.send(bytes((0x50, 0x80)) + bytes(46))
        assert initiator.receive().word(24) == expected + 3
        assert initiator.text_pdu(b"X-a=1\0").word(24) == expected + 4
        assert initiator.task_management(2, 1) == 0
        assert initiator.exp_stat_sn == expected + 6


def test_pings_that_are_not_immediate_take_a_number(stage: Stage) -> None:
    with stage.login() as initiator:
        for itt in (77, 0xFFFFFFFF):
            head = bytes((0x00, 0x80)) + bytes(14) + itt.to_bytes(4, "big") + b"\xff" * 4
            initiator.send(head + initiator.cmd_sn.to_bytes(4, "big") + bytes(20))
            initiator.cmd_sn += 1
        assert initiator.receive().itt == 77
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_the_reserved_tag_is_no_tag(stage: Stage) -> None:
    with stage.login() as initiator:
        initiator.command_pdu(inquiry(), 1, 96, 0xC0, itt=0xFFFFFFFF)
        assert initiator.receive().opcode == 0x3F
        assert initiator.read(inquiry(), 96, lun=1).status == 0


@pytest.mark.parametrize("digests", [{}, {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 95, 96])
def test_data_of_any_length_is_padded(stage: Stage, length: int, digests: dict[str, str]) -> None:
    with stage.login(keys=digests) as initiator:
        result = initiator.read(inquiry(length), 255, lun=1)
        assert (len(result.data), result.residual) == (length, 255 - length)
        assert initiator.read(inquiry(), 96, lun=1).status == 0
