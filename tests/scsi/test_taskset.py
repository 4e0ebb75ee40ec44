"""tgtd.scsi.taskset: task attributes and auto contingent allegiance (SAM-5 8, 5.9)."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import CHECK_CONDITION, TUR, Bench, cdb10, sense_of
from tgtd.media.null import NullMedium
from tgtd.scsi.sense import ACA_ACTIVE, BUSY, GOOD, INVALID_MESSAGE_ERROR
from tgtd.scsi.target import TaskManagement, encode_lun
from tgtd.scsi.task import ACA, HEAD_OF_QUEUE, ORDERED, Task


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
