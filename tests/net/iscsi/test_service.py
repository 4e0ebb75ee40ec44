"""The service: limits, live changes, discovery filters, draining."""

from __future__ import annotations

import logging
import socket
import threading
from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.initiator import TEST_UNIT_READY, Initiator, LoginFailed, inquiry, write10
from tests.net.iscsi.conftest import NAME, Stage
from tgtd.net.iscsi.service import advertised
from tgtd.net.iscsi.settings import Access, Chap, Limits, Redirect, Settings, View
from tgtd.scsi.access import STATE_NAMES, PortGroup

OTHER = "iqn.2026-11.org.test:other"


# Discovery


@pytest.mark.parametrize(
    ("portals", "local", "told"),
    [
        (["0.0.0.0"], "10.0.0.1", ["10.0.0.1:3260"]),
        (["0.0.0.0", "::"], "fd00::1", ["[fd00::1]:3260"]),
        (["0.0.0.0", "::"], "fe80::1%eth0", ["[fe80::1]:3260"]),
        (["0.0.0.0", "10.0.0.1"], "10.0.0.1", ["10.0.0.1:3260"]),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1", ["10.0.0.1:3260", "10.0.0.2:3260"]),
        (["127.0.0.1", "10.0.0.1"], "10.0.0.1", ["10.0.0.1:3260"]),
        (["127.0.0.1", "10.0.0.1"], "127.0.0.1", ["127.0.0.1:3260", "10.0.0.1:3260"]),
        (["::1", "fe80::1%eth0", "fd00::1"], "fd00::1", ["[fd00::1]:3260"]),
        (["169.254.1.1", "10.0.0.1"], "10.0.0.1", ["10.0.0.1:3260"]),
        (["0.0.0.0"], "fd00::1", []),
        (["127.0.0.1"], "10.0.0.1", []),
    ],
)
def test_only_addresses_that_lead_here(portals: list[str], local: str, told: list[str]) -> None:
    assert advertised(tuple((portal, 3260) for portal in portals), (local, 3260)) == told


def test_discovery_shows_what_may_be_used(stage: Stage) -> None:
    def add() -> None:
        for name, access in (
            ("hidden", Access(initiators=("iqn.nobody",))),
            ("elsewhere", Access(networks=(ip_network("192.0.2.0/24"),))),
            ("mine", Access(initiators=("iqn.2026-11.org.test:*",))),
            ("secret", Access(anyone=True, chap=Chap({"host": b"a secret of twenty.."}))),
            ("offline", Access(anyone=True)),
        ):
            target = stage.add_target(f"{NAME}.{name}", stage.make_disk(stage.medium, name))
            target.access, target.online = access, name != "offline"

    stage.call(add)
    with Initiator(stage.target.portals[0]).login() as discovery:
        names = [value for key, value in discovery.send_targets() if key == "TargetName"]
        assert names == [NAME, f"{NAME}.mine", f"{NAME}.secret"]
        assert discovery.send_targets(f"{NAME}.hidden") == []


def test_discovery_has_access_rules_of_its_own(stage: Stage) -> None:
    stage.service.discovery = Access(initiators=("iqn.nobody",))
    with stage.connect(target="") as discovery, pytest.raises(LoginFailed, match="0202"):
        discovery.login()
    with stage.login():
        pass


# Views


def test_each_initiator_sees_its_view(stage: Stage) -> None:
    def change() -> None:
        stage.target.scsi.add_lun(5, stage.make_disk(stage.medium, "S5"))
        stage.target.views = (View((OTHER,), {0: 5}),)

    stage.call(change)
    report = bytes((0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0))
    with stage.login(name=OTHER) as other, stage.login() as plain:
        luns = {who.name: who.read(report, 256).data[9::8] for who in (other, plain)}
        assert luns == {OTHER: b"\0", plain.name: b"\0\1\5"}
        assert other.read(inquiry(), 96, lun=0).data[0] == 0
        assert other.read(inquiry(), 96, lun=1).data[0] == 0x7F


@pytest.mark.parametrize("lun", [0x0001, 0x4001])
def test_both_ways_of_addressing_are_one_unit(stage: Stage, lun: int) -> None:
    with stage.login() as initiator:
        assert initiator.read(TEST_UNIT_READY, 0, lun=lun).status == 0
        assert len({id(x) for x in stage.call(lambda: list(stage.disk.nexuses))}) == 1


@pytest.mark.parametrize("lun", [0x0002, 0x0101, 0x8001, 0xC000, 0xFFFF])
def test_luns_that_lead_nowhere_cost_nothing(stage: Stage, lun: int) -> None:
    with stage.login() as initiator:
        assert initiator.read(TEST_UNIT_READY, 0, lun=lun).asc == (5, 0x25, 0)
        (session,) = stage.service.sessions.values()
        nexus = session.nexus
        assert nexus is not None
        assert stage.call(lambda: len(nexus.luns)) == 1


# Live changes


