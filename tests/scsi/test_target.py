"""tgtd.scsi.target: LUN fields, views, task management."""

from __future__ import annotations

import pytest

from tests.scsi.test_taskset import Slow
from tests.scsi.workbench import TUR, Bench, cdb10
from tgtd.scsi.sense import NEXUS_LOSS, REPORTED_LUNS_CHANGED, TASK_ABORTED
from tgtd.scsi.spc.absent import AbsentUnit
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import ServiceResponse, TaskManagement, decode_lun, encode_lun

READ = cdb10(0x28, 0, 1)


@pytest.mark.parametrize("number", [0, 1, 255, 256, 16383])
def test_lun_fields_go_there_and_back(number: int) -> None:
    assert decode_lun(encode_lun(number)) == number


@pytest.mark.parametrize(
    ("field", "number"),
    [(0x4000 << 48, 0), (0x4005 << 48, 5), (0x0100 << 48, None), (1, None), (0xC101 << 48, None), (0x8001 << 48, None)],
)
def test_other_lun_fields(field: int, number: int | None) -> None:
    assert decode_lun(field) == number


def test_both_ways_to_address_a_unit_are_one_nexus() -> None:
    bench = Bench()
    bench.disk(number=5)
    assert bench.nexus.lun(5 << 48) is bench.nexus.lun(0x4005 << 48)


def test_placeholders() -> None:
    bench = Bench()
    assert isinstance(bench.itl(0).lu, Controller)
    assert isinstance(bench.itl(1).lu, AbsentUnit)
    assert isinstance(bench.nexus.lun(1).lu, AbsentUnit)
    assert bench.nexus.luns == {}, "what leads nowhere costs nothing"


def test_a_unit_that_is_added_answers_at_once() -> None:
    bench = Bench()
    assert isinstance(bench.itl(0).lu, Controller)
    disk = bench.disk()
    assert bench.itl(0).lu is disk
    with pytest.raises(ValueError, match="LUN 0"):
        bench.target.add_lun(0, disk)


def test_a_removed_unit_answers_its_tasks_and_is_gone() -> None:
    bench = Bench()
    bench.disk(Slow(1 << 20), number=3)
    bench.ready(3)
    task = bench.start(READ, lun=3)
    bench.target.remove_lun(3)
    assert task.status == TASK_ABORTED, "nobody else would tell the initiator"
    assert isinstance(bench.itl(3).lu, AbsentUnit)
    task.release()
    bench.lane.drain()
    assert bench.pool.used == 0


def test_views_renumber_and_hide() -> None:
    bench = Bench()
    first, second = bench.disk(number=1), bench.disk(number=2)
    bench.ready(1, 2)
    bench.target.set_view(bench.nexus, {0: 2})
    assert bench.itl(0).lu is second
    assert isinstance(bench.itl(1).lu, AbsentUnit)
    assert first.nexuses == {}
    bench.target.set_view(bench.nexus, None)
    assert bench.itl(1).lu is first


def test_announce_reaches_every_unit_a_nexus_knows() -> None:
    bench = Bench()
    bench.disk(number=1)
    bench.disk(number=2)
    bench.ready(1, 2)
    bench.target.announce()
    for number in (1, 2):
        assert bench.itl(number).attentions == [REPORTED_LUNS_CHANGED]


def test_report_luns_clears_it_everywhere() -> None:
    bench = Bench()
    bench.disk(number=1)
    bench.disk(number=2)
    bench.ready(1, 2)
    bench.target.announce()
    bench.good(bytes.fromhex("a00000000000000010000000"), lun=1)
    bench.good(TUR, lun=2)


def test_disconnect_ends_tasks_quietly() -> None:
    bench = Bench()
    disk = bench.disk(Slow(1 << 20))
    bench.ready()
    task = bench.start(READ)
    bench.target.disconnect(bench.nexus)
    assert task in bench.done
    assert disk.nexuses == {}
    task.release()
    bench.lane.drain()
    assert bench.pool.used == 0


@pytest.mark.parametrize("function", TaskManagement)
def test_functions_answer_at_once_while_the_medium_hangs(function: TaskManagement) -> None:
    bench = Bench()
    bench.disk(Slow(1 << 20))
    bench.ready()
    task = bench.start(READ)
    answer = bench.target.manage(function, bench.nexus, encode_lun(0), task.tag)
    queries = (TaskManagement.QUERY_TASK, TaskManagement.QUERY_TASK_SET)
    assert answer is (ServiceResponse.SUCCEEDED if function in queries else ServiceResponse.COMPLETE)
    ends = function not in (
        *queries,
        TaskManagement.CLEAR_ACA,
        TaskManagement.QUERY_ASYNCHRONOUS_EVENT,
    )
    assert (task in bench.done) is ends


@pytest.mark.parametrize("function", TaskManagement)
def test_functions_on_nothing(function: TaskManagement) -> None:
    bench = Bench()
    wide = (TaskManagement.TARGET_RESET, TaskManagement.I_T_NEXUS_RESET)
    answer = bench.target.manage(function, bench.nexus, encode_lun(7), 1)
    assert answer is (ServiceResponse.COMPLETE if function in wide else ServiceResponse.INCORRECT_LUN)
    assert bench.target.manage(function, bench.nexus, encode_lun(0), 1) is ServiceResponse.COMPLETE


def test_query_of_what_is_not_there() -> None:
    bench = Bench()
    bench.disk()
    for function in (TaskManagement.QUERY_TASK, TaskManagement.QUERY_TASK_SET):
        assert bench.target.manage(function, bench.nexus, encode_lun(0), 99) is ServiceResponse.COMPLETE
    assert (
        bench.target.manage(TaskManagement.QUERY_ASYNCHRONOUS_EVENT, bench.nexus, encode_lun(0))
        is ServiceResponse.SUCCEEDED
    )


def test_nexus_reset_is_a_loss() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    bench.target.manage(TaskManagement.I_T_NEXUS_RESET, bench.nexus)
    assert bench.itl().attentions == [NEXUS_LOSS]
