"""Positions as arithmetic: files, and what was lost (test_motion.py has the commands)."""

from __future__ import annotations

import pytest

from tests.scsi.ssc.taping import Tape
from tgtd.scsi.sense import UNRECOVERED_READ_ERROR
from tgtd.scsi.ssc.head import Head, Stopped, end, filemark_number, filemarks_before, locate_file, record_at


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
