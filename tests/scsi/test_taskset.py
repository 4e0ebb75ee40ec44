"""tgtd.scsi.taskset: task attributes and auto contingent allegiance (SAM-5 8, 5.9)."""

from __future__ import annotations

import errno

import pytest

from tests.scsi.workbench import CHECK_CONDITION, TUR, Bench, cdb10, sense_of
from tgtd.media.null import NullMedium
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.sense import (
    ACA_ACTIVE,
    BUSY,
    COMMANDS_CLEARED,
    GOOD,
    INVALID_MESSAGE_ERROR,
    PREVIOUS_BUSY,
    RESERVATION_CONFLICT,
    TASK_ABORTED,
)
from tgtd.scsi.target import TaskManagement, encode_lun
from tgtd.scsi.task import ACA, HEAD_OF_QUEUE, NO_RESPONSE, ORDERED, Task


class Slow(NullMedium):
    """Nothing is in the cache: every read needs a worker."""

    def read_now(self, offset: int, into: memoryview) -> bool:
        return False


NACA_FAILS = bytes((0x28, 0x01, 0, 0, 0, 0, 0, 0, 1, 0x04))  # READ(10) with a reserved bit and NACA
PLAIN_FAILS = bytes((0x28, 0x01, 0, 0, 0, 0, 0, 0, 1, 0x00))
READ = cdb10(0x28, 0, 1)


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.disk(Slow(1 << 20))
    bench.ready()
    return bench


def finished(bench: Bench, *tasks: Task) -> list[bool]:
    return [task in bench.done for task in tasks]


def test_simple_tasks_overlap(bench: Bench) -> None:
    one, two = bench.start(READ), bench.start(READ)
    assert len(bench.lane.jobs) == 2
    bench.lane.step(1)
    assert finished(bench, one, two) == [False, True]


def test_ordered_waits_for_all_before_and_holds_all_after(bench: Bench) -> None:
    before = bench.start(READ)
    ordered = bench.start(READ, attribute=ORDERED)
    after = bench.start(TUR)
    assert finished(bench, before, ordered, after) == [False, False, False]
    assert len(bench.lane.jobs) == 1
    bench.lane.step()
    assert finished(bench, before, ordered, after) == [True, False, False]
    bench.lane.step()
    assert finished(bench, before, ordered, after) == [True, True, True]
    assert not bench.itl().lu.tasks.restrains


def test_head_of_queue_overtakes_and_holds_simple(bench: Bench) -> None:
    bench.start(READ)
    bench.start(READ, attribute=ORDERED)
    head = bench.start(READ, attribute=HEAD_OF_QUEUE)
    assert len(bench.lane.jobs) == 2
    behind = bench.start(TUR)
    bench.lane.step(1)
    assert finished(bench, head, behind) == [True, False]
    bench.lane.drain()
    assert len(bench.done) == 4


def test_an_admitted_task_keeps_its_place(bench: Bench) -> None:
    """Data-out still to come: an ORDERED task that arrives meanwhile waits for it."""
    early = bench.task(READ)
    lu = early.itl.lu
    lu.tasks.admit(early)
    ordered = bench.start(READ, attribute=ORDERED)
    assert not bench.lane.jobs
    early.itl.execute(early)
    bench.lane.step()
    assert finished(bench, early, ordered) == [True, False]
    bench.lane.drain()
    assert finished(bench, ordered) == [True]
    assert len(lu.tasks) == 0


def test_a_long_chain_of_ordered_tasks_is_no_chain_of_calls(bench: Bench) -> None:
    first = bench.start(READ)
    chain = [bench.start(TUR, attribute=ORDERED) for _ in range(3000)]
    assert finished(bench, first, chain[-1]) == [False, False]
    bench.lane.step()
    assert bench.done == [first, *chain]


def test_aca_without_a_contingency(bench: Bench) -> None:
    task = bench.run(TUR, attribute=ACA)
    assert task.status == CHECK_CONDITION
    assert sense_of(task) == INVALID_MESSAGE_ERROR[:3]