def expelled(initiator: Initiator) -> bool:
    """It was told that its session ends, and then it ended."""
    message = initiator.receive()
    with pytest.raises(ConnectionError):
        initiator.receive()
    return (message.opcode, message.head[36]) == (0x32, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"access": Access(initiators=(OTHER,))},
        {"access": Access(networks=(ip_network("192.0.2.0/24"),))},
        {"access": Access(anyone=True, chap=Chap({"host": b"a secret of twenty.."}))},
        {"online": False},
    ],
    ids=["name", "address", "chap", "offline"],
)
def test_who_may_no_longer_be_here_is_expelled(stage: Stage, change: dict[str, object]) -> None:
    with stage.login() as initiator:

        def apply() -> int:
            for name, value in change.items():
                setattr(stage.target, name, value)
            return len(stage.service.recheck(stage.target))

        assert stage.call(apply) == 1
        assert expelled(initiator)
        assert stage.empties()
        with stage.connect() as again, pytest.raises(LoginFailed):
            again.login()


def test_a_redirect_is_for_new_logins_only(stage: Stage) -> None:
    stage.target.redirect = None
    with stage.login() as initiator:
        stage.target.redirect = Redirect("192.0.2.1:3260")
        assert stage.call(lambda: stage.service.recheck(stage.target)) == []
        assert initiator.read(inquiry(), 96, lun=1).status == 0
        with stage.connect(isid=9) as other, pytest.raises(LoginFailed) as moved:
            other.login()
        assert moved.value.status == 0x0101


def test_who_may_stay_stays(stage: Stage) -> None:
    with stage.login() as initiator, stage.login(name=OTHER) as other:

        def apply() -> int:
            stage.target.access = Access(initiators=(initiator.name,))
            return len(stage.service.recheck(stage.target))

        assert stage.call(apply) == 1
        assert initiator.read(TEST_UNIT_READY, 0, lun=1).status == 0
        assert expelled(other)


def test_access_that_changes_during_a_login(stage: Stage) -> None:
    with stage.connect() as initiator:
        text = f"InitiatorName={initiator.name}\0TargetName={NAME}\0AuthMethod=None\0".encode()
        initiator.login_pdu(0x80, text, 0, 1)
        stage.target.access = Access(anyone=True, chap=Chap({"host": b"a secret of twenty.."}))
        with pytest.raises(LoginFailed, match="0301"):
            initiator.login_pdu(0x80, b"", 1, 3)
    assert stage.empties()


def test_a_target_is_removed_under_its_sessions(stage: Stage) -> None:
    with stage.login(keys={"InitialR2T": "Yes", "ImmediateData": "No"}) as initiator, stage.connect() as late:
        text = f"InitiatorName={OTHER}\0TargetName={NAME}\0AuthMethod=None\0".encode()
        late.login_pdu(0x80, text, 0, 1)
        initiator.command_pdu(write10(0, 100), 1, 51200, 0xA0)
        assert initiator.receive().opcode == 0x31
        stage.call(lambda: stage.service.remove_target(NAME))
        assert expelled(initiator)
        with pytest.raises(LoginFailed, match="0203"):
            late.login_pdu(0x80, b"", 1, 3)
        assert stage.empties()


def test_names_are_taken_once(stage: Stage) -> None:
    with pytest.raises(ValueError, match="exists"):
        stage.service.add_target(stage.target)


# Limits


def answers(stage: Stage) -> bool:
    """Does a connection live longer than it takes to refuse it?"""
    with socket.create_connection(stage.address, 5) as sock:
        sock.settimeout(0.2)
        try:
            return sock.recv(1) != b""
        except TimeoutError:
            return True
        except ConnectionError:
            return False


