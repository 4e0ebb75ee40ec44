"""Positions as arithmetic: files, and what was lost (test_motion.py has the commands)."""

from __future__ import annotations

import struct
import time

import pytest

from tests.scsi.ssc.taping import REWIND, Tape, stopped
from tgtd.scsi.sense import UNRECOVERED_READ_ERROR
from tgtd.scsi.ssc.head import (
    Head,
    Stopped,
    end,
    filemark_number,
    filemarks_before,
    locate_file,
    record_at,
    space_sequential_filemarks,
)


def test_files(tape: Tape) -> None:
    tape.write(b"a", 2, b"b", 1)
    partition = tape.cartridge.partitions[0]
    assert [filemarks_before(partition, number) for number in range(6)] == [0, 0, 1, 2, 2, 3]
    assert [filemark_number(partition, count) for count in (1, 2, 3)] == [1, 2, 4]
    assert [locate_file(partition, Head(), number).number for number in range(4)] == [0, 2, 3, 5]
    assert record_at(partition, Head(0, 3)) == record_at(partition, Head(0, 3, partition.find(2)))


def test_what_was_lost_is_no_end(tape: Tape) -> None:
    tape.write(b"a")
    partition = tape.cartridge.partitions[0]
    partition.lost = 3
    for move in (lambda: end(partition, Head()), lambda: record_at(partition, Head(0, 1))):
        with pytest.raises(Stopped) as stopped:
            move()
        assert stopped.value.sense == UNRECOVERED_READ_ERROR


def test_nobody_waits_any_more_for_sequential_filemarks(tape: Tape) -> None:
    """To look at every run of a tape that is full of them may take hours."""
    tape.write(1, b"a", 1, b"b", 1, b"c")
    partition, asked = tape.cartridge.partitions[0], []

    def unwanted() -> bool:
        asked.append(True)
        return len(asked) > 1

    assert space_sequential_filemarks(partition, Head(), 2, unwanted) == Head()
    assert len(asked) == 2
    asked.clear()
    assert space_sequential_filemarks(partition, Head(0, 6), -2, unwanted) == Head(0, 6)
    assert len(asked) == 2
    task = tape.start(bytes.fromhex("110200000200"))
    tape.drive.abort_tasks(task.itl)
    tape.lane.drain()
    assert tape.drive.head == Head(0, 6)


def test_sequential_filemarks_are_found_by_runs(tape: Tape) -> None:
    """Millions of filemarks, none of them in a row that is long enough: a look at each run, not at each filemark."""
    most = 0xFFFFFF
    for _ in range(3):
        tape.good(b"\x10\0" + most.to_bytes(3, "big") + b"\0")
        tape.write(b"x")
    tape.write(1, 2)
    tape.good(REWIND)
    wide = struct.Struct(">BBxxq4x")
    began = time.monotonic()
    assert stopped(tape.run(wide.pack(0x91, 2, most + 1)))[:3] == (8, 0, 5)
    tape.good(REWIND)
    tape.good(wide.pack(0x91, 2, most))
    assert tape.where()[1] == most
    tape.good(bytes.fromhex("110300000000"))
    end = tape.where()[1]
    assert stopped(tape.run(wide.pack(0x91, 2, -most - 1)))[:3] == (0, 0, 4)
    tape.good(wide.pack(0x91, 3, 0))
    tape.good(wide.pack(0x91, 2, -4))
    assert tape.where()[1] == 3 * (most + 1) - 5
    tape.good(wide.pack(0x91, 3, 0))
    tape.good(wide.pack(0x91, 2, -3))
    assert tape.where()[1] == end - 3
    assert time.monotonic() - began < 10
