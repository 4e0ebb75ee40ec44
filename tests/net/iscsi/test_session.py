"""Sessions: reinstatement, continuation, several connections, logout, the command window across connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.initiator import TEST_UNIT_READY, Initiator, LoginFailed, inquiry, read10, write10
from tests.net.iscsi.conftest import Stage
from tgtd.net.iscsi.session import Session, port_name, transport_id

NAME = "iqn.2026-11.org.test:initiator"
MANY = {"MaxConnections": "8"}
KEPT = {"DefaultTime2Retain": "20", "MaxConnections": "8"}
SOLICITED = {"InitialR2T": "Yes", "ImmediateData": "No"}


def only(stage: Stage) -> Session:
    (session,) = stage.service.sessions.values()
    return session


def add(stage: Stage, first: Initiator, cid: int, **more: Any) -> Initiator:
    """One more connection of first's session."""
    return stage.connect(isid=first.isid, tsih=first.tsih, cid=cid, cmd_sn=first.cmd_sn, **more).login()


@contextlib.contextmanager
def several(stage: Stage, count: int, **keys: str) -> Iterator[list[Initiator]]:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(stage.login(keys=MANY | keys))
        yield [first, *(stack.enter_context(add(stage, first, cid)) for cid in range(1, count))]


def gone(initiator: Initiator) -> bool:
    try:
        initiator.receive()
    except ConnectionError:
        return True
    return False


# Coming back


def test_reinstatement(stage: Stage) -> None:
    with stage.login() as old:
        tsih = old.tsih
        with stage.connect().login() as new:
            assert gone(old)
            assert new.tsih != tsih
            assert new.read(TEST_UNIT_READY, 0, lun=1).asc == (6, 0x29, 0), "a new nexus"
            assert stage.call(lambda: list(stage.service.sessions)) == [new.tsih]


@pytest.mark.parametrize("other", [{"isid": 5}, {"name": "iqn.2026-11.org.test:other"}])
def test_others_do_not_disturb(stage: Stage, other: dict[str, Any]) -> None:
    with stage.login() as one, stage.login(**other) as two:
        assert one.read(inquiry(), 96, lun=1).status == two.read(inquiry(), 96, lun=1).status == 0


@pytest.mark.parametrize("cid", [0, 3])
def test_continuation_within_its_time(stage: Stage, cid: int) -> None:
    with stage.login(keys=KEPT) as first:
        first.read(TEST_UNIT_READY, 0, lun=1)
    assert stage.becomes(lambda: not stage.service.connections)
    assert stage.call(lambda: len(stage.service.sessions)) == 1
    with add(stage, first, cid) as again:
        assert again.tsih == first.tsih
        assert again.read(TEST_UNIT_READY, 0, lun=1).status == 0, "the same nexus: no unit attention"
        assert stage.call(lambda: only(stage)._retain) is None


def test_not_continued_in_time(stage: Stage) -> None:
    stage.target.settings = type(stage.target.settings)(default_time2retain=1, default_time2wait=0, nop_interval=0)
    with stage.login(keys={"DefaultTime2Retain": "1"}) as first:
        pass
    assert stage.becomes(lambda: not stage.service.connections)
    assert stage.call(lambda: len(stage.service.sessions)) == 1
    assert stage.empties()
    with stage.connect(tsih=first.tsih) as late, pytest.raises(LoginFailed, match="020A"):
        late.login()


@pytest.mark.parametrize(
    "wishes", [{"tsih": 999}, {"isid": 77}, {"name": "iqn.2026-11.org.test:thief"}], ids=["tsih", "isid", "name"]
)
def test_only_its_own_session(stage: Stage, wishes: dict[str, Any]) -> None:
    with stage.login(keys=MANY) as first:
        wishes = {"tsih": first.tsih, "isid": first.isid, "cid": 1} | wishes
        with stage.connect(**wishes) as thief, pytest.raises(LoginFailed, match="020A"):
            thief.login()


# Several connections


