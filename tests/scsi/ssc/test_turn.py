"""Turns with the tape, and what goes on behind a command (SSC-5, SPC-5 4.4.7)."""

from __future__ import annotations

import errno
import struct

import pytest

from tests.scsi.ssc.taping import REWIND, Tape, stopped
from tests.scsi.workbench import CHECK_CONDITION, GOOD, TUR, sense_of
from tgtd.scsi.sense import LOCATE_IN_PROGRESS
from tgtd.scsi.ssc.division import Division
from tgtd.scsi.ssc.drive import TapeDrive
from tgtd.scsi.ssc.turn import Behind
from tgtd.scsi.task import PENDING, Task

LOCATE_1 = struct.pack(">BBxBQ4x", 0x92, 1, 0, 1)
LOCATE_99 = struct.pack(">BBxBQ4x", 0x92, 1, 0, 99)
REQUEST_SENSE = bytes.fromhex("030000006000")
INQUIRY = bytes.fromhex("120000002400")


def test_a_refused_command_leaves_the_task_set(tape: Tape) -> None:
    """Whether it is refused at once, or when its turn comes."""
    tape.write(b"one")
    assert tape.refused(bytes.fromhex("040000000000")) == (5, 0x3B, 0x0C)
    assert not len(tape.drive.tasks)
    tasks = [tape.start(cdb) for cdb in (REWIND, bytes.fromhex("2b02000000000000 0300"), REWIND)]
    tape.lane.drain()
    assert [task.status for task in tasks] == [GOOD, CHECK_CONDITION, GOOD]
    assert not len(tape.drive.tasks)


def test_what_goes_on_behind_a_command(tape: Tape) -> None:
    tape.write(b"one", b"two")
    task = tape.start(LOCATE_1)
    assert task.status == GOOD
    assert tape.done[-1] is task
    assert not len(tape.drive.tasks)

    ready = tape.start(TUR)
    assert sense_of(ready) == (2, 4, 7)
    assert ready.sense[15] == 0x80  # the progress indication
    sense = bytes(tape.start(REQUEST_SENSE).data_in or b"")
    assert (sense[0], sense[2], sense[12], sense[13], sense[15]) == (0x70, 0, 0, 0x19, 0x80)
    read = tape.start(bytes.fromhex("080000000300"))
    assert read.status == PENDING

    tape.lane.drain()
    assert (read.status, bytes(read.data_in or b"")) == (GOOD, b"two")
    assert tape.run(TUR).status == GOOD
    assert tape.good(REQUEST_SENSE)[12:14] == b"\0\0"


@pytest.mark.parametrize(
    "cdb",
    [
        "080000000300",  # READ(6)
        "0a0000000300",  # WRITE(6)
        "010000000000",  # REWIND
        "010100000000",  # the same with IMMED
        "110000000100",  # SPACE(6)
        "2b000000000000000000",  # LOCATE(10)
        "34000000000000000000",  # READ POSITION
        "100000000000",  # WRITE FILEMARKS(6)
        "130000000300",  # VERIFY(6)
        "190000000000",  # ERASE(6)
        "1b0000000000",  # LOAD UNLOAD
    ],
)
def test_what_needs_the_tape_waits(tape: Tape, cdb: str) -> None:
    tape.write(b"one", b"two")
    tape.start(LOCATE_1)
    task = tape.start(bytes.fromhex(cdb), b"new" if cdb.startswith("0a") else None)
    assert task.status == PENDING
    tape.lane.drain()
    assert task.status == GOOD


@pytest.mark.parametrize(
    "cdb",
    [
        "120000002400",  # INQUIRY
        "1a003f00ff00",  # MODE SENSE(6)
        "4d004000000000010000",  # LOG SENSE
        "a00000000000000001000000",  # REPORT LUNS
        "050000000000",  # READ BLOCK LIMITS
        "1e0000000000",  # PREVENT ALLOW MEDIUM REMOVAL
        "030000006000",  # REQUEST SENSE
    ],
)
def test_what_needs_no_tape_does_not_wait(tape: Tape, cdb: str) -> None:
    tape.write(b"one", b"two")
    tape.start(LOCATE_1)
    assert tape.start(bytes.fromhex(cdb)).status == GOOD
    assert sense_of(tape.start(TUR)) == (2, 4, 7)
    tape.lane.drain()


