"""tgtd.scsi.spc.keeping: nothing ends before it is durable, and no change is lost to another."""

from __future__ import annotations

from tests.scsi.spc.test_identifying import BINARY, change, named, report
from tests.scsi.test_log import APPLICATION, NOTE, page, parameter, parsed, select, sense
from tests.scsi.workbench import Bench, sense_of
from tgtd.scsi.memory import Unknown, WhenKept
from tgtd.scsi.sense import BECOMING_READY, GOOD, INTERNAL_TARGET_FAILURE
from tgtd.scsi.target import TaskManagement, encode_lun


class SlowMemory:
    """Keeps when told."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.waiting: list[tuple[str, bytes | None, WhenKept]] = []

    def recall(self, name: str) -> bytes | None:
        return self.values.get(name)

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        self.waiting.append((name, value, then))

    def step(self, error: BaseException | None = None) -> None:
        name, value, then = self.waiting.pop(0)
        if error is None:
            self.values.pop(name, None)
            if value is not None:
                self.values[name] = value
        then(error)


def make() -> tuple[Bench, SlowMemory]:
    bench = Bench()
    memory = SlowMemory()
    bench.disk().memory = memory
    bench.ready()
    return bench, memory


def test_it_ends_when_it_is_durable() -> None:
    bench, memory = make()
    task = bench.start(change(BINARY, 1), b"x")
    assert bench.done == []
    assert named(bench, BINARY) == b""
    memory.step()
    assert task.status == GOOD
    assert named(bench, BINARY) == b"x"


def test_two_changes_of_one_page() -> None:
    bench, memory = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    for nexus, code in ((bench.nexus, 1), (other, 2)):
        data = page(APPLICATION, parameter(code, NOTE))
        bench.start(select(len(data)), data, nexus=nexus)
    assert len(memory.waiting) == 1
    memory.step()
    memory.step()
    assert [task.status for task in bench.done] == [GOOD, GOOD]
    bench.ready()
    notes = parsed(bench.good(sense(APPLICATION)))
    assert [code for code, note in notes.items() if any(note)] == [1, 2]


def test_several_values_of_one_command() -> None:
    bench, memory = make()
    data = page(0x0E, parameter(2, b"202601", 0x01)) + page(APPLICATION, parameter(0, NOTE))
    task = bench.start(select(len(data)), data)
    memory.step()
    assert bench.done == []
    memory.step()
    assert task.status == GOOD


def test_what_cannot_be_kept_is_no_change() -> None:
    bench, memory = make()
    task = bench.start(change(BINARY, 1), b"x")
    memory.step(OSError(28, "full"))
    assert sense_of(task) == INTERNAL_TARGET_FAILURE[:3]
    assert named(bench, BINARY) == b""
    bench.start(change(BINARY, 1), b"y")
    memory.step()
    assert named(bench, BINARY) == b"y"


def test_what_is_held_is_what_was_held_last() -> None:
    """Also when it was that before, and something else is under way."""
    bench, memory = make()
    memory.values["type"] = b"1"
    keeper = bench.itl().lu.records.keeper  # type: ignore[attr-defined]
    ended: list[BaseException | None] = []
    for value in (b"2", b"1", b"1", None, None):
        keeper.hold("type", value, ended.append)
    while memory.waiting:
        memory.step()
    assert (memory.values, ended) == ({}, [None] * 5)
    keeper.hold("type", b"1", ended.append)
    keeper.hold("type", b"2", ended.append)
    memory.step()
    keeper.hold("type", b"2", ended.append)
    memory.step()
    assert (memory.values, memory.waiting) == ({"type": b"2"}, [])


def test_aborted_meanwhile() -> None:
    """It is kept all the same, and the buffer comes back."""
    bench, memory = make()
    task = bench.start(change(BINARY, 1), b"x")
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), task.tag)
    memory.step()
    assert bench.done == [task]
    assert bench.pool.used == 0
    assert named(bench, BINARY) == b"x"


def test_before_anything_is_known() -> None:
    bench, _ = make()
    bench.itl().lu.memory = Unknown()
    data = page(APPLICATION, parameter(0, NOTE))
    for cdb, out in ((report(BINARY), None), (change(BINARY, 1), b"x"), (select(len(data)), data)):
        assert bench.refused(cdb, out) == BECOMING_READY[:3]


def test_a_unit_that_becomes_another_one_meanwhile() -> None:
    """Neither what waits nor what is under way belongs to the new one."""
    bench, memory = make()
    tasks = [bench.start(change(BINARY, 1), data) for data in (b"x", b"y")]
    bench.itl().lu.memory = other = SlowMemory()
    memory.step()
    assert [sense_of(task) for task in tasks] == [BECOMING_READY[:3]] * 2
    assert (memory.waiting, other.waiting, other.values) == ([], [], {})
    bench.start(change(BINARY, 1), b"z")
    other.step()
    assert named(bench, BINARY) == b"z"
