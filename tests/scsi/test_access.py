"""tgtd.scsi.access: ports and their states, one unit by several targets, and what each state lets through."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.reserving import ALL_TG_PT, EA_RO, REGISTER, RESERVE, SPEC_I_PT, move, out, read
from tests.scsi.workbench import TUR, Bench, cdb10
from tgtd.scsi.access import STATE_NAMES, STATES, PortGroup
from tgtd.scsi.command import Command
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.reservation.transportid import iscsi_port
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sense import POWER_ON
from tgtd.scsi.target import Target, encode_lun

OPTIMIZED, NON_OPTIMIZED, STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING = STATES.values()
CHANGED = (6, 0x2A, 0x06)
INQUIRY_CHANGED = (6, 0x3F, 0x03)
INQUIRY, REPORT_LUNS, RTPG = (
    bytes((0x12, 0, 0, 0, 96, 0)),
    b"\xa0" + bytes(8) + b"\x40\0\0",
    b"\xa3\x0a" + bytes(7) + b"\xff\0\0",
)
READ = cdb10(0x28, 0, 1)
ECHO = b"\x3c\x0a"
MODE_SENSE = bytes((0x1A, 0, 0x3F, 0, 0xFF, 0))


class Ported:
    """A disk behind ports 1 and 2 of one target, and one nexus by each."""

    def __init__(self, second: str = "active/non-optimized") -> None:
        self.bench = Bench()
        self.disk = self.bench.disk()
        self.bench.target.regroup((PortGroup(1, preferred=True), PortGroup(2, STATE_NAMES[second], explicit=True)))
        self.first = self.bench.nexus
        self.second = self.bench.connect("b", 2)
        self.bench.ready()
        self.bench.ready(nexus=self.second)

    def attentions(self, nexus: Nexus) -> list[tuple[int, int, int]]:
        itl = nexus.lun(encode_lun(0))
        found = [sense[:3] for sense in itl.attentions]
        while itl.attentions:
            itl.take_attention()
        return found


@pytest.mark.parametrize(
    ("state", "sense"),
    [
        ("standby", (2, 0x04, 0x0B)),
        ("unavailable", (2, 0x04, 0x0C)),
        ("offline", (2, 0x04, 0x12)),
        ("transitioning", (2, 0x04, 0x0A)),
    ],
)
def test_a_port_that_is_not_active_says_why(state: str, sense: tuple[int, int, int]) -> None:
    ported = Ported(state)
    for cdb in (TUR, READ):
        assert ported.bench.refused(cdb, nexus=ported.second) == sense
        ported.bench.good(cdb, nexus=ported.first)
    for cdb in (INQUIRY, REPORT_LUNS, RTPG, bytes((0x03, 0, 0, 0, 18, 0))):
        ported.bench.good(cdb, nexus=ported.second)


@pytest.mark.parametrize("state", ["standby", "unavailable"])
def test_what_works_in_standby_does_not_when_unavailable(state: str) -> None:
    ported = Ported(state)
    for cdb in (MODE_SENSE, read(0), cdb10(0x25, 0, 0)):
        if state == "standby":
            ported.bench.good(cdb, nexus=ported.second)
        else:
            assert ported.bench.refused(cdb, nexus=ported.second) == (2, 0x04, 0x0C)


def test_echo_buffers_pass_everywhere_and_other_buffers_nowhere() -> None:
    for state in (STANDBY, UNAVAILABLE, OFFLINE, TRANSITIONING):
        buffer = _row(0x3C)
        state.demand(buffer, ECHO)
        with pytest.raises(Exception, match="logical unit not"):
            state.demand(buffer, b"\x3c\x02")


def _row(opcode: int) -> Command:
    return Command(opcode, "buffer", lambda unit, task: 0, bytes((opcode,)) + bytes(9))


@pytest.mark.parametrize("state", ["active/optimized", "active/non-optimized"])
def test_active_ports_have_no_gate(state: str) -> None:
    ported = Ported(state)
    assert ported.second.lun(encode_lun(0)).gate is None


def test_an_unavailable_port_says_in_inquiry_that_nothing_is_there() -> None:
    ported = Ported("unavailable")
    assert ported.bench.good(INQUIRY, nexus=ported.second)[0] == 0x20
    assert ported.bench.good(bytes((0x12, 1, 0x80, 0, 96, 0)), nexus=ported.second)[0] == 0x20
    assert ported.bench.good(INQUIRY, nexus=ported.first)[0] == 0x00


def test_inquiry_tells_of_groups_only_when_there_are() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    assert bench.good(INQUIRY)[5] & 0x30 == 0x00
    bench.target.regroup((PortGroup(1), PortGroup(2)))
    assert [sense[:3] for sense in bench.itl().attentions] == [INQUIRY_CHANGED, CHANGED]
    assert bench.good(INQUIRY)[5] & 0x30 == 0x10
    bench.target.regroup((PortGroup(1, explicit=True), PortGroup(2)))
    assert bench.good(INQUIRY)[5] & 0x30 == 0x30
    bench.target.regroup(None)
    assert bench.good(INQUIRY)[5] & 0x30 == 0x00
    bench.ready()
    assert bench.refused(RTPG) == (5, 0x24, 0x00)


def test_everybody_hears_of_an_edit() -> None:
    ported = Ported()
    ported.bench.target.regroup((PortGroup(1, NON_OPTIMIZED), PortGroup(2, OPTIMIZED, explicit=True)))
    assert ported.attentions(ported.first) == [CHANGED]
    assert ported.attentions(ported.second) == [CHANGED]
    assert [(one.state, one.status) for one in ported.disk.access.standings()] == [(NON_OPTIMIZED, 2), (OPTIMIZED, 2)]


def test_what_initiators_set_lasts_until_the_declared_state_is_edited() -> None:
    ported = Ported()
    ported.disk.access.set({2: STANDBY}, ported.first)
    assert ported.attentions(ported.first) == []
    assert ported.attentions(ported.second) == [CHANGED]
    assert ported.bench.refused(TUR, nexus=ported.second) == (2, 0x04, 0x0B)
    ported.disk.reset(ported.first)
    assert ported.disk.access.state(ported.second) is STANDBY
    ported.bench.target.regroup((PortGroup(1), PortGroup(2, NON_OPTIMIZED, explicit=True)))
    assert ported.disk.access.state(ported.second) is STANDBY  # its own declaration is what it was
    ported.bench.target.regroup((PortGroup(1), PortGroup(2, OPTIMIZED, explicit=True)))
    assert ported.disk.access.state(ported.second) is OPTIMIZED


def test_setting_what_is_disturbs_nobody() -> None:
    ported = Ported()
    ported.disk.access.set({1: OPTIMIZED, 2: NON_OPTIMIZED}, ported.first)
    assert ported.attentions(ported.second) == []


class Shared:
    """A disk that two targets offer, by ports 1 and 2, as LUN 0 and LUN 5."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.disk: Disk = self.bench.disk()
        self.other = Target("iqn.2026-11.com.example:other", self.bench.placeholder)
        self.other.regroup((PortGroup(2),))
        self.other.add_lun(5, self.disk)
        self.far = self.bench.connect("b", 2, self.other)
        self.bench.ready()
        self.bench.ready(5, nexus=self.far)