def test_check_condition_with_naca_establishes_aca(bench: Bench) -> None:
    other = bench.connect("b")
    bench.ready(nexus=other)
    assert bench.run(NACA_FAILS).status == CHECK_CONDITION
    assert bench.run(TUR).status == ACA_ACTIVE
    assert bench.run(TUR, nexus=other).status == BUSY
    assert bench.run(bytes((0, 0, 0, 0, 0, 4)), nexus=other).status == ACA_ACTIVE
    assert bench.run(TUR, attribute=ACA).status == GOOD
    assert bench.run(TUR, attribute=ACA, nexus=other).status == BUSY
    bench.target.manage(TaskManagement.CLEAR_ACA, other, encode_lun(0))
    assert bench.run(TUR).status == ACA_ACTIVE, "only the faulted nexus may clear it"
    bench.target.manage(TaskManagement.CLEAR_ACA, bench.nexus, encode_lun(0))
    assert bench.run(TUR).status == GOOD


def test_one_aca_task_at_a_time(bench: Bench) -> None:
    bench.run(NACA_FAILS)
    first = bench.start(READ, attribute=ACA)
    assert bench.start(TUR, attribute=ACA).status == ACA_ACTIVE
    bench.lane.drain()
    assert first.status == GOOD


def test_dormant_tasks_stay_while_an_aca_lasts(bench: Bench) -> None:
    running = bench.start(READ)
    dormant = bench.start(TUR, attribute=ORDERED)
    bench.itl().lu.tasks.establish_aca(bench.itl())
    bench.lane.drain()
    assert finished(bench, running, dormant) == [True, False]
    bench.target.manage(TaskManagement.CLEAR_ACA, bench.nexus, encode_lun(0))
    assert finished(bench, dormant) == [True]


def test_a_failing_aca_task_without_naca_clears_the_aca(bench: Bench) -> None:
    bench.run(NACA_FAILS)
    assert bench.run(PLAIN_FAILS, attribute=ACA).status == CHECK_CONDITION
    assert bench.run(TUR).status == GOOD


def test_a_failing_aca_task_with_naca_establishes_another(bench: Bench) -> None:
    bench.run(NACA_FAILS)
    bench.run(NACA_FAILS, attribute=ACA)
    assert bench.run(TUR).status == ACA_ACTIVE


def test_nexus_loss_clears_its_aca(bench: Bench) -> None:
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.run(NACA_FAILS)
    bench.target.disconnect(bench.nexus)
    assert bench.run(TUR, nexus=other).status == GOOD


def test_a_busy_status_of_an_aca_is_told_by_a_unit_attention_when_asked_for(bench: Bench) -> None:
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.itl().lu.attention_interlock = 3
    bench.run(NACA_FAILS)
    assert bench.run(TUR, nexus=other).status == BUSY
    assert bench.itl(nexus=other).attentions == [PREVIOUS_BUSY]


# A task set for each nexus (TST = 001b)


@pytest.fixture
def two(bench: Bench) -> Nexus:
    """Another nexus, on a disk that has separate task sets."""
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.itl().lu.tasks.separate_sets(True)
    return other


def test_an_order_holds_back_only_its_own_nexus(bench: Bench, two: Nexus) -> None:
    before = bench.start(READ)
    ordered = bench.start(READ, attribute=ORDERED)
    mine = bench.start(TUR)
    his = bench.start(TUR, nexus=two)
    his_ordered = bench.start(TUR, nexus=two, attribute=ORDERED)
    assert finished(bench, before, ordered, mine, his, his_ordered) == [False, False, False, True, True]
    bench.lane.drain()
    assert finished(bench, before, ordered, mine) == [True, True, True]
    assert not bench.itl().lu.tasks.restrains


def test_each_nexus_waits_for_its_own(bench: Bench, two: Nexus) -> None:
    started = [bench.start(READ, nexus=nexus) for nexus in (bench.nexus, two)]
    waiting = [bench.start(TUR, attribute=ORDERED, nexus=nexus) for nexus in (bench.nexus, two)]
    bench.lane.step(1)
    assert finished(bench, *started, *waiting) == [False, True, False, True]
    bench.lane.step()
    assert finished(bench, *started, *waiting) == [True] * 4


