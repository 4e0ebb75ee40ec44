"""MOVE MEDIUM and its like: order, what is remembered, and what is in the way (SMC-3 6)."""

from __future__ import annotations

import errno
import struct

import pytest

from tests.scsi.smc.library import Library
from tests.scsi.workbench import CHECK_CONDITION, GOOD


def test_into_a_drive_and_back(library: Library) -> None:
    library.good(library.move(1000, 500))
    assert library.bays[500].said == ["accept A00000L8"]
    assert library.holds() == {500: "A00000L8", 1001: "A00001L8", 1002: "A00002L8"}
    assert library.keeper.kept[-1] == library.changer.inventory
    library.good(library.move(500, 1005))
    assert library.bays[500].said[1:] == ["release"]
    assert library.holds()[1005] == "A00000L8"


@pytest.mark.parametrize(
    ("source", "destination", "sense"),
    [
        (1003, 500, (5, 0x3B, 0x0E)),
        (1000, 1001, (5, 0x3B, 0x0D)),
        (1000, 2000, (5, 0x21, 1)),
        (1, 1000, (5, 0x21, 1)),
        (0xFFFF, 0, (5, 0x21, 1)),
    ],
)
def test_what_cannot_be_moved(library: Library, source: int, destination: int, sense: tuple[int, int, int]) -> None:
    before = library.holds()
    assert library.refused(library.move(source, destination)) == sense
    assert library.holds() == before


def test_a_drive_that_does_not_give(library: Library) -> None:
    library.good(library.move(1000, 500))
    library.bays[500].locked = True
    assert library.refused(library.move(500, 1000)) == (5, 0x53, 2)
    assert library.holds()[500] == "A00000L8"


def test_what_cannot_be_remembered_is_not_done(library: Library) -> None:
    library.keeper.trouble = OSError(errno.ENOSPC, "no room")
    assert library.run(library.move(1000, 1005)).status != GOOD
    assert 1005 not in library.holds()


def test_what_cannot_be_remembered_goes_back_into_its_drive(library: Library) -> None:
    library.good(library.move(1000, 500))
    library.keeper.trouble = OSError(errno.ENOSPC, "no room")
    assert library.run(library.move(500, 1000)).status != GOOD
    assert library.holds()[500] == "A00000L8"
    assert library.bays[500].said == ["accept A00000L8", "release", "accept A00000L8"]


def test_moves_take_turns(library: Library) -> None:
    library.bays[500].slow = True
    first = library.start(library.move(1000, 500))
    second = library.start(library.move(500, 1004))
    assert not library.done
    library.bays[500].waiting.pop()(None)
    library.bays[500].waiting.pop()(None)
    assert [first.status, second.status] == [GOOD, GOOD]
    assert library.holds()[1004] == "A00000L8"


def test_an_aborted_move_that_was_begun_is_made(library: Library) -> None:
    library.bays[500].slow = True
    task = library.start(library.move(1000, 500))
    library.changer.abort_tasks(task.itl, task.tag)
    library.bays[500].waiting.pop()(None)
    assert library.holds()[500] == "A00000L8"
    library.good(library.move(1001, 1004))


def test_exchange(library: Library) -> None:
    library.good(library.move(1000, 500))
    library.good(struct.pack(">BxHHHHxx", 0xA6, 1, 1001, 500, 1005))
    assert library.bays[500].said == ["accept A00000L8", "release", "accept A00001L8"]
    assert library.holds() == {500: "A00001L8", 1002: "A00002L8", 1005: "A00000L8"}
    assert library.refused(struct.pack(">BxHHHHxx", 0xA6, 1, 1002, 501, 1003)) == (5, 0x3B, 0x0E)


def test_a_drive_that_cannot_keep_what_was_written(library: Library) -> None:
    """Nothing was moved: what another drive gave for it goes back."""
    library.good(library.move(1000, 500))
    library.good(library.move(1001, 501))
    before, kept = library.holds(), len(library.keeper.kept)
    library.bays[501].unwritable = True
    assert library.refused(struct.pack(">BxHHHHxx", 0xA6, 0, 500, 501, 1005)) == (4, 0x53, 1)
    assert library.bays[500].said == ["accept A00000L8", "release", "accept A00000L8"]
    assert library.bays[501].said == ["accept A00001L8"]
    assert (library.holds(), len(library.keeper.kept)) == (before, kept)
    assert library.refused(library.move(501, 1005)) == (4, 0x53, 1)
    library.bays[501].unwritable = False
    library.good(library.move(501, 1005))


def test_ports_are_locked(library: Library) -> None:
    second = library.connect("b")
    library.ready(nexus=second)
    library.good(bytes.fromhex("1e0000000100"), nexus=second)
    assert library.refused(library.move(1000, 10)) == (5, 0x53, 2)
    assert library.refused(bytes.fromhex("1b00000a0000")) == (5, 0x53, 2)
    library.good(bytes.fromhex("1b00000a0100"))
    library.good(bytes.fromhex("1e0000000000"), nexus=second)
    library.good(library.move(1000, 10))


def test_position(library: Library) -> None:
    library.good(struct.pack(">BxHHxxxx", 0x2B, 1, 1000))
    assert library.refused(struct.pack(">BxHHxxxx", 0x2B, 2, 1000)) == (5, 0x21, 1)


def test_what_ends_at_once_is_not_left_in_the_task_set(library: Library) -> None:
    """It would end a second time when its nexus goes."""
    second = library.connect("b")
    library.ready(nexus=second)
    for source in (1003, 1000, 1004):
        library.start(library.move(source, 1004), nexus=second)
    library.lane.drain()
    assert not len(library.changer.tasks)
    library.target.disconnect(second)
    assert [task.status for task in library.done] == [CHECK_CONDITION, GOOD, GOOD]