def test_eight_connections_and_no_ninth(stage: Stage) -> None:
    with several(stage, 8) as all_of_them:
        first = all_of_them[0]
        with stage.connect(isid=first.isid, tsih=first.tsih, cid=8) as ninth, pytest.raises(LoginFailed, match="0206"):
            ninth.login()
        sn = first.cmd_sn
        for turn in range(5):
            for initiator in all_of_them:
                initiator.cmd_sn = sn
                data = bytes((turn, initiator.cid)) * 256
                assert initiator.write(write10(initiator.cid, 1), data, lun=1).status == 0
                sn += 1
        assert first.max_cmd_sn - sn in range(100, 128)
        first.cmd_sn = sn
        assert first.read(read10(7, 1), 512, lun=1).data == bytes((4, 7)) * 256


def test_a_further_connection_has_the_sessions_parameters(stage: Stage) -> None:
    with several(stage, 2, InitialR2T="No", FirstBurstLength="4096", MaxBurstLength="8192") as (_, second):
        assert second.agreed.get("InitialR2T") is None
        itt = second.command_pdu(write10(0, 32), 1, 16384, 0x20)
        second.data_out_pdu(itt, 0xFFFFFFFF, 0, 0, bytes(4096), True, lun=1)
        r2t = second.receive()
        assert (r2t.opcode, r2t.word(40), r2t.word(44)) == (0x31, 4096, 8192)
        second._serve(r2t, bytes(16384), 8192)
        assert second.finish(itt, bytes(16384)).status == 0


def test_each_connection_has_digests_of_its_own(stage: Stage) -> None:
    with stage.login(keys=MANY) as first, add(stage, first, 1, keys={"DataDigest": "CRC32C"}) as second:
        assert (first.data_digest, second.data_digest) == (False, True)
        assert second.read(inquiry(), 96, lun=1).status == 0
        first.cmd_sn = second.cmd_sn
        assert first.read(inquiry(), 96, lun=1).status == 0


def test_connection_reinstatement_at_the_maximum(stage: Stage) -> None:
    with stage.login(keys={"MaxConnections": "1"}) as first, add(stage, first, 0) as again:
        assert gone(first)
        assert again.tsih == first.tsih
        assert again.read(TEST_UNIT_READY, 0, lun=1).status == 0
        assert stage.call(lambda: len(only(stage).connections)) == 1


