"""The last errors that a drive met (SSC-5 8.2.6), and that it knows of them after a restart."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

from tests.scsi.ssc.taping import REWIND, Tape, other
from tests.scsi.ssc.test_logs import rot
from tests.scsi.test_log import parsed, select, sense
from tgtd.scsi.memory import Unknown, WhenKept
from tgtd.scsi.sense import INTERNAL_TARGET_FAILURE, UNRECOVERED_READ_ERROR, Sense
from tgtd.scsi.ssc.errorevents import MEMORY, MOST
from tgtd.scsi.ssc.trouble import tell_all


def events(tape: Tape) -> dict[int, bytes]:
    return parsed(tape.good(sense(0x16)))


def damage(tape: Tape) -> None:
    """A cartridge whose only block cannot be read."""
    tape.write(b"rotten" * 10)
    tape.good(REWIND)
    rot(tape, 3)


def note(tape: Tape, number: int) -> None:
    """An error like no other."""
    tape.drive.events.note(tape.drive, bytes((8, 0, 0, 0, 0, 0)), Sense(3, 0x11, number, "a test"))


def test_no_errors(tape: Tape) -> None:
    assert tape.good(sense(0x16)) == bytes.fromhex("96000000")


def test_an_error(tape: Tape) -> None:
    damage(tape)
    tape.good(bytes.fromhex("a40f0000000000000 00c0000".replace(" ", "")), bytes.fromhex("00000000 000000000777 0000"))
    tape.read(60)
    event = events(tape)[0]
    assert len(event) == 68
    assert event[:12] == bytes((0, 0, 0x5E, 0x88, 0, 0, 0, 0, 0, 3, 0x11, 0))
    assert event[12:28] == b"\0\0\0\0" + tape.drive.identity.revision.encode() + bytes(4) + b"\x08\0\0\0"
    assert event[28:60] == tape.cartridge.serial.encode().ljust(32)
    assert event[60] == 0b010, "set by a command"
    assert 0x777 <= int.from_bytes(event[62:], "big") < 0x777 + 60_000


def test_the_same_again_is_no_other_event(tape: Tape) -> None:
    damage(tape)
    for _ in range(3):
        tape.read(60)
        tape.good(REWIND)
    found = events(tape)
    assert (list(found), found[0][9]) == ([0], 0x83)
    tape.run(bytes.fromhex("130000003c00"))
    found = events(tape)
    assert [(each[9], each[24]) for each in found.values()] == [(3, 0x13), (0x83, 0x08)], "the latest first"


def test_a_refusal_is_no_event(tape: Tape) -> None:
    tape.refused(bytes.fromhex("08 03 000001 00"))
    tape.read(10)
    assert events(tape) == {}


def test_as_many_as_there_is_room_for(tape: Tape) -> None:
    for number in range(MOST + 3):
        note(tape, number)
    found = events(tape)
    assert list(found) == list(range(MOST))
    assert [event[11] for event in found.values()] == list(range(MOST + 2, 2, -1))


def test_they_outlive_the_drive(tape: Tape, tmp_path: Path) -> None:
    damage(tape)
    tape.read(60)
    before = events(tape)
    again = other(tmp_path / "x")
    assert events(again) == {}
    again.drive.remember(tape.drive.memory)
    assert events(again) == before
    note(again, 5)
    assert list(events(again)) == [0, 1]
    again.cartridge.close()


def test_what_is_remembered_may_be_anything(tape: Tape) -> None:
    tape.drive.memory.keep(MEMORY, b"x" * 100, lambda _: None)
    assert events(tape) == {0: b"x" * 68}


class Slow(Unknown):
    """Keeps nothing until it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes | None, WhenKept]] = []

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        self.waiting.append((value, then))


def test_errors_that_come_faster_than_they_can_be_kept(tape: Tape) -> None:
    """One change is under way at a time, and the last one has all of them."""
    slow = Slow()
    tape.drive.remember(slow)
    for number in range(5):
        note(tape, number)
    assert len(slow.waiting) == 1
    slow.waiting.pop()[1](None)
    value, then = slow.waiting.pop()
    assert len(value or b"") == 5 * 68
    then(OSError())
    assert (slow.waiting, len(events(tape))) == ([], 5), "what cannot be kept is shown nevertheless"
    note(tape, 9)
    assert len(slow.waiting) == 1


def test_it_is_neither_reset_nor_set(tape: Tape) -> None:
    note(tape, 1)
    before = tape.good(sense(0x16))
    tape.good(select(0, page=0x16, flags=2))
    assert tape.good(sense(0x16)) == before
    other_time = before[:-1] + bytes((before[-1] ^ 1,))
    assert tape.refused(select(len(before)), other_time) == (5, 0x26, 0)


def test_an_error_behind_a_command_counts_once(tape: Tape) -> None:
    """VERIFY with IMMED: the command is GOOD, and the error is told with the next one, for which it counts no more."""
    damage(tape)
    tape.good(bytes.fromhex("130400003c00"))
    tape.lane.drain()
    task = tape.run(bytes(6))
    assert task.sense[0] & 0x7F == 0x71
    assert struct.unpack(">BBB", events(tape)[0][9:12]) == UNRECOVERED_READ_ERROR[:3]
    assert events(tape)[0][24] == 0x13
    assert list(events(tape)) == [0]
    assert tape.drive.tally.total.unread == 1
    assert tape.cartridge.unread == 1


def test_what_no_command_has_met(tape: Tape) -> None:
    """All its initiators are told, and it counts once."""
    second = tape.connect("b")
    tape.ready(nexus=second)
    tell_all(tape.drive, OSError(errno.EIO, "a test"))
    assert [tape.run(bytes(6), nexus=nexus).sense[0] & 0x7F for nexus in (None, second)] == [0x71, 0x71]
    found = events(tape)
    assert [(event[9], event[24]) for event in found.values()] == [(3, 0)]
    assert (tape.drive.tally.total.unwritten, tape.cartridge.unwritten) == (1, 1)


def test_what_goes_wrong_in_the_drive_itself(tape: Tape) -> None:
    tape.drive.events.note(tape.drive, bytes(6), INTERNAL_TARGET_FAILURE)
    tape.drive.take_out()
    note(tape, 7)
    found = events(tape)
    assert (found[1][9], found[1][2]) == (4, 0x5E)
    assert found[0][2:4] + found[0][28:60] == bytes(34), "no cartridge"
