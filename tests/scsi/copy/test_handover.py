"""tgtd.scsi.copy.handover: what a medium takes over itself, and what of commands holds for that all the same."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from tests.scsi.copy.copying import MIB, OTHER, Pair, cscd, move, narrow, out
from tests.scsi.copy.test_rods import CANCELLED, token_of, write
from tests.scsi.workbench import cdb10, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.copy.handover import MOST
from tgtd.scsi.layer import Layer
from tgtd.scsi.medium import Store
from tgtd.scsi.task import Task

STOPPED = (0xA, 0x0D, 0x01)
SIZE = MOST + 8 * MIB


class Taken:
    """What a medium that takes data over does; at most `most` bytes of it."""

    def __init__(self, medium: Able, source: Able, here: int, there: int, length: int) -> None:
        self.medium, self.source = medium, source
        self.here, self.there, self.length = here, there, length
        self.moved = 0
        self.closed = False

    def __call__(self) -> None:
        assert not self.closed
        self.moved = min(self.length, self.medium.most)
        data = bytearray(self.moved)
        RamMedium.read(self.source, self.here, memoryview(data))
        RamMedium.write(self.medium, self.there, data, True)
        if self.medium.error is not None:
            raise self.medium.error

    def close(self) -> None:
        self.closed = True


class Able(RamMedium):
    """takings: all that were asked for. reads, writes: bytes that went through buffers."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(size)
        self.most = 1 << 40
        self.error: OSError | None = None
        self.takings: list[Taken] = []
        self.reads = self.writes = 0

    def taking(self, source: Store, here: int, there: int, length: int, durable: bool) -> Taken | None:
        if not isinstance(source, Able):
            return None
        self.takings.append(Taken(self, source, here, there, length))
        return self.takings[-1]

    def read_now(self, offset: int, into: memoryview) -> bool:
        self.reads += len(into)
        return super().read_now(offset, into)

    def write_now(self, offset: int, data: Any) -> bool:
        return False

    def writing(self, offset: int, data: Any, durable: bool) -> Any:
        self.writes += len(data)
        return super().writing(offset, data, durable)


class Ables(Pair):
    def __init__(self) -> None:
        super().__init__(SIZE, Able())
        self.target.remove_lun(1)
        self.here: Able = self.first.medium  # type: ignore[assignment]
        self.there = Able()
        self.second = self.another(1, self.there)
        self.ready(1)

    def copy(self, blocks: int = SIZE >> 9, here: int = 0, there: int = 0, destination: int = 1) -> Task:
        return self.run(*self.order(blocks, here, there, destination))

    def order(self, blocks: int, here: int = 0, there: int = 0, destination: int = 1) -> tuple[bytes, bytes]:
        return out(0, narrow(cscd(), cscd(OTHER), move(0, destination, blocks, here, there)))

    def settled(self) -> bool:
        """Nothing is left over of a copy."""
        turns = (self.first.turns, self.second.turns)
        busy = len(self.first.tasks) + len(self.second.tasks) + self.pool.used + self.target.office.jobs
        ended: list[bool] = []
        for one in turns:
            one.take(lambda: ended.append(True) or False)  # type: ignore[func-returns-value]
        return not busy and len(ended) == 2 and all(one.closed for one in self.here.takings + self.there.takings)


def test_nothing_goes_through_a_buffer() -> None:
    bench = Ables()
    assert bench.copy().status == 0
    assert bench.content(bench.second, 0, SIZE) == bench.pattern[:SIZE]
    assert [one.length for one in bench.there.takings] == [MOST, 8 * MIB]
    assert bench.here.reads + bench.there.writes == 0
    assert (bench.first.counters.read_bytes, bench.second.counters.write_bytes) == (SIZE, SIZE)
    assert bench.settled()


def test_holes_stay_holes() -> None:
    bench = Ables()
    bench.first.store().discard(MIB, 2 * MIB)
    assert bench.copy().status == 0
    assert [(one.here, one.length) for one in bench.there.takings][:2] == [(0, MIB), (3 * MIB, MOST)]
    assert list(bench.second.store().extents(0, 4 * MIB)) == [
        (0, MIB, True),
        (MIB, 2 * MIB, False),
        (3 * MIB, MIB, True),
    ]


def test_within_one_disk() -> None:
    bench = Ables()
    assert bench.copy(2048, 0, 4096, destination=0).status == 0
    assert bench.content(bench.first, 2 * MIB, MIB) == bench.pattern[:MIB]
    assert len(bench.here.takings) == 1
    assert bench.settled()


@pytest.mark.parametrize(("here", "there"), [(0, 8), (8, 0)])
def test_what_overlaps_is_read_and_written(here: int, there: int) -> None:
    bench = Ables()
    assert bench.copy(4096, here, there, destination=0).status == 0
    assert bench.content(bench.first, there << 9, 2 * MIB) == bench.pattern[here << 9 :][: 2 * MIB]
    assert bench.here.takings == []