@pytest.mark.parametrize("immed", [0, 1])
def test_what_was_done_and_stopped_counts_as_done(tape: Tape, immed: int) -> None:
    """SET CAPACITY of less than there can be is rounded, which is told; and it has formatted the medium."""
    tape.drive.division = Division(additional=1)
    task = tape.start(bytes((0x0B, immed, 0, 0, 1, 0)))
    tape.lane.drain()
    assert sense_of(tape.run(TUR) if immed else task) == (1, 0x37, 0)
    assert tape.drive.division == Division()


def test_a_command_that_waits_ends_when_its_turn_begins(tape: Tape) -> None:
    tape.write(b"one", b"two")
    tape.drive.pace.rest = 1
    first = tape.start(bytes.fromhex("0a0000000300"), b"new")
    second = tape.start(LOCATE_1)
    assert (first.status, second.status) == (PENDING, PENDING)
    tape.lane.drain()
    assert (first.status, second.status) == (GOOD, GOOD)
    assert tape.where()[:2] == (0, 1)
    assert not len(tape.drive.tasks)


@pytest.mark.parametrize("descriptor", [False, True])
def test_a_deferred_error_is_told_once_to_whose_command_it_was(tape: Tape, descriptor: bool) -> None:
    tape.drive.descriptor_sense = descriptor
    second = tape.connect("b")
    tape.ready(nexus=second)
    tape.write(b"one", b"two")
    tape.good(LOCATE_99)
    tape.lane.drain()
    assert tape.run(TUR, nexus=second).status == GOOD
    tape.good(INQUIRY)
    task = tape.run(REWIND)
    assert (task.status, sense_of(task)) == (CHECK_CONDITION, (8, 0, 5))
    assert task.sense[0] == (0x73 if descriptor else 0x71)
    assert tape.where()[:2] == (0, 2), "it was not rewound"
    tape.good(REWIND)


def test_request_sense_takes_a_deferred_error(tape: Tape) -> None:
    tape.good(LOCATE_99)
    tape.lane.drain()
    sense = tape.good(REQUEST_SENSE)
    assert (sense[0], sense[2], sense[12:14]) == (0x71, 8, b"\0\x05")
    assert tape.run(TUR).status == GOOD


def test_an_interlock_keeps_no_deferred_error(tape: Tape) -> None:
    tape.drive.attention_interlock = 2
    tape.good(LOCATE_99)
    tape.lane.drain()
    assert tape.refused(TUR) == (8, 0, 5)
    assert tape.run(TUR).status == GOOD