def test_connection_reinstatement_aborts_its_tasks(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as first:
        first.command_pdu(write10(0, 1), 1, 512, 0xA0)
        first.receive()
        with add(stage, first, 0) as again:
            assert not stage.call(lambda: list(only(stage).tasks))
            assert again.read(inquiry(), 96, lun=1).status == 0
            assert again.max_cmd_sn == again.cmd_sn + 127


def test_allegiance_a_response_goes_where_its_command_came_from(stage: Stage) -> None:
    with several(stage, 2, **SOLICITED) as (first, second):
        one = first.command_pdu(write10(0, 1), 1, 512, 0xA0)
        r2t = first.receive()
        second.cmd_sn = first.cmd_sn
        second._itt = 100
        two = second.command_pdu(inquiry(), 1, 96, 0xC0)
        assert second.receive().itt == two
        first.data_out_pdu(one, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert first.finish(one).status == 0


def test_data_for_the_transfer_of_another_connection(stage: Stage) -> None:
    with several(stage, 2, **SOLICITED) as (first, second):
        itt = first.command_pdu(write10(0, 1), 1, 512, 0xA0)
        r2t = first.receive()
        second.data_out_pdu(itt, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert second.receive().opcode == 0x3F


def test_numbers_are_ordered_across_connections(stage: Stage) -> None:
    with several(stage, 2) as (first, second):
        sn = first.cmd_sn
        late = second.command_pdu(read10(0, 1), 1, 512, 0xC0, cmd_sn=sn + 1, itt=71)
        second.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            second.receive()
        second.sock.settimeout(5)
        first.command_pdu(write10(0, 1), 1, 512, 0xA0, b"1" * 512, cmd_sn=sn, itt=70)
        assert second.finish(late).data == b"1" * 512


def test_a_lost_connection_takes_its_tasks_only(stage: Stage) -> None:
    with several(stage, 3, **SOLICITED) as (first, second, third):
        one = first.command_pdu(write10(0, 1), 1, 512, 0xA0, itt=1001)
        r2t = first.receive()
        second.command_pdu(write10(1, 1), 1, 512, 0xA0, itt=1002, cmd_sn=first.cmd_sn)
        second.receive()
        second.close()
        assert stage.becomes(lambda: list(only(stage).tasks) == [1001])
        first.data_out_pdu(one, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert first.finish(one).status == 0
        third.cmd_sn = first.cmd_sn + 1
        assert third.read(inquiry(), 96, lun=1).status == 0
        assert third.max_cmd_sn == third.cmd_sn + 127


@pytest.mark.parametrize("plug", ["nop", "abort"])
def test_a_hole_left_by_a_lost_connection_is_plugged(stage: Stage, plug: str) -> None:
    with several(stage, 2) as (first, second):
        sn = first.cmd_sn
        waiting = first.command_pdu(inquiry(), 1, 96, 0xC0, cmd_sn=sn + 1)
        second.close()
        assert stage.becomes(lambda: len(only(stage).connections) == 1)
        if plug == "abort":
            first.cmd_sn = sn + 2
            assert first.task_management(1, 1, 999, ref_cmd_sn=sn) == 0
        else:
            head = bytes((0x00, 0x80)) + bytes(14) + (888).to_bytes(4, "big") + b"\xff" * 4
            first.send(head + sn.to_bytes(4, "big") + bytes(20))
            assert first.receive().itt in (888, waiting)
        first.cmd_sn = sn + 2
        assert first.read(inquiry(), 96, lun=1).status == 0


def test_what_waited_on_a_lost_connection_must_come_again(stage: Stage) -> None:
    with several(stage, 2) as (first, second):
        sn = first.cmd_sn
        second.command_pdu(write10(0, 1), 1, 512, 0xA0, b"!" * 512, cmd_sn=sn + 1, itt=500)
        assert stage.becomes(lambda: only(stage).waiting)
        second.close()
        assert stage.becomes(lambda: not only(stage).waiting)
        assert first.read(inquiry(), 96, lun=1).status == 0
        again = first.read(read10(0, 1), 512, lun=1)
        assert again.data == bytes(512)
        assert stage.pool_settles()


# A rejected command must not cost its place in the window


def test_rejected_commands_give_their_place_back(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0)
        r2t = initiator.receive()
        for number in range(300):
            if number % 3 == 0:
                initiator.command_pdu(inquiry(), 1, 96, 0xC0, itt=itt)
            else:
                opcode = 0x1C if number % 3 == 1 else 0x06  # unknown; a logout for no known reason
                head = bytes((opcode, 0xFF)) + bytes(22) + initiator.cmd_sn.to_bytes(4, "big") + bytes(20)
                initiator.cmd_sn += 1
                initiator.send(head)
            assert initiator.receive().opcode == 0x3F
        assert initiator.max_cmd_sn == initiator.cmd_sn + 126
        initiator.data_out_pdu(itt, r2t.word(20), 0, 0, bytes(512), True, lun=1)
        assert initiator.finish(itt).status == 0


def test_what_waits_behind_a_rejected_command_runs(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        itt = initiator.command_pdu(write10(0, 1), 1, 512, 0xA0)
        initiator.receive()
        sn = initiator.cmd_sn
        late = initiator.command_pdu(inquiry(), 1, 96, 0xC0, cmd_sn=sn + 1)
        initiator.command_pdu(inquiry(), 1, 96, 0xC0, cmd_sn=sn, itt=itt)
        pdus = [initiator.receive() for _ in range(2)]
        assert [(pdu.opcode, pdu.itt) for pdu in pdus] == [(0x3F, 0xFFFFFFFF), (0x25, late)]
        initiator.cmd_sn = sn + 2
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_a_duplicate_of_one_that_waits_costs_nothing(stage: Stage) -> None:
    with stage.login(keys={"FirstBurstLength": "262144"}) as initiator:
        sn = initiator.cmd_sn
        for _ in range(5):
            initiator.command_pdu(write10(0, 400), 1, 204800, 0xA0, bytes(204800), cmd_sn=sn + 1, itt=700)
        assert initiator.read(inquiry(), 96, lun=1).status == 0
        assert initiator.finish(700).status == 0
        assert stage.pool_settles()


def test_too_much_out_of_order_ends_the_connection(stage: Stage) -> None:
    with stage.login(keys={"FirstBurstLength": "262144"}) as initiator:
        with contextlib.suppress(ConnectionError):
            for number in range(100):
                sn = initiator.cmd_sn + 1 + number
                initiator.command_pdu(write10(0, 512), 1, 262144, 0xA0, bytes(262144), cmd_sn=sn)
        assert stage.empties()


def test_immediate_commands_are_bounded(stage: Stage) -> None:
    with stage.login(keys=SOLICITED) as initiator:
        for _ in range(70):
            initiator.command_pdu(write10(0, 1), 1, 512, 0xA0, immediate=True)
        answers = [initiator.receive() for _ in range(70)]
        assert [a.opcode for a in answers] == [0x31] * 64 + [0x3F] * 6
        assert {a.head[2] for a in answers[64:]} == {0x06}
        assert initiator.max_cmd_sn == initiator.cmd_sn + 127


# Logout


@pytest.mark.parametrize(("reason", "cid", "response"), [(0, 0, 0), (0, 9, 0), (1, 0, 0)])
def test_logout_ends_the_session_at_once(stage: Stage, reason: int, cid: int, response: int) -> None:
    with stage.login(keys=KEPT) as initiator:
        assert initiator.logout(reason, cid) == response
        assert gone(initiator)
        assert stage.empties()


@pytest.mark.parametrize(("reason", "cid", "response"), [(1, 9, 1), (2, 0, 2), (2, 9, 2)])
def test_logout_that_changes_nothing(stage: Stage, reason: int, cid: int, response: int) -> None:
    with stage.login() as initiator:
        assert initiator.logout(reason, cid) == response
        assert initiator.read(inquiry(), 96, lun=1).status == 0


def test_logout_of_another_connection(stage: Stage) -> None:
    with several(stage, 3) as (first, second, third):
        assert first.logout(1, 1) == 0
        assert gone(second)
        third.cmd_sn = first.cmd_sn
        assert third.read(inquiry(), 96, lun=1).status == 0
        assert third.logout(0) == 0
        assert gone(first)
        assert gone(third)
        assert stage.empties()


def test_nothing_is_heard_after_a_logout(stage: Stage) -> None:
    with stage.login() as initiator:
        head = bytes((0x46, 0x80)) + bytes(14) + (90).to_bytes(4, "big") + bytes(4)
        wire = head + initiator.cmd_sn.to_bytes(4, "big") + bytes(20)
        write = bytes((0x41, 0xA1, 0, 0, 0, 0, 2, 0)) + (1 << 48).to_bytes(8, "big") + (91).to_bytes(4, "big")
        write += (512).to_bytes(4, "big") + bytes(8) + write10(0, 1).ljust(16, b"\0") + b"!" * 512
        initiator.sock.sendall(wire + write)
        assert initiator.receive().opcode == 0x26
        assert gone(initiator)
        assert stage.medium_start() == bytes(512)


# Discovery sessions take little (4.3)


@pytest.mark.parametrize("opcode", [0x00, 0x01, 0x02, 0x05, 0x10])
def test_discovery_rejects_all_but_text_and_logout(stage: Stage, opcode: int) -> None:
    with stage.login(target="") as discovery:
        discovery.send(bytes((0x40 | opcode, 0x80)) + bytes(14) + (5).to_bytes(4, "big") + bytes(28))
        assert discovery.receive().opcode == 0x3F
        assert discovery.send_targets()
        assert discovery.logout() == 0


def test_names_of_ports() -> None:
    assert port_name(NAME, 0x800000010000) == NAME + ",i,0x800000010000"
    wire = transport_id(NAME, 0x800000010000)
    assert wire[:2] == b"\x45\0"
    assert len(wire) % 4 == 0
    assert int.from_bytes(wire[2:4], "big") == len(wire) - 4
    assert wire[4:].rstrip(b"\0").decode() == port_name(NAME, 0x800000010000)