@pytest.mark.parametrize("number", [0, 1])
def test_not_past_a_layer(number: int) -> None:
    bench = Ables()
    disk = (bench.first, bench.second)[number]
    disk.relayer(Layer(disk.store()))
    assert bench.copy().status == 0
    assert bench.content(bench.second, 0, SIZE) == bench.pattern[:SIZE]
    assert all(one.closed and not one.moved for one in bench.there.takings)


@pytest.mark.parametrize("number", [0, 1])
def test_not_past_the_marks_of_bad_blocks(number: int) -> None:
    bench = Ables()
    (bench.first, bench.second)[number].flawed().mark(100, 1)
    task = bench.copy()
    assert (task.status == 0) is (number == 1)
    assert not any(one.moved for one in bench.there.takings)


def test_not_between_disks_whose_space_is_theirs() -> None:
    bench = Ables()
    bench.target.remove_lun(1)
    bench.second = bench.another(1, bench.there, thin=False)
    bench.ready(1)
    assert bench.copy().status == 0
    assert bench.content(bench.second, 0, SIZE) == bench.pattern[:SIZE]
    assert bench.there.takings == []


def test_a_medium_that_can_do_only_some_of_it() -> None:
    """What it has moved beyond whole blocks is moved again."""
    bench = Ables()
    bench.there.most = 5 * MIB + 100
    assert bench.copy(40960).status == 0
    assert bench.content(bench.second, 0, 20 * MIB) == bench.pattern[: 20 * MIB]
    assert [one.here for one in bench.there.takings] == [0, 5 * MIB, 10 * MIB, 15 * MIB]


def test_a_medium_that_cannot_after_all_is_asked_once() -> None:
    bench = Ables()
    bench.there.most = 0
    assert bench.copy().status == 0
    assert bench.content(bench.second, 0, SIZE) == bench.pattern[:SIZE]
    assert len(bench.there.takings) == 1
    assert bench.there.writes == SIZE
    assert bench.settled()


def test_what_cannot_be_made_durable_is_an_error_of_the_destination() -> None:
    bench = Ables()
    bench.there.error = OSError(errno.EIO, "no")
    assert sense_of(bench.copy()) == STOPPED
    assert (bench.first.counters.medium_errors, bench.second.counters.medium_errors) == (0, 1)
    assert bench.settled()


@pytest.mark.parametrize("number", [0, 1])
def test_reservations_of_others_hold_at_both_ends(number: int) -> None:
    bench = Ables()
    other = bench.connect("other")
    bench.ready(0, 1, nexus=other)
    bench.good(bytes((0x16, 0, 0, 0, 0, 0)), lun=number, nexus=other)
    assert bench.copy().status != 0
    assert not any(one.moved for one in bench.there.takings)
    assert bench.content(bench.second, 0, 512) == bytes(512)
    assert bench.settled()


def test_write_protection_holds() -> None:
    bench = Ables()
    bench.second.protect(on=True)
    assert sense_of(bench.copy()) == STOPPED
    assert not any(one.moved for one in bench.there.takings)
    assert bench.settled()


def test_tokens_for_what_is_written_over_end() -> None:
    bench = Ables()
    token = token_of(bench, (0, 8))
    assert bench.copy(8, 16, 0, destination=0).status == 0
    assert bench.here.takings
    assert bench.refused(*write(token, (0, 8)), lun=1) == CANCELLED


def test_a_token_that_ends_while_its_data_are_taken() -> None:
    bench = Ables()
    token = token_of(bench, (0, 4096))
    task = bench.start(*write(token, (0, 4096)), lun=1)
    while not bench.there.takings:
        bench.lane.step()
    bench.good(cdb10(0x2A, 0, 1), bytes(512))
    assert sense_of(task) == CANCELLED
    assert bench.settled()


@pytest.mark.parametrize("number", [0, 1])
def test_a_reset_while_data_are_taken(number: int) -> None:
    """The copy ends when the worker is through, and leaves nothing behind."""
    bench = Ables()
    other = bench.connect("other")
    task = bench.start(*bench.order(4096))
    while not bench.there.takings:
        bench.lane.step()
    (bench.first, bench.second)[number].reset(other)
    assert not bench.there.takings[0].closed
    bench.lane.drain()
    assert task.status != 0
    assert len(bench.there.takings) == 1
    assert bench.settled()


@pytest.mark.parametrize("number", [0, 1])
def test_a_medium_that_goes_while_data_are_taken(number: int) -> None:
    """The source stays busy until then: its medium is not closed before."""
    bench = Ables()
    task = bench.start(*bench.order(SIZE >> 9))
    while not bench.there.takings:
        bench.lane.step()
    (bench.first, bench.second)[number].offline()
    assert [one.busy for one in bench.first.tasks if one is not task]
    bench.lane.drain()
    assert sense_of(task) == STOPPED
    assert len(bench.there.takings) == 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_command_that_must_be_alone_does_not_wait_for_it(number: int) -> None:
    bench = Ables()
    turns = (bench.first, bench.second)[number].turns
    turns.take(lambda: True)
    task = bench.start(*bench.order(4096))
    bench.lane.drain()
    assert bench.there.takings == []
    turns.end()
    bench.lane.drain()
    assert task.status == 0