def test_an_aca_concerns_its_own_nexus_only(bench: Bench, two: Nexus) -> None:
    bench.run(NACA_FAILS)
    assert bench.run(TUR).status == ACA_ACTIVE
    assert bench.run(TUR, nexus=two).status == GOOD
    assert sense_of(bench.run(TUR, attribute=ACA, nexus=two)) == INVALID_MESSAGE_ERROR[:3]
    bench.run(NACA_FAILS, nexus=two)
    assert bench.run(TUR, nexus=two).status == ACA_ACTIVE
    bench.target.manage(TaskManagement.CLEAR_ACA, bench.nexus, encode_lun(0))
    assert bench.run(TUR).status == GOOD
    assert bench.run(TUR, nexus=two).status == ACA_ACTIVE
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready(nexus=two)
    assert bench.run(TUR, nexus=two).status == GOOD


def test_dormant_tasks_of_another_nexus_go_on_during_an_aca(bench: Bench, two: Nexus) -> None:
    running = [bench.start(READ, nexus=nexus) for nexus in (bench.nexus, two)]
    dormant = [bench.start(TUR, attribute=ORDERED, nexus=nexus) for nexus in (bench.nexus, two)]
    bench.itl().lu.tasks.establish_aca(bench.itl())
    bench.lane.drain()
    assert finished(bench, *running, *dormant) == [True, True, False, True]
    bench.target.manage(TaskManagement.CLEAR_ACA, bench.nexus, encode_lun(0))
    assert finished(bench, *dormant) == [True, True]


def test_clear_task_set_clears_ones_own(bench: Bench, two: Nexus) -> None:
    mine, his = bench.start(READ), bench.start(READ, nexus=two)
    bench.target.manage(TaskManagement.CLEAR_TASK_SET, bench.nexus, encode_lun(0))
    assert finished(bench, mine, his) == [True, False]
    bench.itl().lu.clear_tasks(None)
    assert finished(bench, his) == [True]
    bench.lane.drain()


def test_a_change_of_task_sets_ends_every_aca(bench: Bench, two: Nexus) -> None:
    bench.run(NACA_FAILS)
    bench.run(NACA_FAILS, nexus=two)
    bench.itl().lu.tasks.separate_sets(False)
    assert [bench.run(TUR, nexus=nexus).status for nexus in (bench.nexus, two)] == [GOOD, GOOD]


# What an error aborts (QERR)


@pytest.mark.parametrize(
    ("qerr", "separate", "mine_ends", "his_ends"),
    [(0, False, False, False), (1, False, True, True), (1, True, True, False), (3, False, True, False)],
)
@pytest.mark.parametrize("tas", [False, True])
def test_what_a_check_condition_aborts(
    bench: Bench, qerr: int, separate: bool, mine_ends: bool, his_ends: bool, tas: bool
) -> None:
    other = bench.connect("b")
    bench.ready(nexus=other)
    lu = bench.itl().lu
    lu.error_aborts, lu.report_aborts = qerr, tas
    lu.tasks.separate_sets(separate)
    mine, his, dormant = bench.start(READ), bench.start(READ, nexus=other), bench.start(TUR, attribute=ORDERED)
    assert bench.run(PLAIN_FAILS, attribute=HEAD_OF_QUEUE).status == CHECK_CONDITION
    assert (mine.status == NO_RESPONSE) is (dormant.status == NO_RESPONSE) is mine_ends
    assert his.status == ((TASK_ABORTED if tas else NO_RESPONSE) if his_ends else GOOD)
    assert bench.itl(nexus=other).attentions == ([COMMANDS_CLEARED] if his_ends and not tas else [])
    assert len(bench.done) == 4
    assert not lu.tasks.restrains
    assert len(lu.tasks) == 0


def test_a_status_other_than_check_condition_aborts_nothing(bench: Bench) -> None:
    bench.itl().lu.error_aborts = 1
    read = bench.start(READ)
    bench.itl().barred = frozenset({"read"})
    bench.itl().gate = bench.itl()._gate
    assert bench.run(READ).status == RESERVATION_CONFLICT
    assert read.status == GOOD


def test_an_error_found_by_a_worker_aborts_too(bench: Bench) -> None:
    bench.itl().lu.error_aborts = 3
    first, second = bench.start(READ), bench.start(READ)
    _, done = bench.lane.jobs.pop(0)
    done(OSError(errno.EIO, "broken"))
    assert first.status == CHECK_CONDITION
    assert second.status == NO_RESPONSE
    bench.lane.drain()
    assert bench.done == [second, first]
