"""tgtd.scsi.lun: dispatch, refusals, deferred work, aborts while the medium hangs."""

from __future__ import annotations

import errno
import logging

import pytest

from tests.scsi.workbench import CHECK_CONDITION, TUR, Bench, cdb10, pointer_of, sense_of
from tgtd.media.null import NullMedium
from tgtd.scsi.medium import Buffer, Transfer
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sense import (
    COMMANDS_CLEARED,
    INTERNAL_TARGET_FAILURE,
    LOGICAL_UNIT_RESET,
    TASK_ABORTED,
    UNRECOVERED_READ_ERROR,
    WRITE_ERROR,
)
from tgtd.scsi.target import TaskManagement, encode_lun
from tgtd.scsi.task import NO_RESPONSE, ORDERED, Task

READ, WRITE = cdb10(0x28, 0, 8), cdb10(0x2A, 0, 8)
DATA = bytes(4096)


class Faulty(NullMedium):
    """Raises what it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__(1 << 20)
        self.error = error

    def read_now(self, offset: int, into: memoryview) -> bool:
        return False

    def write_now(self, offset: int, data: Buffer) -> bool:
        return False

    def read(self, offset: int, into: memoryview) -> None:
        if self.error:
            raise self.error

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        if self.error:
            raise self.error


def make(error: BaseException | None = None) -> tuple[Bench, Disk]:
    bench = Bench()
    disk = bench.disk(Faulty(error))
    bench.ready()
    return bench, disk


def test_unknown_operation_code() -> None:
    bench, _ = make()
    task = bench.run(bytes((0x02, 0, 0, 0, 0, 0)))
    assert sense_of(task) == (5, 0x20, 0)
    assert pointer_of(task) == (True, 0, 7)


def test_medium_errors_become_sense() -> None:
    bench, _ = make(OSError(errno.EIO, "broken"))
    assert bench.refused(READ) == UNRECOVERED_READ_ERROR[:3]
    assert bench.refused(WRITE, DATA) == WRITE_ERROR[:3]
    assert bench.pool.used == 0


def test_a_fault_of_ours_is_counted_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    bench, disk = make(ZeroDivisionError())
    with caplog.at_level(logging.ERROR):
        assert bench.refused(READ) == INTERNAL_TARGET_FAILURE[:3]
    assert disk.faults == 1
    assert caplog.records


def test_descriptor_format_when_chosen() -> None:
    bench, disk = make()
    disk.descriptor_sense = True
    assert bench.run(bytes((0x02, 0, 0, 0, 0, 0))).sense[0] == 0x72


def test_data_out_length_never_raises() -> None:
    bench, disk = make()
    for cdb, wanted in ((WRITE, 4096), (cdb10(0x2A, 1 << 31, 1), 0), (b"\x02", 0), (b"\x9e\x1f", 0), (READ, 0)):
        task = Task(bench.itl(), 1, 0, cdb.ljust(16, b"\0"), 0, bench._finished)
        assert disk.data_out_length(task) == task.wanted_out == wanted


@pytest.mark.parametrize("function", [TaskManagement.ABORT_TASK, TaskManagement.ABORT_TASK_SET])
@pytest.mark.parametrize(("cdb", "data"), [(READ, None), (WRITE, DATA)])
def test_abort_while_the_medium_hangs(function: TaskManagement, cdb: bytes, data: bytes | None) -> None:
    """The function is done at once, the buffer goes back when the worker lets go, once."""
    bench, disk = make()
    task = bench.start(cdb, data)
    bench.target.manage(function, bench.nexus, encode_lun(0), task.tag)
    assert bench.done == [task]
    assert task.status == NO_RESPONSE
    assert len(disk.tasks) == 0
    task.release()
    assert bench.pool.used == 4096, "the worker still uses it"
    bench.lane.drain()
    assert bench.pool.used == 0
    assert bench.done == [task]
    bench.good(READ)


def test_a_transfer_of_an_aborted_task_is_not_wanted() -> None:
    """An Offload that gives it to the kernel asks before; one that calls it need not."""
    bench, disk = make()
    calls: list[str] = []
    task = bench.start(READ)
    bench.lane.jobs.clear()
    transfer = Transfer(False, 0, 0, memoryview(bytearray(1)), 0, lambda: calls.append("called"))
    disk.defer(task, transfer)
    assert bench.lane.jobs[0][0] is transfer
    assert not transfer.unwanted()
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), task.tag)
    assert transfer.unwanted()
    bench.lane.drain()
    assert calls == []


def test_abort_of_a_dormant_task() -> None:
    bench, _ = make()
    running = bench.start(READ)
    dormant = bench.start(WRITE, DATA, attribute=ORDERED)
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), dormant.tag)
    dormant.release()
    bench.lane.drain()
    running.release()
    assert [task.status for task in bench.done] == [NO_RESPONSE, 0]
    assert bench.pool.used == 0


def test_aborting_what_others_wait_for_lets_them_go() -> None:
    bench, _ = make()
    bench.start(READ, attribute=ORDERED)
    waiting = bench.start(TUR)
    assert waiting not in bench.done
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), 1)
    assert waiting in bench.done


@pytest.mark.parametrize("report", [False, True])
def test_clear_task_set_and_the_others(report: bool) -> None:
    """SAM-5 5.6: with TAS the other nexus gets TASK ABORTED, without it a unit attention."""
    bench, disk = make()
    disk.report_aborts = report
    other = bench.connect("b")
    bench.ready(nexus=other)
    mine, theirs = bench.start(READ), bench.start(READ, nexus=other)
    bench.target.manage(TaskManagement.CLEAR_TASK_SET, bench.nexus, encode_lun(0))
    assert mine.status == NO_RESPONSE
    assert theirs.status == (TASK_ABORTED if report else NO_RESPONSE)
    assert bench.itl(nexus=other).attentions == ([] if report else [COMMANDS_CLEARED])
    assert bench.itl().attentions == []


def test_reset_ends_tasks_and_restores_defaults() -> None:
    bench, disk = make()
    disk.descriptor_sense = disk.report_aborts = True
    other = bench.connect("b")
    task = bench.start(READ, nexus=other)
    bench.ready(nexus=other)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    assert task in bench.done
    assert not disk.descriptor_sense
    assert not disk.report_aborts
    for nexus in (bench.nexus, other):
        assert bench.itl(nexus=nexus).attentions == [LOGICAL_UNIT_RESET]


def test_pool_exhausted_is_busy() -> None:
    bench, _ = make()
    bench.pool.limit = 1024
    task = bench.run(READ)
    assert (task.status, task.sense) == (0x08, b"")


def test_check_condition_has_no_data() -> None:
    bench, _ = make(OSError(errno.EIO, ""))
    task = bench.start(READ)
    bench.lane.drain()
    assert (task.status, task.data_in) == (CHECK_CONDITION, None)


def test_another_handler_is_stopped_by_whatever_stops_the_command() -> None:
    bench, disk = make()
    ran: list[Task] = []

    def perform(cdb: bytes) -> Task:
        task = bench.task(cdb)
        disk.perform(task, lambda unit, task: ran.append(task) or 0)  # type: ignore[func-returns-value]
        return task

    assert perform(WRITE).status == 0
    assert perform(READ[:1] + b"\x01" + READ[2:]).status == CHECK_CONDITION
    assert perform(b"\xc0" + WRITE[1:]).status == CHECK_CONDITION
    disk.protect(on=True)
    task = perform(WRITE)
    assert sense_of(task)[0] == 7
    assert ran == bench.done[:1]
    assert len(bench.done) == 4
    assert not disk.tasks
