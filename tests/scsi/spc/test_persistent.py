"""tgtd.scsi.spc.persistent: PERSISTENT RESERVE IN and OUT through a logical unit, as clusters use them."""

from __future__ import annotations

import logging
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.reserving import (
    ALL_TG_PT,
    APTPL,
    CAPABILITIES,
    CLEAR,
    CONFLICT,
    EA,
    FULL_STATUS,
    IGNORE,
    KEYS,
    PREEMPT,
    PREEMPT_AND_ABORT,
    REGISTER,
    RELEASE,
    RESERVATION,
    RESERVE,
    SPEC_I_PT,
    WE,
    WE_AR,
    WE_RO,
    Cluster,
    move,
    out,
    read,
)
from tests.scsi.workbench import TUR, cdb10, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.reservation.actions import ACTIONS
from tgtd.scsi.reservation.reports import REPORTS
from tgtd.scsi.sense import REGISTRATIONS_PREEMPTED, RESERVATIONS_PREEMPTED, RESERVATIONS_RELEASED
from tgtd.scsi.spc.persistent import PERSISTENT, Clearing
from tgtd.scsi.target import TaskManagement, encode_lun
from tgtd.scsi.task import NO_RESPONSE

READ, WRITE = cdb10(0x28, 0, 1), cdb10(0x2A, 0, 1)
PREEMPTED, RELEASED = REGISTRATIONS_PREEMPTED.text, RESERVATIONS_RELEASED.text


class SlowDisk(RamMedium):
    """Everything needs a worker."""

    def __init__(self) -> None:
        super().__init__(1 << 20)

    def read_now(self, offset: int, into: memoryview) -> bool:
        return False

    def write_now(self, offset: int, data: object) -> bool:
        return False


def test_rows() -> None:
    assert [(row.opcode, row.action) for row in PERSISTENT] == [
        *((0x5E, report.code) for report in REPORTS),
        *((0x5F, action.code) for action in ACTIONS),
    ]


@pytest.mark.parametrize(("opcode", "action"), [(0x5E, 4), (0x5E, 31), (0x5F, 9), (0x5F, 31)])
def test_no_such_service_action(opcode: int, action: int) -> None:
    task = Cluster().run("a", bytes((opcode, action)) + bytes(8))
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task) == (True, 1, 4)


@pytest.mark.parametrize("action", [KEYS, RESERVATION, CAPABILITIES, FULL_STATUS])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9])
def test_allocation_length(action: int, length: int) -> None:
    """What does not fit is cut off; the lengths inside tell of all of it."""
    cluster = Cluster().registered(a=1, b=2)
    whole = cluster.run("a", read(action)).data_in
    assert cluster.run("c", read(action, length)).data_in == bytes(whole or b"")[:length]


def test_full_status_names_the_ports() -> None:
    cluster = Cluster().registered(a=1, b=2)
    cluster.good("b", out(RESERVE, 2, kind=WE))
    generation, body = cluster.ask(FULL_STATUS)
    assert generation == 2
    size = 24 + len(cluster.nexus("a").transport_id)
    assert body[24:size] == cluster.nexus("a").transport_id
    assert body[12:14] == bytes(2)
    assert body[size + 12 : size + 14] == bytes((1, WE))
    assert struct.unpack_from(">H", body, size + 18)[0] == cluster.nexus("b").relative_port


def test_too_long_a_list() -> None:
    cdb = struct.pack(">BBB2xIx", 0x5F, REGISTER, 0, 1 << 20)
    task = Cluster().run("a", cdb, bytes(24))
    assert sense_of(task) == (5, 0x1A, 0)


def test_a_list_of_which_not_all_arrived() -> None:
    cdb, data = out(REGISTER, 0, 1)
    assert sense_of(Cluster().run("a", cdb, data[:16])) == (5, 0x1A, 0)


def test_initiator_ports_and_devices() -> None:
    """SPEC_I_PT: a port by its name, spelled otherwise; a device by the ports that are logged in."""
    cluster = Cluster()
    port = bytearray(cluster.nexus("b").transport_id)
    port[4:7] = b"IQN"
    device = b"iqn.2026-11.com.example:c\0\0\0"
    ids = bytes(port) + struct.pack(">BBH", 0x05, 0, len(device)) + device
    cluster.good("a", out(REGISTER, 0, 5, flags=SPEC_I_PT | ALL_TG_PT, ids=ids))
    assert cluster.keys() == [5, 5, 5]
    cluster.good("c", out(REGISTER, 5, 0))
    assert sense_of(cluster.run("c", *out(REGISTER, 0, 6, flags=SPEC_I_PT, ids=bytes(port)))) == (5, 0x26, 0)
    task = cluster.run("a", *out(IGNORE, 0, 6, flags=SPEC_I_PT, ids=b""))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 20, 3))


