"""tgtd.scsi.reservation.reservations: nothing is in force or answered before it is kept, and one change at a time."""

from __future__ import annotations

import pytest

from tests.scsi.reserving import (
    CLEAR,
    CONFLICT,
    KEYS,
    PREEMPT,
    REGISTER,
    REPLACE_LOST,
    RESERVE,
    Cluster,
    SlowStore,
    out,
    read,
)
from tests.scsi.workbench import sense_of
from tgtd.scsi.reservation.state import State
from tgtd.scsi.target import TaskManagement, encode_lun
from tgtd.scsi.task import NO_RESPONSE, Task

WRITE = bytes.fromhex("2A000000000000000100")


@pytest.fixture
def kept() -> tuple[Cluster, SlowStore]:
    cluster, store = Cluster(), SlowStore()
    cluster.disk.reservations.adopt(State(), store)
    return cluster, store


def start(cluster: Cluster, node: str, sent: tuple[bytes, bytes]) -> Task:
    return cluster.bench.start(*sent, nexus=cluster.nexus(node))


def done(cluster: Cluster, *tasks: Task) -> list[bool]:
    return [task in cluster.bench.done for task in tasks]


def test_no_answer_before_it_is_kept(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    task = start(cluster, "a", out(REGISTER, 0, 1))
    assert done(cluster, task) == [False]
    assert cluster.keys() == []
    store.step()
    assert done(cluster, task) == [True]
    assert (task.status, cluster.keys()) == (0, [1])
    assert store.kept == [cluster.disk.reservations.state]


def test_one_after_the_other(kept: tuple[Cluster, SlowStore]) -> None:
    """The second is judged by what the first leaves."""
    cluster, store = kept
    tasks = [
        start(cluster, "a", out(REGISTER, 0, 1)),
        start(cluster, "a", out(RESERVE, 1, kind=3)),
        start(cluster, "b", out(REGISTER, 0, 2)),
        start(cluster, "b", out(RESERVE, 2, kind=3)),
        start(cluster, "a", out(CLEAR, 1)),
    ]
    for number in range(4):
        assert len(store.asked) == 1
        assert sum(done(cluster, *tasks)) == number + (number > 2)
        store.step()
    assert [task.status for task in tasks] == [0, 0, 0, CONFLICT, 0]
    assert cluster.ask(KEYS) == (3, b"")


def test_commands_meanwhile_go_by_what_was_before(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    start(cluster, "a", out(REGISTER, 0, 1))
    store.step()
    start(cluster, "a", out(RESERVE, 1, kind=1))
    assert cluster.run("b", WRITE, bytes(512)).status == 0
    store.step()
    assert cluster.run("b", WRITE, bytes(512)).status == CONFLICT


def test_what_could_not_be_kept_is_not_in_force(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    task, other = start(cluster, "a", out(REGISTER, 0, 1)), start(cluster, "b", out(REGISTER, 0, 2))
    store.step(OSError(28, "No space left on device", "/state/x"))
    assert sense_of(task) == (4, 0x44, 0x00)
    store.step()
    assert other.status == 0
    assert cluster.keys() == [2]
    assert cluster.disk.counters.medium_errors == 0


def test_aborted_while_it_waits(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    first, second = start(cluster, "a", out(REGISTER, 0, 1)), start(cluster, "b", out(REGISTER, 0, 2))
    cluster.bench.target.manage(TaskManagement.ABORT_TASK, cluster.nexus("b"), encode_lun(0), second.tag)
    assert second.status == NO_RESPONSE
    store.step()
    assert not store.asked
    assert (first.status, cluster.keys()) == (0, [1])
    assert second.buffer is None, "its buffer was given back"


def test_aborted_while_it_is_kept(kept: tuple[Cluster, SlowStore]) -> None:
    """The store has it, so it is in force: what is kept and what is in force are the same always."""
    cluster, store = kept
    task = start(cluster, "a", out(REGISTER, 0, 1))
    cluster.bench.target.manage(TaskManagement.ABORT_TASK, cluster.nexus("a"), encode_lun(0), task.tag)
    store.step()
    assert task.status == NO_RESPONSE
    assert cluster.keys() == [1]
    assert task.buffer is None


def test_reset_while_it_is_kept(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    start(cluster, "a", out(REGISTER, 0, 1))
    cluster.bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, cluster.nexus("b"), encode_lun(0))
    store.step()
    cluster.bench.ready(nexus=cluster.nexus("a"))
    assert cluster.keys() == [1]


def test_what_changes_nothing_needs_no_store(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    assert cluster.status("a", out(REGISTER, 0, 0)) == 0
    assert cluster.status("a", out(PREEMPT, 5, 1, 1)) == CONFLICT
    assert store.asked == []


def test_reserve_meanwhile(kept: tuple[Cluster, SlowStore]) -> None:
    """A registration and RESERVE exclude each other (SPC-2 5.5.1), also while it is not yet known who was first."""
    cluster, store = kept
    task = start(cluster, "a", out(REGISTER, 0, 1))
    assert cluster.status("b", bytes.fromhex("160000000000")) == 0x08
    store.step()
    assert task.status == 0
    assert cluster.status("b", bytes.fromhex("160000000000")) == CONFLICT


def test_another_identity_while_it_waits(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    start(cluster, "a", out(REGISTER, 0, 1))
    waiting = start(cluster, "b", out(REGISTER, 0, 2))
    cluster.disk.reservations.forget()
    store.step()
    assert sense_of(waiting) == (2, 0x04, 0x01)
    assert cluster.disk.reservations.state == State()


def test_two_replace_what_was_lost(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    cluster.disk.reservations.adopt(State(), store, "damaged")
    first, second = (start(cluster, node, out(REPLACE_LOST, 0, 7, kind=5)) for node in "ab")
    store.step()
    assert first.status == 0
    assert sense_of(second) == (5, 0x26, 0x04)


def test_another_identity_while_it_is_kept(kept: tuple[Cluster, SlowStore]) -> None:
    cluster, store = kept
    task = start(cluster, "a", out(REGISTER, 0, 1))
    cluster.disk.reservations.forget()
    store.step()
    assert sense_of(task) == (2, 0x04, 0x01)
    assert cluster.disk.reservations.state == State()


def test_not_known_yet() -> None:
    cluster = Cluster()
    cluster.disk.reservations.forget()
    for cdb in (read(KEYS), out(REGISTER, 0, 1)[0]):
        assert cluster.bench.refused(cdb, bytes(24), nexus=cluster.nexus("a")) == (2, 0x04, 0x01)
    cluster.disk.offline()
    cluster.bench.ready(nexus=cluster.nexus("a"))
    assert cluster.bench.refused(read(KEYS), nexus=cluster.nexus("a")) == (2, 0x04, 0x03)


LOST = (7, 0x44, 0x01)


@pytest.fixture
def lost() -> Cluster:
    cluster = Cluster()
    cluster.disk.reservations.adopt(State(), None, "damaged")
    cluster.disk.regate_all()
    return cluster


@pytest.mark.parametrize(
    "cdb", [bytes(6), WRITE, bytes.fromhex("1A003F00FF00"), bytes.fromhex("1B0000000000"), read(0)]
)
def test_lost(lost: Cluster, cdb: bytes) -> None:
    """SPC-5 5.14.5.3.2: nobody knows who may do what, so nobody may."""
    assert lost.bench.refused(cdb, bytes(512), nexus=lost.nexus("a")) == LOST


@pytest.mark.parametrize(
    "cdb", [bytes.fromhex("120000002400"), bytes.fromhex("030000001200"), bytes.fromhex("1B0000000100")]
)
def test_allowed_while_lost(lost: Cluster, cdb: bytes) -> None:
    assert lost.status("a", cdb) == 0


def test_replace_what_was_lost(lost: Cluster) -> None:
    for wrong in (out(REGISTER, 0, 1), out(CLEAR, 0)):
        assert lost.bench.refused(*wrong, nexus=lost.nexus("a")) == LOST
    lost.good("b", out(REPLACE_LOST, 0, 7, kind=5))
    assert (lost.held(), lost.keys(), lost.ask(KEYS)[0]) == ((7, 5), [7], 0)
    assert lost.status("a", bytes(6)) == 0
    assert lost.run("a", WRITE, bytes(512)).status == CONFLICT
    assert lost.run("b", WRITE, bytes(512)).status == 0


def test_nothing_was_lost() -> None:
    cluster = Cluster().registered(a=1)
    task = cluster.run("a", *out(REPLACE_LOST, 0, 7, kind=5))
    assert sense_of(task) == (5, 0x26, 0x04)