def test_one_unit_by_two_targets_is_one_unit() -> None:
    shared = Shared()
    bench = shared.bench
    identity = bytes((0x12, 1, 0x80, 0, 96, 0))
    assert bench.good(identity) == bench.good(identity, lun=5, nexus=shared.far)
    bench.good(cdb10(0x2A, 3, 1), b"x" * 512)
    assert bench.good(cdb10(0x28, 3, 1), lun=5, nexus=shared.far) == b"x" * 512
    bench.run(*out(REGISTER, 0, 7))
    bench.run(*out(RESERVE, 7, kind=EA_RO))
    assert bench.run(cdb10(0x28, 3, 1), lun=5, nexus=shared.far).status == 0x18
    shared.disk.reset(None)
    assert [sense[:3] for sense in shared.far.lun(encode_lun(5)).attentions] == [(6, 0x29, 0x03)]
    assert shared.disk.access.ports == (1, 2)


def test_a_target_that_goes_leaves_the_unit_to_the_other() -> None:
    shared = Shared()
    bench = shared.bench
    lane = bench.lane
    read_all = cdb10(0x2F, 0, 8, 0x02)
    ours = bench.start(read_all, bytes(4096))
    theirs = bench.start(read_all, bytes(4096), lun=5, nexus=shared.far)
    shared.other.remove_lun(5)
    assert theirs in bench.done
    assert ours not in bench.done
    lane.drain()
    assert ours in bench.done
    assert ours.status == 0
    assert list(shared.disk.access.homes) == [bench.target]
    assert all(itl.nexus.target is bench.target for itl in shared.disk.nexuses)
    assert bench.refused(TUR, lun=5, nexus=shared.far) == (5, 0x25, 0x00)