def test_activated_persistence_is_reported() -> None:
    cluster = Cluster()
    cluster.good("a", out(REGISTER, 0, 5, flags=APTPL))
    assert bytes(cluster.run("b", read(CAPABILITIES)).data_in or b"")[3] & 0x01


def test_through_another_number_and_view() -> None:
    """One unit, one reservation, whatever the numbers are by which initiators know it."""
    cluster = Cluster(number=4)
    cluster.bench.target.set_view(cluster.nexus("b"), {0: 4})
    cluster.good("a", out(REGISTER, 0, 1), out(RESERVE, 1, kind=EA))
    cluster.bench.ready(0, nexus=cluster.nexus("b"))
    task = cluster.bench.run(READ, nexus=cluster.nexus("b"), lun=0)
    assert task.status == CONFLICT


def test_persistent_ones_survive_resets() -> None:
    cluster = Cluster().registered(a=1)
    cluster.good("a", out(RESERVE, 1, kind=WE))
    for function in (TaskManagement.LOGICAL_UNIT_RESET, TaskManagement.TARGET_RESET, TaskManagement.I_T_NEXUS_RESET):
        cluster.bench.target.manage(function, cluster.nexus("b"), encode_lun(0))
    for node in "ab":
        cluster.bench.ready(nexus=cluster.nexus(node))
    assert cluster.held() == (1, WE)
    assert cluster.run("b", WRITE, bytes(512)).status == CONFLICT


# Unit attentions


def test_who_hears_of_a_preemption() -> None:
    cluster = Cluster().registered(a=1, b=2, c=3)
    cluster.good("a", out(RESERVE, 1, kind=WE_RO))
    cluster.good("b", out(PREEMPT, 2, 1, kind=WE))
    assert [cluster.attentions(node) for node in "abc"] == [[PREEMPTED], [], [RELEASED]]


def test_no_unit_attention_on_release() -> None:
    """NUAR is about RELEASE only; the holder that unregisters is heard of (SPC-5 5.14.11.2.3)."""
    cluster = Cluster().registered(a=1, b=2)
    control = bytes.fromhex("00000000 0A0A 00180000000000000001")
    cluster.good("o", (bytes.fromhex("151000001000"), control))
    for node in "abc":
        cluster.attentions(node)
    cluster.good("a", out(RESERVE, 1, kind=WE_RO), out(RELEASE, 1, kind=WE_RO))
    assert cluster.attentions("b") == []
    cluster.good("a", out(RESERVE, 1, kind=WE_RO), out(REGISTER, 1, 0))
    assert cluster.attentions("b") == [RELEASED]
    cluster.bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, cluster.nexus("a"), encode_lun(0))
    assert not cluster.disk.quiet_release


def test_the_log_says_who_put_whom_out(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster().registered(a=1, b=2, c=2)
    with caplog.at_level(logging.INFO):
        cluster.good("a", out(PREEMPT, 1, 2))
        cluster.good("a", out(RESERVE, 1, kind=WE_RO), out(RELEASE, 1, kind=WE_RO))
    (line,) = caplog.messages
    assert "PREEMPT by iqn.2026-11.com.example:a,i,0x000000000001 ended the registration of" in line
    assert ":b,i,0x000000000001, iqn.2026-11.com.example:c,i,0x000000000001" in line


def test_who_hears_of_a_release_and_a_clear() -> None:
    cluster = Cluster().registered(a=1, b=2)
    cluster.good("a", out(RESERVE, 1, kind=WE_RO), out(RELEASE, 1, kind=WE_RO))
    assert [cluster.attentions(node) for node in "abc"] == [[], [RELEASED], []]
    cluster.good("b", out(CLEAR, 2))
    assert [cluster.attentions(node) for node in "abc"] == [[RESERVATIONS_PREEMPTED.text], [], []]


def test_conflict_comes_before_attention_but_not_before_a_reset() -> None:
    """SAM-5 5.3.3."""
    cluster = Cluster().registered(a=1, b=2)
    cluster.good("a", out(RESERVE, 1, kind=EA))
    cluster.bench.itl(nexus=cluster.nexus("c")).attend(RESERVATIONS_RELEASED)
    assert cluster.run("c", READ).status == CONFLICT
    assert sense_of(cluster.run("c", TUR)) == RESERVATIONS_RELEASED[:3]
    cluster.bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, cluster.nexus("a"), encode_lun(0))
    assert sense_of(cluster.run("c", READ)) == (6, 0x29, 0x03)
    assert cluster.run("c", READ).status == CONFLICT


