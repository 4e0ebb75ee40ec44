"""tgtd.scsi.ssc.verify: by blocks, by filemarks, to the end of data (SSC-5 7.12, 7.13)."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.ssc.keying import NOTHING, set_key
from tests.scsi.ssc.taping import FILEMARK, ILI, REWIND, Tape, stopped
from tests.scsi.ssc.test_guarding import protect
from tests.scsi.workbench import TUR, pointer_of, sense_of
from tgtd.scsi.task import Task

TO_END, METHOD, BY_MARKS, IMMED, COMPARE, FIXED = 0x20, 0x10, 0x08, 0x04, 0x02, 0x01


def verify(tape: Tape, flags: int, length: int = 0, data: bytes | None = None) -> Task:
    return tape.run(bytes((0x13, flags)) + length.to_bytes(3, "big") + b"\0", data)


def far(flags: int, partition: int, number: int, length: int) -> bytes:
    return struct.pack(">BBxBQBHx", 0x8F, flags, partition, number, length >> 16, length & 0xFFFF)


def test_blocks(tape: Tape) -> None:
    tape.write(b"one", b"two", b"abc", 1)
    tape.good(REWIND)
    assert verify(tape, 0, 3).status == 0
    assert sense_of(verify(tape, COMPARE, 3, b"twx")) == (14, 0x1D, 0)
    assert verify(tape, COMPARE, 3, b"abc").status == 0
    assert stopped(verify(tape, 0, 3)) == (0, 0, 1, FILEMARK, 3)
    tape.good(REWIND)
    assert stopped(verify(tape, 0, 5)) == (0, 0, 0, ILI, 2)


def test_fixed_blocks(tape: Tape) -> None:
    tape.write(b"abcd", b"efgh", b"ijk")
    tape.good(REWIND)
    tape.drive.block_length = 4
    assert stopped(verify(tape, FIXED, 3)) == (0, 0, 0, ILI, 1)
    tape.good(REWIND)
    assert verify(tape, FIXED | COMPARE, 2, b"abcdefgh").status == 0
    assert tape.where()[1] == 2


def test_by_filemarks(tape: Tape) -> None:
    tape.write(b"one", b"four", 3, b"five", 1)
    tape.good(REWIND)
    for count, where in ((1, 3), (1, 4), (2, 7)):
        assert verify(tape, BY_MARKS, count).status == 0
        assert tape.where()[1] == where
    tape.good(REWIND)
    assert verify(tape, BY_MARKS, 0).status == 0
    assert tape.where()[1] == 0
    assert verify(tape, BY_MARKS, 4).status == 0
    tape.good(REWIND)
    assert stopped(verify(tape, BY_MARKS, 6)) == (8, 0, 5, 0, 2)
    assert tape.where()[1] == 7


def test_to_the_end_of_data(tape: Tape) -> None:
    tape.write(b"one", 2, b"two")
    tape.good(REWIND)
    assert verify(tape, TO_END, 77).status == 0
    assert tape.where()[1] == 4
    assert verify(tape, TO_END).status == 0


def test_lengths_of_blocks_on_the_way(tape: Tape) -> None:
    tape.write(b"abcd", 1, b"abc", 1)
    tape.drive.block_length = 4
    tape.good(REWIND)
    assert stopped(verify(tape, BY_MARKS | FIXED, 2)) == (0, 0, 0, ILI, 1)
    assert tape.where()[1] == 3
    tape.good(REWIND)
    assert stopped(verify(tape, TO_END | FIXED)) == (0, 0, 0, ILI, None)
    tape.good(REWIND)
    assert verify(tape, TO_END).status == 0


def test_a_block_that_is_damaged_or_sealed_on_the_way(tape: Tape) -> None:
    tape.write(b"plain", 1)
    set_key(tape)
    tape.write(b"sealed", b"a block with this mark", 1)
    tape.good(REWIND)
    assert verify(tape, TO_END).status == 0
    set_key(tape, NOTHING)
    tape.good(REWIND)
    assert stopped(verify(tape, BY_MARKS, 2)) == (7, 0x74, 1, 0, 1)
    assert tape.where()[1] == 2
    set_key(tape, NOTHING)
    tape.write(b"a block with this mark", 1)
    data = bytearray(tape.file.read_bytes())
    data[data.index(b"this mark")] ^= 1
    with tape.file.open("r+b") as file:
        file.write(data)
    tape.good(REWIND)
    assert sense_of(verify(tape, TO_END)) == (3, 0x11, 0)


def test_explicit_addresses(tape: Tape) -> None:
    tape.write(b"one", b"two", 1, b"three")
    tape.good(far(0, 0, 1, 3))
    assert tape.where()[1] == 2
    tape.good(far(COMPARE, 0, 0, 3), b"one")
    tape.good(far(BY_MARKS, 0, 1, 1))
    assert tape.where()[1] == 3
    tape.good(far(TO_END, 0, 2, 0))
    assert tape.where()[1] == 4
    assert tape.refused(far(0, 1, 0, 3)) == (5, 0x24, 0)
    assert tape.refused(far(TO_END, 0, 9, 3)) == (8, 0, 5)


@pytest.mark.parametrize(
    ("flags", "bit"),
    [
        (TO_END | BY_MARKS, 3),
        (TO_END | COMPARE, 1),
        (BY_MARKS | COMPARE, 1),
        (TO_END | FIXED, 0),
        (BY_MARKS | FIXED, 0),
        (FIXED, 0),
        (METHOD, 4),
        (0x40, 6),
    ],
)
@pytest.mark.parametrize("opcode", [0x13, 0x8F])
def test_what_does_not_go_together(tape: Tape, opcode: int, flags: int, bit: int) -> None:
    cdb = bytes((0x13, flags, 0, 0, 1, 0)) if opcode == 0x13 else far(flags, 0, 0, 1)
    task = tape.run(cdb)
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task) == (True, 1, bit)


def test_the_method_of_protection_needs_one(tape: Tape) -> None:
    tape.write(b"one")
    tape.good(REWIND)
    protect(tape, 2, 0)
    assert verify(tape, METHOD, 3).status == 0


def test_an_hour_long_one_does_not_look_like_a_medium_that_hangs(tape: Tape) -> None:
    tape.write(b"one")
    tape.good(REWIND)
    task = tape.start(bytes((0x13, TO_END, 0, 0, 0, 0)))
    assert tape.drive.engaged
    tape.lane.drain()
    assert (task.status, tape.drive.engaged) == (0, False)
    tape.start(bytes((0x13, 0, 0, 0, 3, 0)))
    assert not tape.drive.engaged
    tape.lane.drain()


def test_behind_the_command_the_data_is_kept(tape: Tape) -> None:
    tape.write(b"one", b"two")
    tape.good(REWIND)
    task = tape.start(bytes((0x13, IMMED | COMPARE, 0, 0, 3, 0)), b"onx")
    assert task.status == 0
    task.release()
    tape.lane.drain()
    deferred = tape.run(TUR)
    assert (deferred.sense[0], sense_of(deferred)) == (0x71, (14, 0x1D, 0))
    assert verify(tape, IMMED | COMPARE, 3, b"two").status == 0
    assert tape.run(TUR).status == 0


def test_how_far_it_is(tape: Tape) -> None:
    tape.write(b"one", b"two", 2, b"abc", 1, b"longer")
    tape.good(REWIND)
    partition, told = tape.cartridge.partitions[0], []
    real = partition.read

    def read(*more: object) -> object:
        told.append(tape.good(bytes.fromhex("030000006000"))[12:18])
        return real(*more)  # type: ignore[arg-type]

    partition.read = read  # type: ignore[method-assign, assignment]
    tape.good(bytes((0x13, IMMED | TO_END, 0, 0, 0, 0)))
    tape.lane.drain()
    assert [each[:2] for each in told] == [b"\0\x1c"] * 4
    progress = [int.from_bytes(each[4:6], "big") for each in told]
    assert progress == [0, 65535 // 7, 4 * 65535 // 7, 6 * 65535 // 7]
