"""READ and WRITE of blocks: lengths that fit and do not, filemarks, ends (SSC-5 7.4, 6.4)."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.scsi.ssc.taping import EOM, FILEMARK, ILI, MIB, REWIND, Tape, other, stopped
from tests.scsi.workbench import GOOD
from tgtd.scsi.task import PENDING

NO_SENSE, MEDIUM_ERROR, DATA_PROTECT, BLANK_CHECK, OVERFLOW = 0, 3, 7, 8, 13


def test_blocks_of_any_length(tape: Tape) -> None:
    blocks = [os.urandom(length) for length in (1, 512, 100_000)]
    tape.write(*blocks)
    tape.good(REWIND)
    for block in blocks:
        task = tape.read(len(block))
        assert (task.status, task.data_in) == (GOOD, block)
    assert tape.where() == (0, 3, 0)


def test_a_block_of_another_length(tape: Tape) -> None:
    tape.write(b"a" * 100, b"b" * 300, b"c")
    tape.good(REWIND)
    short = tape.read(200)
    assert stopped(short) == (NO_SENSE, 0, 0, ILI, 100)
    assert short.data_in == b"a" * 100
    long = tape.read(200)
    assert stopped(long) == (NO_SENSE, 0, 0, ILI, -100)
    assert long.data_in == b"b" * 200
    assert tape.read(1).data_in == b"c"


def test_sili(tape: Tape) -> None:
    """Too short is no error, too long only with a declared block length."""
    tape.write(b"a" * 100, b"b" * 300, b"b" * 300)
    tape.good(REWIND)
    assert (tape.read(200, 2).status, tape.read(200, 2).data_in) == (GOOD, b"b" * 200)
    tape.drive.block_length = 512
    assert stopped(tape.read(200, 2)) == (NO_SENSE, 0, 0, ILI, -100)


def test_fixed_blocks(tape: Tape) -> None:
    tape.drive.block_length = 512
    data = os.urandom(4 * 512)
    tape.good(bytes.fromhex("0a0100000400"), data)
    tape.write(1)
    tape.good(REWIND)
    assert tape.read(3, 1).data_in == data[:1536]
    rest = tape.read(3, 1)
    assert stopped(rest) == (NO_SENSE, 0, 1, FILEMARK, 2)
    assert rest.data_in == data[1536:]
    assert tape.where() == (0, 5, 1)


def test_fixed_blocks_of_another_length(tape: Tape) -> None:
    tape.write(b"a" * 512, b"b" * 100, b"c" * 512)
    tape.good(REWIND)
    tape.drive.block_length = 512
    task = tape.read(3, 1)
    assert stopped(task) == (NO_SENSE, 0, 0, ILI, 2)
    assert task.data_in == b"a" * 512
    assert tape.read(1, 1).data_in == b"c" * 512


@pytest.mark.parametrize("cdb", ["080100000100", "080300000100", "0a0100000100"])
def test_what_makes_no_sense_with_fixed_blocks(tape: Tape, cdb: str) -> None:
    """No length is declared, or SILI is set as well."""
    tape.drive.block_length = 512 if cdb[3] == "3" else 0
    assert tape.refused(bytes.fromhex(cdb), b"x" * 512 if cdb[1] == "a" else None) == (5, 0x24, 0)


def test_filemarks_and_the_end(tape: Tape) -> None:
    tape.write(b"x", 2)
    tape.good(REWIND)
    tape.read(1)
    assert stopped(tape.read(7)) == (NO_SENSE, 0, 1, FILEMARK, 7)
    assert stopped(tape.read(7)) == (NO_SENSE, 0, 1, FILEMARK, 7)
    assert stopped(tape.read(7)) == (BLANK_CHECK, 0, 5, 0, 7)
    assert tape.where() == (0, 3, 2)


def test_nothing_asked_for_moves_nothing(tape: Tape) -> None:
    tape.write(b"x")
    tape.good(REWIND)
    assert tape.read(0).status == GOOD
    tape.write(b"")
    assert tape.where() == (0, 0, 0)


def test_overwriting_ends_the_data(tape: Tape) -> None:
    tape.write(b"one", 1, b"two", b"three")
    tape.good(REWIND)
    tape.read(3)
    tape.write(b"new")
    assert stopped(tape.read(3)) == (BLANK_CHECK, 0, 5, 0, 3)
    tape.good(REWIND)
    assert [tape.read(3).data_in, tape.read(3).data_in] == [b"one", b"new"]


def test_worm_is_only_added_to(tmp_path: Path) -> None:
    tape = other(tmp_path / "worm", kind="worm")
    tape.write(b"one", 1)
    tape.write(b"two")
    tape.good(REWIND)
    task = tape.run(bytes.fromhex("0a0000000300"), b"new")
    assert stopped(task)[:3] == (DATA_PROTECT, 0x30, 0x0C)
    assert tape.refused(bytes.fromhex("190000000000")) == (DATA_PROTECT, 0x30, 0x0C)
    assert tape.refused(bytes.fromhex("040000000000")) == (DATA_PROTECT, 0x30, 0x0C)
    assert tape.read(3).data_in == b"one"
    tape.cartridge.close()


def test_near_the_end_and_at_it(tmp_path: Path) -> None:
    tape = other(tmp_path / "small", capacity=4 * MIB)
    block = bytes(MIB - 100)
    cdb = bytes((0x0A, 0)) + len(block).to_bytes(3, "big") + b"\0"
    tape.good(cdb, block)
    tape.good(cdb, block)
    tape.good(cdb, block)
    assert stopped(tape.run(cdb, block)) == (NO_SENSE, 0, 2, EOM, 0)
    assert stopped(tape.run(cdb, block)) == (OVERFLOW, 0, 2, EOM, len(block))
    assert stopped(tape.run(bytes.fromhex("100000000100"))) == (NO_SENSE, 0, 2, EOM, 0)
    assert tape.where() == (0, 5, 1)
    tape.good(REWIND)
    for _ in range(4):
        assert tape.read(len(block)).data_in == block
    tape.cartridge.close()


def test_rot_is_told_at_its_block(tape: Tape) -> None:
    blocks = [bytes((number,)) * 5000 for number in range(3)]
    tape.write(*blocks)
    with tape.file.open("r+b") as file:
        whole = tape.file.read_bytes()
        file.seek(whole.index(blocks[1]) + 77)
        file.write(b"!")
    tape.good(REWIND)
    assert tape.read(5000).data_in == blocks[0]
    assert stopped(tape.read(5000))[:2] == (MEDIUM_ERROR, 0x11)
    tape.good(bytes.fromhex("2b00000000000200 0000"))
    assert tape.read(5000).data_in == blocks[2]


def test_explicit_addresses(tape: Tape) -> None:
    tape.write(b"one", b"two")
    read = struct.pack(">BBxBQBHx", 0x88, 0, 0, 1, 0, 3)
    assert tape.good(read) == b"two"
    assert tape.refused(struct.pack(">BBxBQBHx", 0x88, 0, 1, 0, 0, 3)) == (5, 0x24, 0)
    assert tape.refused(struct.pack(">BBxBQBHx", 0x88, 0, 0, 9, 0, 3)) == (8, 0, 5)


def test_an_aborted_write_that_was_done_has_moved_the_tape(tape: Tape) -> None:
    """What comes next begins where the tape is, not where the initiator thinks."""
    tape.drive.pace.rest = 1
    task = tape.start(bytes.fromhex("0a0000000300"), b"one")
    work, done = tape.lane.jobs.pop()
    work()
    tape.drive.abort_tasks(task.itl, task.tag)
    done(None)
    assert tape.where() == (0, 1, 0)


def test_an_aborted_write_that_was_not_begun_does_nothing(tape: Tape) -> None:
    tape.drive.pace.rest = 1
    task = tape.start(bytes.fromhex("0a0000000300"), b"one")
    tape.drive.abort_tasks(task.itl, task.tag)
    tape.lane.drain()
    assert tape.where() == (0, 0, 0)


def test_commands_take_turns(tape: Tape) -> None:
    tape.drive.pace.rest = 5
    tasks = [tape.start(bytes.fromhex("0a0000000300"), b"%03d" % number) for number in range(5)]
    assert len(tape.lane.jobs) == 1
    tape.lane.drain()
    assert [task.status for task in tasks] == [GOOD] * 5
    tape.good(REWIND)
    assert [tape.read(3).data_in for _ in range(5)] == [b"%03d" % number for number in range(5)]


def test_blocks_that_follow_are_done_at_once(tape: Tape) -> None:
    """In the loop thread: a worker is asked for the first one only, and for what is not as it is asked for."""
    for number in range(4):
        assert tape.start(bytes.fromhex("0a0000000300"), b"%03d" % number).status == GOOD
    tape.good(REWIND)
    first = tape.start(bytes.fromhex("080000000300"))
    assert (first.status, len(tape.lane.jobs)) == (PENDING, 1)
    tape.lane.drain()
    second = tape.start(bytes.fromhex("080000000300"))
    assert (second.status, bytes(second.data_in or b"")) == (GOOD, b"001")
    shorter = tape.start(bytes.fromhex("080000000200"))
    assert shorter.status == PENDING
    tape.lane.drain()
    assert stopped(shorter)[3] == ILI
    assert tape.start(bytes.fromhex("080000000300")).status == GOOD
    assert tape.where() == (0, 4, 0)
    assert tape.drive.counters.read_bytes == 3 + 3 + 2 + 3


def test_what_is_written_at_once_ends_where_the_tape_does(tmp_path: Path) -> None:
    tape = other(tmp_path / "small", capacity=2 * MIB)
    block = bytes(256 << 10)
    tasks = [tape.start(b"\x0a\0\x04\0\0\0", block) for _ in range(9)]
    assert not tape.lane.jobs
    ends = [task.status for task in tasks]
    assert ends[0] == GOOD
    assert stopped(tasks[6])[:4] == (0, 0, 2, EOM)
    assert stopped(tasks[-1])[:4] == (13, 0, 2, EOM)
    assert tape.where()[1] == 7
    tape.cartridge.close()


def test_a_slow_write_sends_the_next_ones_to_the_workers(tape: Tape) -> None:
    tape.drive.pace.took(1.0)
    assert tape.start(bytes.fromhex("0a0000000300"), b"one").status == PENDING
    tape.lane.drain()


def test_a_block_that_is_damaged_is_none_at_once(tape: Tape) -> None:
    tape.write(b"one", b"two", b"three")
    tape.good(REWIND)
    tape.read(3)
    at = tape.file.read_bytes().rindex(b"two")
    with tape.file.open("r+b") as file:
        file.seek(at)
        file.write(b"twx")
    task = tape.read(3)
    assert stopped(task)[0] == 3


@pytest.mark.parametrize("cdb", ["0a0100100000", "080100100000", "130100100000"])
def test_an_abort_ends_a_long_command_at_its_next_block(tape: Tape, cdb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 MiB in blocks of a byte take minutes: what waits behind them shall not."""
    tape.drive.block_length = 1
    tape.good(bytes.fromhex("0a0100100000"), bytes(0x1000))
    tape.good(REWIND)
    partition = tape.cartridge.partitions[0]
    task = tape.start(bytes.fromhex(cdb), bytes(0x1000) if cdb.startswith("0a") else None)
    blocks = []

    def one(verb: Any) -> Any:
        def act(*what: Any) -> Any:
            blocks.append(what)
            if len(blocks) == 10:
                tape.drive.abort_tasks(task.itl, task.tag)
            return verb(*what)

        return act

    monkeypatch.setattr(partition, "read", one(partition.read))
    monkeypatch.setattr(partition, "append_block", one(partition.append_block))
    tape.lane.drain()
    assert tape.where()[1] == 10