def test_a_conflict_is_checked_when_a_command_begins() -> None:
    """What has begun goes on, although it would conflict now (SPC-5 5.14.1)."""
    cluster = Cluster(medium=SlowDisk()).registered(a=1)
    running = cluster.bench.start(WRITE, bytes(512), nexus=cluster.nexus("b"))
    cluster.disk.reservations.adopt(cluster.disk.reservations.state, None)
    cluster.bench.start(*out(RESERVE, 1, kind=EA), nexus=cluster.nexus("a"))
    cluster.bench.lane.drain()
    assert running.status == 0


# PREEMPT AND ABORT


def fenced() -> Cluster:
    """b writes, and is about to be fenced off by a."""
    cluster = Cluster(medium=SlowDisk(), removable=True).registered(a=1, b=2, c=3)
    cluster.good("b", out(RESERVE, 2, kind=WE_RO))
    return cluster


def test_good_is_said_when_nothing_can_be_written_any_more() -> None:
    cluster = fenced()
    running = cluster.bench.start(WRITE, b"\xbb" * 512, nexus=cluster.nexus("b"))
    others = cluster.bench.start(READ, nexus=cluster.nexus("c"))
    fence = cluster.bench.start(*out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO), nexus=cluster.nexus("a"))
    assert running.status == NO_RESPONSE
    assert fence not in cluster.bench.done, "a worker may still write"
    assert cluster.held() == (1, WE_RO)
    assert cluster.run("b", WRITE, bytes(512)).status == CONFLICT
    cluster.bench.lane.drain()
    assert (fence.status, others.status) == (0, 0)
    assert [cluster.attentions(node) for node in "abc"] == [
        [],
        [REGISTRATIONS_PREEMPTED.text, "commands cleared by another initiator"],
        [],
    ]


def test_plain_preempt_aborts_nothing() -> None:
    cluster = fenced()
    running = cluster.bench.start(WRITE, bytes(512), nexus=cluster.nexus("b"))
    assert cluster.bench.start(*out(PREEMPT, 1, 2, kind=WE_RO), nexus=cluster.nexus("a")).status == 0
    cluster.bench.lane.drain()
    assert running.status == 0


def test_task_aborted_status() -> None:
    cluster = fenced()
    cluster.disk.report_aborts = True
    running = cluster.bench.start(WRITE, bytes(512), nexus=cluster.nexus("b"))
    cluster.bench.start(*out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO), nexus=cluster.nexus("a"))
    assert running.status == 0x40
    assert cluster.attentions("b") == [REGISTRATIONS_PREEMPTED.text]


def test_what_a_transport_still_receives_is_not_waited_for() -> None:
    """A node that died in the middle of a write must not keep the others from fencing it off."""
    cluster = fenced()
    task = cluster.bench.task(WRITE, bytes(512), nexus=cluster.nexus("b"))
    cluster.disk.tasks.admit(task)
    task.busy = 1
    assert cluster.bench.start(*out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO), nexus=cluster.nexus("a")).status == 0
    assert task.status == NO_RESPONSE


def test_fencing_given_up_while_it_waits() -> None:
    cluster = fenced()
    cluster.bench.start(WRITE, bytes(512), nexus=cluster.nexus("b"))
    fence = cluster.bench.start(*out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO), nexus=cluster.nexus("a"))
    cluster.bench.target.manage(TaskManagement.ABORT_TASK, cluster.nexus("a"), encode_lun(0), fence.tag)
    cluster.bench.lane.drain()
    assert fence.status == NO_RESPONSE
    assert fence.buffer is None
    assert cluster.disk.tasks.restrains is False


def test_own_commands_with_a_preempted_key_go_too_but_not_the_preemption() -> None:
    cluster = fenced()
    own = cluster.bench.start(READ, nexus=cluster.nexus("c"))
    fence = cluster.bench.start(*out(PREEMPT_AND_ABORT, 3, 3), nexus=cluster.nexus("c"))
    cluster.bench.lane.drain()
    assert (own.status, fence.status) == (NO_RESPONSE, 0)
    assert cluster.keys() == [1, 2]