def test_registrations_for_all_ports_cover_both_targets() -> None:
    shared = Shared()
    shared.bench.run(*out(REGISTER, 0, 7, flags=ALL_TG_PT))
    state = shared.disk.reservations.state
    assert sorted((who.initiator, who.port) for who in state.keys) == [
        (shared.bench.nexus.transport_id, 1),
        (shared.bench.nexus.transport_id, 2),
    ]


def test_specified_initiators_of_another_target_are_known() -> None:
    shared = Shared()
    name = shared.far.initiator.encode()
    device = (
        bytes((0x05, 0)) + struct.pack(">H", (len(name) + 4) // 4 * 4) + name.ljust((len(name) + 4) // 4 * 4, b"\0")
    )
    task = shared.bench.run(*out(REGISTER, 0, 7, flags=SPEC_I_PT | ALL_TG_PT, ids=device))
    assert task.status == 0
    assert {(who.initiator, who.port) for who in shared.disk.reservations.state.keys} == {
        (transport, port) for transport in (shared.bench.nexus.transport_id, shared.far.transport_id) for port in (1, 2)
    }


def test_a_reservation_moves_to_another_port() -> None:
    shared = Shared()
    bench = shared.bench
    bench.run(*out(REGISTER, 0, 7))
    bench.run(*out(RESERVE, 7, kind=EA_RO))
    assert bench.refused(*move(7, 9, shared.far.transport_id, port=3)) == (5, 0x26, 0x00)
    assert bench.run(*move(7, 9, shared.far.transport_id, port=2)).status == 0
    holder = shared.disk.reservations.state.holder
    assert holder is not None
    assert (holder.initiator, holder.port) == (shared.far.transport_id, 2)
    bench.good(READ, lun=5, nexus=shared.far)


def test_the_same_initiator_by_another_port_is_another_registrant() -> None:
    ported = Ported()
    again = ported.bench.connect("a", 2)
    ported.bench.ready(nexus=again)
    ported.bench.run(*out(REGISTER, 0, 7))
    ported.bench.run(*out(RESERVE, 7, kind=EA_RO))
    assert again.transport_id == iscsi_port("iqn.2026-11.com.example:a,i,0x000000000001") == ported.first.transport_id
    assert ported.bench.run(READ, nexus=again).status == 0x18
    ported.bench.good(READ)


def test_a_power_on_is_told_in_any_state() -> None:
    ported = Ported("standby")
    late = ported.bench.connect("c", 2)
    assert ported.bench.refused(TUR, nexus=late) == POWER_ON[:3]
    assert ported.bench.refused(TUR, nexus=late) == (2, 0x04, 0x0B)