@pytest.mark.parametrize("limits", [Limits(connections=2), Limits(connections_per_address=2)])
def test_connections(stage: Stage, limits: Limits, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    stage.service.limits = replace(limits, login_timeout=2)
    with stage.login(), stage.login(isid=2) as second:
        assert not answers(stage)
        assert "limits.connections" in caplog.text
        second.logout()
        assert stage.becomes(lambda: len(stage.service.connections) == 1)
        assert answers(stage)
    assert stage.empties()
    assert not stage.service._per_address


@pytest.mark.parametrize("kind", ["limits", "target"])
def test_sessions(stage: Stage, kind: str) -> None:
    if kind == "limits":
        stage.service.limits = Limits(sessions=2)
    else:
        stage.target.settings = Settings(max_sessions=2, nop_interval=0)
    with stage.login(), stage.login(isid=2) as second:
        with stage.connect(isid=3) as third, pytest.raises(LoginFailed, match="0302"):
            third.login()
        if kind == "limits":
            with stage.connect(target="") as discovery, pytest.raises(LoginFailed, match="0302"):
                discovery.login()
        with stage.connect(isid=2).login() as again:
            assert again.tsih != second.tsih


def test_a_session_without_connection_gives_way(stage: Stage) -> None:
    stage.service.limits = Limits(sessions=1)
    with stage.login(keys={"DefaultTime2Retain": "20"}):
        pass
    assert stage.becomes(lambda: not stage.service.connections)
    with stage.login(isid=2) as new:
        assert stage.call(lambda: list(stage.service.sessions)) == [new.tsih]


def test_session_handles_are_not_used_twice(stage: Stage) -> None:
    with stage.login() as first:
        stage.service._next_tsih = 0xFFFF
        with stage.login(isid=2) as second, stage.login(isid=3) as third:
            assert len({first.tsih, second.tsih, third.tsih, 0}) == 4


# The end


def test_drain_asks_for_logout_and_waits(stage: Stage) -> None:
    drained = threading.Event()
    with stage.login(keys={"DefaultTime2Retain": "20"}) as polite, stage.login(isid=2) as rude:
        stage.call(lambda: stage.service.drain(drained.set))
        for initiator in (polite, rude):
            message = initiator.receive()
            assert (message.opcode, message.head[36]) == (0x32, 1)
            assert int.from_bytes(message.head[42:44], "big") > 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(stage.address)
        assert polite.read(inquiry(), 96, lun=1).status == 0, "what is under way is finished"
        assert polite.logout() == 0
        assert not drained.is_set()
    assert drained.wait(5)


def test_drain_does_not_wait_for_those_who_will_not_come_back(stage: Stage) -> None:
    drained = threading.Event()
    with stage.login(keys={"DefaultTime2Retain": "20"}) as gone, stage.login(isid=2, keys={"DefaultTime2Retain": "20"}):
        gone.close()
        assert stage.becomes(lambda: len(stage.service.connections) == 1)
        stage.call(lambda: stage.service.drain(drained.set))
    assert drained.wait(5)


# Portal groups


def grouped(stage: Stage) -> tuple[tuple[str, int], tuple[str, int]]:
    """The target by two portals, in groups 3 and 9."""

    def group() -> None:
        first = stage.target.portals[0]
        second = stage.service.open_portal("127.0.0.1", 0)
        stage.service.accept()
        stage.target.portals, stage.target.tags = (first, ("127.0.0.1", second.port)), (3, 9)
        stage.target.scsi.regroup((PortGroup(3), PortGroup(9, STATE_NAMES["standby"])))

    stage.call(group)
    return stage.target.portals[0], stage.target.portals[1]


def test_discovery_and_login_tell_the_portal_group(stage: Stage) -> None:
    first, second = grouped(stage)
    with Initiator(first).login() as discovery:
        told = [value for key, value in discovery.send_targets() if key == "TargetAddress"]
        assert told == [f"127.0.0.1:{first[1]},3", f"127.0.0.1:{second[1]},9"]
    for portal, tag in ((first, "3"), (second, "9")):
        with Initiator(portal, NAME) as one:
            text = f"InitiatorName={one.name}\0SessionType=Normal\0TargetName={NAME}\0AuthMethod=None\0"
            assert dict(one.login_pdu(0x80, text.encode(), 0, 1).text)["TargetPortalGroupTag"] == tag


def test_the_same_port_of_an_initiator_by_two_groups_is_two_sessions(stage: Stage) -> None:
    first, second = grouped(stage)
    with Initiator(first, NAME).login() as one, Initiator(second, NAME).login() as two:
        assert one.isid == two.isid
        one.read(TEST_UNIT_READY, 0, lun=1)
        two.read(TEST_UNIT_READY, 0, lun=1)
        assert one.read(TEST_UNIT_READY, 0, lun=1).status == 0
        assert two.read(TEST_UNIT_READY, 0, lun=1).asc == (2, 0x04, 0x0B)
        page = two.read(inquiry(255, 0x83), 255, lun=1).data
        assert bytes.fromhex("5194000400000009") in page
        assert bytes.fromhex("5195000400000009") in page
        assert stage.call(lambda: {nexus.relative_port for nexus in stage.target.scsi.nexuses}) == {3, 9}


def test_a_session_does_not_span_groups(stage: Stage) -> None:
    first, second = grouped(stage)
    with Initiator(first, NAME, keys={"MaxConnections": "4"}).login() as one:
        with pytest.raises(LoginFailed) as refused, Initiator(second, NAME, tsih=one.tsih, cid=1) as other:
            other.login()
        assert refused.value.status == 0x0208
        with Initiator(first, NAME, tsih=one.tsih, cid=1).login():
            assert stage.call(lambda: len(stage.service.sessions)) == 1


def test_sessions_of_a_group_that_goes_end(stage: Stage) -> None:
    first, second = grouped(stage)
    with Initiator(first, NAME).login() as one, Initiator(second, NAME).login() as two:

        def regroup() -> int:
            stage.target.portals, stage.target.tags = (first,), (3,)
            stage.target.scsi.regroup((PortGroup(3),))
            return len(stage.service.recheck(stage.target))

        assert stage.call(regroup) == 1
        assert two.receive().opcode == 0x32
        one.read(TEST_UNIT_READY, 0, lun=1)
        assert one.nop() is not None