def test_what_the_preempted_held_is_gone() -> None:
    cluster = fenced()
    assert cluster.status("b", bytes.fromhex("1E0000000100")) == 0
    cluster.good("a", out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO))
    assert not cluster.disk.preventing


NACA_FAILS = bytes((0x28, 0x01, 0, 0, 0, 0, 0, 0, 1, 0x04))


def test_the_aca_of_the_preempted_does_not_stop_it() -> None:
    cluster = fenced()
    assert cluster.status("b", NACA_FAILS) == 0x02
    assert cluster.status("a", READ) == 0x08, "BUSY while another has an ACA"
    assert cluster.status("a", out(PREEMPT, 1, 2, kind=WE_RO)) == 0x08
    assert cluster.status("a", out(PREEMPT_AND_ABORT, 1, 3, kind=WE_RO)) == 0x08, "c has no ACA"
    cluster.good("a", out(PREEMPT_AND_ABORT, 1, 2, kind=WE_RO))
    assert not cluster.disk.tasks.faulted
    assert cluster.status("a", READ) == 0


def test_with_all_registrants_the_aca_stops_it() -> None:
    cluster = Cluster().registered(a=1, b=2)
    cluster.good("a", out(RESERVE, 1, kind=WE_AR))
    assert cluster.status("b", NACA_FAILS) == 0x02
    assert cluster.status("a", out(PREEMPT_AND_ABORT, 1, 2)) == 0x08


# The administrator


def test_clearing() -> None:
    cluster = Cluster().registered(a=1, b=2)
    cluster.good("a", out(RESERVE, 1, kind=EA))
    ended: list[BaseException | None] = []
    cluster.disk.reservations.change(Clearing(cluster.disk, ended.append))
    assert ended == [None]
    assert [cluster.attentions(node) for node in "abc"] == [[RESERVATIONS_PREEMPTED.text]] * 2 + [[]]
    assert cluster.ask(KEYS) == (3, b"")
    assert cluster.run("c", READ).status == 0


CDBS = st.one_of(
    st.builds(lambda rest: b"\x5f" + rest, st.binary(min_size=9, max_size=9)),
    st.builds(
        lambda opcode, action, kind, length: struct.pack(">BBB2xIx", opcode, action, kind, length),
        st.sampled_from((0x5E, 0x5F)),
        st.integers(0, 9),
        st.integers(0, 0x1F),
        st.sampled_from((0, 8, 24, 28, 72, 1 << 16, 1 << 31)),
    ),
    st.sampled_from([bytes.fromhex(f"{code}0000000000") for code in ("16", "17")]),
)
LISTS = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda key, new_key, flags, tail: struct.pack(">QQ4xB3x", key, new_key, flags) + tail,
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from((0, 1, 4, 8, 255)),
        st.binary(max_size=60),
    ),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abc"), CDBS, LISTS), max_size=30))
def test_anything_ends_with_a_status_and_valid_sense(history: list[tuple[str, bytes, bytes]]) -> None:
    cluster = Cluster()
    for node, cdb, data in history:
        task = cluster.run(node, cdb, data)
        assert task.status in (0x00, 0x02, CONFLICT, 0x08, 0x30)  # the last two: NACA may have left an ACA
        assert bool(task.sense) is (task.status == 0x02)
        assert task.buffer is None
    assert cluster.disk.faults == 0
    assert cluster.bench.pool.used == 0


# Transcripts of clusters


def test_windows_cluster_validation() -> None:
    """Its "SCSI-3 Persistent Reservation" test: register, reserve, be challenged, preempted, and come back."""
    cluster = Cluster()
    one, two = 0x0000000173726774, 0x0000000273726774
    # Both nodes register, whatever was there before; registering again is no error.
    for node, key in (("a", one), ("b", two)):
        cluster.good(node, out(IGNORE, 0, key), out(IGNORE, 0, key))
    cluster.good("a", out(RESERVE, one, kind=WE_RO))
    assert cluster.held() == (one, WE_RO)
    # The other one may write, but neither reserve nor release.
    assert cluster.run("b", WRITE, bytes(512)).status == 0
    assert cluster.status("b", out(RESERVE, two, kind=WE_RO)) == CONFLICT
    cluster.good("b", out(RELEASE, two, kind=WE_RO))
    assert cluster.held() == (one, WE_RO)
    # A stranger reads and does not write.
    assert cluster.run("c", READ).status == 0
    assert cluster.run("c", WRITE, bytes(512)).status == CONFLICT
    # The owner fails; the other arbitrates: preempts, and owns the disk.
    generation = cluster.ask(KEYS)[0]
    cluster.good("b", out(PREEMPT, two, one, kind=WE_RO))
    assert cluster.held() == (two, WE_RO)
    assert cluster.ask(KEYS)[0] == generation + 1
    assert cluster.keys() == [two]
    # The old owner comes back: it cannot write, hears why, and must register anew.
    assert cluster.run("a", WRITE, bytes(512)).status == CONFLICT
    assert sense_of(cluster.run("a", TUR)) == REGISTRATIONS_PREEMPTED[:3]
    assert cluster.status("a", out(RESERVE, one, kind=WE_RO)) == CONFLICT
    assert cluster.status("a", out(REGISTER, one, one)) == CONFLICT
    cluster.good("a", out(IGNORE, 0, one))
    assert cluster.run("a", WRITE, bytes(512)).status == 0
    # Cleaning up.
    cluster.good("b", out(CLEAR, two))
    assert (cluster.keys(), cluster.held()) == ([], None)


