"""tgtd.scsi.copy.commands: EXTENDED COPY of both widths, and what can be asked about it."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.copy.copying import MIB, OTHER, SOURCE, Pair, abort, cscd, move, narrow, out, receive, wide
from tests.scsi.workbench import cdb10, sense_of
from tgtd.scsi.copy.job import STEP
from tgtd.scsi.sense import CAPACITY_DATA_CHANGED, RESERVATION_CONFLICT
from tgtd.scsi.target import TaskManagement, encode_lun

LID1, LID4 = 0, 1
BOTH = pytest.mark.parametrize(("action", "form"), [(LID1, narrow), (LID4, wide)])
INVALID_FIELD = (5, 0x24, 0)


@BOTH
def test_between_two_disks(action: int, form: object) -> None:
    assert callable(form)
    bench = Pair()
    bench.good(*out(action, form(cscd(), cscd(OTHER), move(0, 1, 9000, 3, 5))))
    assert bench.content(bench.second, 5 * 512, 9000 * 512) == bench.pattern[3 * 512 : 9003 * 512]
    assert bench.content(bench.second, 0, 5 * 512) == bytes(5 * 512)
    assert bench.content(bench.second, 9005 * 512, 512) == bytes(512)
    assert (bench.pool.used, len(bench.first.tasks), len(bench.second.tasks)) == (0, 0, 0)


@pytest.mark.parametrize(("here", "there"), [(0, 100), (100, 0), (0, 8192), (50, 50)])
def test_within_a_disk_even_over_itself(here: int, there: int) -> None:
    bench = Pair()
    bench.good(*out(LID1, narrow(cscd(), move(0, 0xFFFF, 8000, here, there))))
    assert bench.content(bench.first, there * 512, 8000 * 512) == bench.pattern[here * 512 : (here + 8000) * 512]


def test_blocks_of_different_sizes() -> None:
    bench = Pair(block_size=4096)
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16, 8, 3))))
    assert bench.content(bench.second, 3 * 4096, 8192) == bench.pattern[4096:12288]
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 1, 8, 9, flags=2))))
    assert bench.content(bench.second, 9 * 4096, 4096) == bench.pattern[4096:8192]
    inexact = bench.run(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 7, 8, 3))))
    assert sense_of(inexact) == (0xA, 0x26, 0x0A)


def test_holes_stay_holes() -> None:
    bench = Pair()
    bench.first.store().discard(0, 4 * MIB)
    bench.second.store().write(0, b"x" * 8 * MIB, True)
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0))))
    assert list(bench.second.store().extents(0, 8 * MIB)) == list(bench.first.store().extents(0, 8 * MIB))
    assert bench.content(bench.second, 0, 8 * MIB) == bytes(4 * MIB) + bench.pattern[4 * MIB : 8 * MIB]


def test_zeros_are_written_where_nothing_can_be_unmapped() -> None:
    bench = Pair(thin=False)
    bench.first.store().discard(0, MIB)
    bench.second.store().write(0, b"x" * 2 * MIB, True)
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 4096, 0, 0))))
    assert bench.content(bench.second, 0, 2 * MIB) == bytes(MIB) + bench.pattern[MIB : 2 * MIB]


def test_nothing_is_copied_of_a_list_that_is_wrong_at_its_end() -> None:
    bench = Pair()
    task = bench.run(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16, 0, 0), move(0, 7, 1, 0, 0))))
    assert sense_of(task) == (0xA, 0x08, 0x04)
    assert task.sense[8:12] == struct.pack(">I", 1)
    assert (task.sense[15], int.from_bytes(task.sense[16:18], "big")) == (0x80 | 0x00, 16 + 64 + 28)
    assert bench.content(bench.second, 0, 8192) == bytes(8192)


@pytest.mark.parametrize(
    ("descriptor", "sense"),
    [
        (cscd(bytes(16)), (0xA, 0x0D, 0x02)),
        (cscd(SOURCE, kind=1), (0xA, 0x0D, 0x02)),
        (cscd(SOURCE, code_set=2), (0xA, 0x0D, 0x02)),
        (cscd(SOURCE, device_type=1), (0xA, 0x0D, 0x03)),
        (cscd(SOURCE, block_size=4096), (0xA, 0x0D, 0x03)),
        (b"\xe4\x00\x00\x01" + cscd()[4:], (0xA, 0x08, 0x04)),
    ],
)
def test_units_that_cannot_be_had(descriptor: bytes, sense: tuple[int, int, int]) -> None:
    bench = Pair()
    assert bench.refused(*out(LID1, narrow(descriptor, move(0, 0, 1, 0, 0)))) == sense


@pytest.mark.parametrize(("here", "there"), [(16383, 0), (0, 16383), (1 << 63, 0)])
def test_beyond_the_end(here: int, there: int) -> None:
    bench = Pair()
    task = bench.run(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 2, here, there))))
    assert sense_of(task) == (0xA, 0, 0)
    assert bench.content(bench.second, 16383 * 512, 512) == bytes(512)


def test_nothing_to_do() -> None:
    bench = Pair()
    bench.good(*out(LID1, b""))
    bench.good(*out(LID1, narrow()))
    bench.good(*out(LID4, wide(cscd(), move(0, 0, 0, 0, 0), identifier=2)))
    assert bench.good(receive(0x00)) == struct.pack(">IBHBI", 8, 1, 0, 0, 0)
    assert bench.good(receive(0x05, 2))[5] == 1


def test_reservations_and_write_protection_of_the_other_end() -> None:
    bench = Pair()
    other = bench.connect("other")
    bench.ready(1, nexus=other)
    bench.good(bytes((0x16, 0, 0, 0, 0, 0)), lun=1, nexus=other)
    order = out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0)))
    assert bench.refused(*order) == (0xA, 0x0D, 0x01)
    bench.good(bytes((0x17, 0, 0, 0, 0, 0)), lun=1, nexus=other)
    bench.good(bytes((0x16, 0, 0, 0, 0, 0)), lun=1)
    bench.good(*order)
    bench.good(bytes((0x17, 0, 0, 0, 0, 0)), lun=1)
    bench.second.protect(True)
    assert bench.refused(*order) == (0xA, 0x0D, 0x01)
    assert bench.run(cdb10(0x28, 0, 1), lun=1).status != RESERVATION_CONFLICT


def test_unit_attentions_of_the_other_end_wait_for_the_initiator() -> None:
    bench = Pair()
    bench.second.attend_all(CAPACITY_DATA_CHANGED)
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0))))
    assert bench.itl(1).attentions == [CAPACITY_DATA_CHANGED]


def test_a_unit_that_the_initiator_does_not_see() -> None:
    bench = Pair()
    narrowed = bench.connect("narrowed")
    bench.target.set_view(narrowed, {0: 0})
    bench.ready(0, nexus=narrowed)
    order = out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0)))
    assert bench.run(*order, nexus=narrowed).sense[2:14:10] == bytes((0xA, 0x0D))
    bench.good(*order)


def test_status_while_it_runs_and_afterwards() -> None:
    bench = Pair()
    order = out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0), identifier=9))
    task = bench.start(*order)
    bench.lane.step()
    again = bench.task(*order)
    again.itl.execute(again)
    assert sense_of(again) == (5, 0, 0x16)
    probe = bench.task(receive(0, 9))
    probe.itl.execute(probe)
    assert bytes(probe.data_in or b"")[4] == 0
    bench.lane.drain()
    assert task.status == 0
    assert bench.good(receive(0, 9)) == struct.pack(">IBHBI", 8, 1, 1, 0, 8 * MIB)
    assert bench.refused(receive(0, 9)) == INVALID_FIELD
    assert bench.refused(receive(5, 9)) == INVALID_FIELD


def test_what_failed_can_be_asked_about() -> None:
    bench = Pair()
    bench.second.protect(True)
    bench.run(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0))))
    details = bench.good(receive(4))
    assert int.from_bytes(details[:4], "big") == len(details) - 4
    assert (details[56], details[57], details[58:60]) == (2, 2, b"\0\x12")
    assert details[60 + 2] & 0x0F == 0xA
    bench.run(*out(LID4, wide(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0))))
    status = bench.good(receive(5))
    assert (status[4], status[5], status[14], len(status)) == (1, 2, 18, 32 + 18)


def test_without_a_list_identifier() -> None:
    bench = Pair()
    bench.good(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0), identifier=0, flags=0x18)))
    assert bench.refused(receive(0, 0)) == INVALID_FIELD
    assert bench.refused(*out(LID1, narrow(cscd(), identifier=1, flags=0x18))) == (5, 0x26, 0)


def test_in_the_background_and_put_an_end_to() -> None:
    bench = Pair()
    order = wide(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0), immediate=True)
    task = bench.start(*out(LID4, order))
    assert task.status == 0
    probe = bench.start(receive(5))
    assert bytes(probe.data_in or b"")[5] == 0x12
    bench.lane.step()
    assert bench.start(abort()).status == 0
    bench.lane.drain()
    assert bench.good(receive(5))[5] == 0x60
    assert bench.refused(abort()) == INVALID_FIELD
    for done in (task, probe):
        done.release()
    assert bench.pool.used == 0


@pytest.mark.parametrize("how", ["abort", "reset", "loss", "reset other", "remove other"])
def test_aborts(how: str) -> None:
    """Whoever stops it gets an answer at once, and nothing is written once the step under way has ended."""
    bench = Pair()
    task = bench.start(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0))))
    while not bench.second.tasks:
        bench.lane.step()
    if how == "abort":
        bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), task.tag)
    elif how == "reset":
        bench.first.reset(None)
    elif how == "reset other":
        bench.second.reset(None)
    elif how == "loss":
        bench.target.disconnect(bench.nexus)
    else:
        bench.target.remove_lun(1)
    assert (task in bench.done) is (how in ("abort", "reset", "loss"))
    bench.lane.drain()
    assert bench.done.count(task) == 1
    assert bench.content(bench.second, STEP, 8 * MIB - STEP) == bytes(8 * MIB - STEP)
    task.release()
    assert (bench.pool.used, bench.target.office.jobs) == (0, 0)


def test_preempting_waits_until_nothing_is_written_any_more() -> None:
    bench = Pair()
    task = bench.start(*out(LID1, narrow(cscd(), cscd(OTHER), move(0, 1, 16384, 0, 0))))
    while not bench.second.tasks:
        bench.lane.step()
    ended: list[int] = []
    victims = list(bench.first.tasks)
    bench.first.clear_tasks(None)
    bench.first.when_laid_down(victims, lambda: ended.append(1))
    assert task in bench.done
    assert not ended
    bench.lane.drain()
    assert ended == [1]


def test_operating_parameters() -> None:
    data = Pair().good(receive(3))
    assert int.from_bytes(data[:4], "big") == len(data) - 4
    assert struct.unpack(">HHI", data[8:16]) == (64, 64, 8192)
    assert data[43:] == b"\x02\x02\xe4"


def test_too_many_at_once() -> None:
    bench = Pair()
    for number in range(16):
        bench.start(*out(LID4, wide(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0), identifier=number, immediate=True)))
    busy = bench.start(*out(LID4, wide(cscd(), cscd(OTHER), move(0, 1, 8, 0, 0), identifier=99)))
    assert busy.status == 0x08
    bench.lane.drain()
    assert bench.target.office.jobs == 0