class Failing:
    """`append_block` or `read` of a partition, which fails the n-th time, from 0."""

    def __init__(self, verb: Any, when: int, number: int = errno.EIO) -> None:
        self.verb, self.left, self.number = verb, when, number

    def __call__(self, *what: Any) -> Any:
        self.left -= 1
        if self.left == -1:
            raise OSError(self.number, "dead")
        return self.verb(*what)


@pytest.mark.parametrize("rest", [0, 1])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_medium_that_fails_in_the_middle_of_a_write(
    tape: Tape, rest: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once or by a worker: the drive is behind what was written, and INFORMATION says how much was not."""
    tape.drive.block_length = 4
    tape.drive.pace.rest = rest
    partition = tape.cartridge.partitions[0]
    with monkeypatch.context() as patch:
        patch.setattr(partition, "append_block", Failing(partition.append_block, 3, number))
        task = tape.run(bytes.fromhex("0a0100000500"), b"one two 333 4444five")
    assert stopped(task) == (3, 0x0C, 0, 0, 2)
    assert tape.where()[:2] == (0, 3)
    assert (tape.drive.counters.write_bytes, tape.drive.counters.medium_errors) == (12, 1)
    tape.good(bytes.fromhex("0a0100000200"), b"4444five")
    tape.good(REWIND)
    assert tape.read(5, 1).data_in == b"one two 333 4444five"


def test_a_medium_that_fails_with_a_block_of_any_length(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    tape.write(b"one")
    partition = tape.cartridge.partitions[0]
    with monkeypatch.context() as patch:
        patch.setattr(partition, "append_block", Failing(partition.append_block, 0))
        task = tape.run(bytes.fromhex("0a0000000300"), b"two")
    assert stopped(task) == (3, 0x0C, 0, 0, 3)
    assert tape.where()[:2] == (0, 1)


def test_a_medium_that_fails_before_anything_is_overwritten(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    tape.write(b"one", b"two")
    tape.good(REWIND)
    tape.drive.block_length = 3
    with monkeypatch.context() as patch:
        patch.setattr(tape.cartridge, "cut", Failing(tape.cartridge.cut, 0))
        task = tape.run(bytes.fromhex("0a0100000200"), b"newnew")
    assert stopped(task) == (3, 0x0C, 0, 0, 2)
    assert tape.where()[:2] == (0, 0)
    assert tape.read(3).data_in == b"one"


@pytest.mark.parametrize("before", [0, 32])
def test_behind_a_block_that_cannot_be_read(tape: Tape, before: int) -> None:
    """What came before it is handed over, and the next READ has what follows."""
    tape.drive.block_length = 4
    tape.good(bytes.fromhex("0a0100000400"), b"111122223333four")
    tape.good(REWIND)
    data = tape.file.read_bytes()
    at = data.rindex(b"2222") - before  # the data, or the header
    with tape.file.open("r+b") as file:
        file.seek(at)
        file.write(bytes(byte ^ 1 for byte in data[at : at + 4]))
    task = tape.read(4, 1)
    assert stopped(task) == (3, 0x11, 0, 0, 3)
    assert task.data_in == b"1111"
    assert tape.where()[:2] == (0, 2)
    assert tape.read(2, 1).data_in == b"3333four"
    tape.good(REWIND)
    assert stopped(tape.run(bytes.fromhex("130100000400"))) == (3, 0x11, 0, 0, 3)
    assert tape.where()[:2] == (0, 2)


def test_over_a_block_that_cannot_be_read(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of blocks of any length INFORMATION is what was asked for; VERIFY up to a filemark tells how many are left."""
    tape.write(b"one", b"two", 1)
    partition = tape.cartridge.partitions[0]
    for cdb, residue in (("080000000500", 5), ("130800000100", 1)):
        tape.good(REWIND)
        with monkeypatch.context() as patch:
            patch.setattr(partition, "read", Failing(partition.read, 0))
            assert stopped(tape.run(bytes.fromhex(cdb))) == (3, 0x11, 0, 0, residue)
        assert tape.read(3).data_in == b"two"