def test_pacemaker_fence_scsi() -> None:
    """fence_scsi: each node registers a key of its own, one reserves, and survivors preempt and abort a failed node."""
    cluster = Cluster()
    keys = {"a": 0xD1E50001, "b": 0xD1E50002, "c": 0xD1E50003}
    # unfence: sg_persist -o -I -S key; then -o -R -K key -T 5, which only the first gets.
    for node, key in keys.items():
        cluster.good(node, out(IGNORE, 0, key, flags=APTPL))
        assert cluster.status(node, out(RESERVE, key, kind=WE_RO)) == (0 if node == "a" else CONFLICT)
    for node in keys:
        assert cluster.run(node, WRITE, bytes(512)).status == 0
    # fence c, which is no holder: only its registration goes.
    cluster.good("b", out(PREEMPT_AND_ABORT, keys["b"], keys["c"], kind=WE_RO))
    assert cluster.keys() == [keys["a"], keys["b"]]
    assert cluster.held() == (keys["a"], WE_RO)
    assert cluster.run("c", WRITE, bytes(512)).status == CONFLICT
    # fence a, the holder: the survivor holds it now.
    cluster.good("b", out(PREEMPT_AND_ABORT, keys["b"], keys["a"], kind=WE_RO))
    assert cluster.held() == (keys["b"], WE_RO)
    assert cluster.run("a", WRITE, bytes(512)).status == CONFLICT
    assert cluster.run("b", WRITE, bytes(512)).status == 0
    # unfence c again.
    assert sense_of(cluster.run("c", TUR)) == REGISTRATIONS_PREEMPTED[:3]
    cluster.good("c", out(IGNORE, 0, keys["c"]))
    assert cluster.run("c", WRITE, bytes(512)).status == 0
    # "off" twice fails the second time, so that the fencer knows that it came too late.
    cluster.good("b", out(PREEMPT_AND_ABORT, keys["b"], keys["c"], kind=WE_RO))
    assert cluster.status("b", out(PREEMPT_AND_ABORT, keys["b"], keys["c"], kind=WE_RO)) == CONFLICT


def test_multipath_all_registrants() -> None:
    """mpathpersist: one key by every path, one reservation for all of them; a path comes and goes without losing it."""
    cluster = Cluster()
    for path in "abc":
        cluster.good(path, out(IGNORE, 0, 0xAB))
    cluster.good("a", out(RESERVE, 0xAB, kind=WE_AR))
    for path in "abc":
        cluster.good(path, out(RESERVE, 0xAB, kind=WE_AR))
    cluster.good("a", out(REGISTER, 0xAB, 0))
    assert cluster.held() == (0, WE_AR)
    assert cluster.run("a", WRITE, bytes(512)).status == CONFLICT
    cluster.good("b", out(RELEASE, 0xAB, kind=WE_AR))
    assert cluster.held() is None
    assert cluster.attentions("c") == [RELEASED]


def test_backup_by_register_and_move() -> None:
    """The holder lends its reservation to a copy server and takes it back (SPC-5 5.14.2)."""
    cluster = Cluster().registered(a=1)
    cluster.good("a", out(RESERVE, 1, kind=EA), move(1, 9, cluster.nexus("b").transport_id))
    assert cluster.held() == (9, EA)
    assert cluster.run("a", READ).status == CONFLICT
    assert cluster.run("b", READ).status == 0
    cluster.good("b", move(9, 1, cluster.nexus("a").transport_id, flags=0x02))
    assert (cluster.held(), cluster.keys()) == ((1, EA), [1])
    assert cluster.run("b", READ).status == CONFLICT