def test_an_error_of_the_file_behind_a_command(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError(errno.EIO, "dead")

    tape.write(b"one")
    monkeypatch.setattr(tape.cartridge, "synchronize", broken)
    tape.good(LOCATE_1)
    tape.lane.drain()
    task = tape.run(TUR)
    assert (task.sense[0], sense_of(task)) == (0x71, (3, 0x0C, 0))
    assert tape.drive.counters.medium_errors == 1


def test_whose_command_it_was_is_gone(tape: Tape) -> None:
    tape.good(LOCATE_99)
    tape.target.disconnect(tape.nexus)
    tape.lane.drain()
    tape.nexus = tape.connect("c")
    tape.ready()
    assert tape.run(TUR).status == GOOD


def test_what_cannot_be_is_refused_at_once(tape: Tape) -> None:
    assert tape.refused(bytes.fromhex("2b03000000000000 0300")) == (5, 0x24, 0)


def test_a_reset_ends_a_long_verification(tape: Tape) -> None:
    tape.drive.block_length = 1
    tape.good(bytes.fromhex("0a0100100000"), bytes(0x1000))
    tape.good(REWIND)
    partition = tape.cartridge.partitions[0]
    real, seen = partition.read, []

    def read(*more: object) -> object:
        seen.append(more)
        if len(seen) == 2:
            tape.drive.reset(None)
        return real(*more)  # type: ignore[arg-type]

    partition.read = read  # type: ignore[method-assign, assignment]
    tape.good(bytes.fromhex("1305 0010 0000"))
    tape.lane.drain()
    assert len(seen) == 2
    assert tape.refused(TUR) == (6, 0x29, 3)
    assert tape.run(TUR).status == GOOD


def test_a_cartridge_that_is_taken_away_meanwhile(tape: Tape) -> None:
    tape.write(b"one", b"two")
    tape.start(LOCATE_1)
    tape.drive.offline()
    tape.lane.drain()
    task = tape.run(TUR)
    assert task.sense[0] & 0x7F == 0x70
    assert sense_of(task) == (2, 4, 3)
    assert tape.drive.head.number == 0


def test_stream_flags_of_a_deferred_error(tape: Tape) -> None:
    tape.write(b"one", 1)
    tape.good(REWIND)
    tape.good(bytes.fromhex("130400000300"))
    tape.good(bytes.fromhex("130400000300"))
    tape.lane.drain()
    task = tape.run(TUR)
    assert task.sense[0] == 0xF1
    assert stopped(task) == (0, 0, 1, 0x80, 3)


def test_what_has_waited_while_the_cartridge_was_loaded_anew(tape: Tape) -> None:
    """A WRITE that was meant for the end of the data would overwrite the whole tape."""
    second = tape.connect("b")
    tape.ready(nexus=second)
    tape.write(b"precious", b"data")
    first = tape.start(bytes.fromhex("132000000000"), nexus=second)
    moves = [tape.start(bytes.fromhex(cdb), nexus=second) for cdb in ("1b0000000000", "1b0000000100")]
    late = tape.start(bytes.fromhex("0a0000000300"), b"new")
    tape.lane.drain()
    assert [task.status for task in (first, *moves)] == [GOOD, GOOD, GOOD]
    assert (late.status, sense_of(late)) == (CHECK_CONDITION, (6, 0x28, 0))
    assert tape.cartridge.partitions[0].objects == 2


@pytest.mark.parametrize("at_once", [False, True])
def test_a_mistake_of_our_own_is_answered_and_keeps_nobody_from_the_tape(tape: Tape, at_once: bool) -> None:
    def then(_: Task) -> None:
        raise ZeroDivisionError

    def alone(drive: TapeDrive, task: Task) -> int:
        now = (lambda: drive.head) if at_once else None
        return drive.alone(task, lambda: lambda: drive.head, then, now=now)

    task = tape.task(REWIND)
    tape.drive.perform(task, alone)
    tape.lane.drain()
    assert (task.status, sense_of(task)) == (CHECK_CONDITION, (4, 0x44, 0))
    assert not len(tape.drive.tasks)
    tape.write(b"x")


def test_a_mistake_of_our_own_behind_a_command_is_a_deferred_error(tape: Tape) -> None:
    def then(_: Task) -> None:
        raise ZeroDivisionError

    def alone(drive: TapeDrive, task: Task) -> int:
        return drive.alone(task, lambda: lambda: drive.head, then, behind=Behind(LOCATE_IN_PROGRESS))

    task = tape.task(REWIND)
    tape.drive.perform(task, alone)
    tape.lane.drain()
    assert task.status == GOOD
    task = tape.run(TUR)
    assert (task.sense[0], sense_of(task)) == (0x71, (4, 0x44, 0))
    tape.write(b"x")


@pytest.mark.parametrize("cdb", ["010000000000", "110000000000", "2b000000000000000000", "1b0000000000"])
def test_what_was_written_before_cannot_be_kept(tape: Tape, monkeypatch: pytest.MonkeyPatch, cdb: str) -> None:
    """It is no fault of the command that finds out, and does not move the tape; WRITE FILEMARKS is asked to do it."""

    def full() -> None:
        raise OSError(errno.ENOSPC, "full")

    tape.write(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(tape.cartridge, "synchronize", full)
        task = tape.run(bytes.fromhex(cdb))
        assert (task.sense[0], sense_of(task)) == (0x71, (3, 0x0C, 0))
        assert tape.drive.loaded
        task = tape.run(bytes.fromhex("100000000000"))
        assert (task.sense[0], sense_of(task)) == (0x70, (3, 0x0C, 0))
        assert tape.drive.counters.medium_errors == 2
    assert tape.where()[:2] == (0, 1)
