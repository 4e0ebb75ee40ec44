"""What goes on behind WRITE FILEMARKS with IMMED (SSC-5 6.8): a flush, beside which blocks are written and read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import MIB, REWIND, Tape
from tests.scsi.workbench import GOOD, TUR, sense_of
from tgtd.media.cartridge.cartridge import Cartridge
from tgtd.scsi.pace import Pace
from tgtd.scsi.task import PENDING

MARK = bytes.fromhex("100100000100")
FLUSH = bytes.fromhex("100000000000")
WRITE = bytes.fromhex("0a0000000300")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing is never slow, whatever else the machine does."""
    monkeypatch.setattr(Pace, "took", lambda self, seconds: None)


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often something was brought to stable storage."""
    calls: list[int] = []
    real = os.fdatasync

    def count(fd: int) -> None:
        real(fd)
        calls.append(fd)

    monkeypatch.setattr(os, "fdatasync", count)
    return calls


def broken(*_: object) -> None:
    raise OSError(errno.EIO, "dead")


def test_it_is_answered_at_once(tape: Tape, flushes: list[int]) -> None:
    tape.write(b"one")
    assert tape.start(MARK).status == GOOD
    assert not flushes
    assert tape.drive.head[:2] == (0, 2)
    assert tape.start(TUR).status == GOOD, "the drive is not busy"
    assert tape.start(bytes.fromhex("030000006000")).data_in[2:3] == b"\0"  # type: ignore[index]
    tape.lane.drain()
    assert flushes
    del flushes[:]
    tape.good(FLUSH)
    assert not flushes, "all was kept before"


@pytest.mark.parametrize("cdb", [FLUSH, REWIND, bytes.fromhex("1b0000000000"), bytes.fromhex("110300000000")])
def test_what_synchronizes_waits_for_it(tape: Tape, cdb: bytes, flushes: list[int]) -> None:
    tape.write(b"one")
    tape.start(MARK)
    task = tape.start(cdb)
    assert (task.status, len(tape.lane.jobs)) == (PENDING, 1)
    tape.lane.step()
    assert flushes
    tape.lane.drain()
    assert task.status == GOOD


def test_blocks_are_written_and_read_beside_it(tape: Tape, flushes: list[int]) -> None:
    tape.write(b"one", b"two")
    tape.start(MARK)
    assert tape.start(WRITE, b"new").status == GOOD
    assert not flushes
    tape.lane.drain()
    assert tape.where() == (0, 4, 1)
    tape.good(REWIND)
    tape.read(3)
    tape.start(bytes.fromhex("100100000000"))  # none: a flush alone
    assert tape.start(bytes.fromhex("080000000300")).data_in == b"two"
    assert len(tape.lane.jobs) == 1
    tape.lane.drain()


def test_what_is_refused_beside_it_is_answered(tape: Tape) -> None:
    tape.write(b"one")
    tape.start(MARK)
    task = tape.start(bytes.fromhex("8a0000090000000000000000 00000300"), b"new")
    assert sense_of(task) == (5, 0x24, 0)
    tape.lane.drain()


def test_whoever_waits_is_not_overtaken(tape: Tape) -> None:
    tape.write(b"one")
    tape.start(MARK)
    first, second = tape.start(REWIND), tape.start(WRITE, b"new")
    assert (first.status, second.status) == (PENDING, PENDING)
    tape.lane.drain()
    assert (first.status, second.status) == (GOOD, GOOD)
    assert tape.cartridge.partitions[0].objects == 1


def test_it_is_there_after_a_loss_of_power(tape: Tape, tmp_path: Path) -> None:
    """All that was written before, in segments that no label knew yet; what comes meanwhile, as far as it is whole."""
    tape.write(*(bytes((number,)) * MIB for number in range(3)))
    tape.start(MARK)
    for number in range(3):
        assert tape.start(bytes.fromhex("0a0010000000"), bytes((9 + number,)) * MIB).status == GOOD
    tape.lane.step()
    shutil.copy(tape.file, tmp_path / "after")
    found = Cartridge.open(str(tmp_path / "after"))
    partition = found.partitions[0]
    assert partition.objects >= 4
    into = memoryview(bytearray(MIB))
    for number in range(3):
        partition.read(partition.find(number), into)
        assert into == bytes((number,)) * MIB
    found.close()


def test_a_failure_is_a_deferred_error(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whose command it was; and the next synchronize fails, as the kernel tells it once."""
    second = tape.connect("b")
    tape.ready(nexus=second)
    tape.write(b"one")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        tape.start(MARK)
        tape.lane.drain()
    assert tape.drive.counters.medium_errors == 1
    task = tape.run(FLUSH, nexus=second)
    assert (task.sense[0], sense_of(task)) == (0x70, (3, 0x0C, 0))
    task = tape.run(TUR)
    assert (task.sense[0], sense_of(task)) == (0x71, (3, 0x0C, 0))
    tape.good(FLUSH)
    assert tape.where()[:2] == (0, 2)


def test_who_asks_meanwhile_has_another(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time; of both, each hears of its own."""
    second = tape.connect("b")
    tape.ready(nexus=second)
    tape.write(b"one")
    tape.start(MARK)
    for _ in range(2):
        assert tape.start(MARK, nexus=second).status == GOOD
        assert len(tape.lane.jobs) == 1
    tape.lane.step()
    assert len(tape.lane.jobs) == 1
    monkeypatch.setattr(os, "fdatasync", broken)
    tape.lane.drain()
    monkeypatch.undo()
    assert tape.run(TUR).status == GOOD
    task = tape.run(TUR, nexus=second)
    assert (task.sense[0], sense_of(task)) == (0x71, (3, 0x0C, 0))
    assert tape.run(TUR, nexus=second).status == GOOD


def test_by_a_worker_when_writing_is_slow(tape: Tape, flushes: list[int]) -> None:
    tape.drive.pace.rest = 1
    task = tape.start(MARK)
    assert task.status == PENDING
    tape.lane.step()
    assert (task.status, len(tape.lane.jobs), flushes) == (GOOD, 1, [])
    tape.lane.drain()
    assert flushes


@pytest.mark.parametrize("away", [lambda tape: tape.drive.offline(), lambda tape: tape.drive.take_out()])
def test_a_cartridge_that_is_taken_away(tape: Tape, away: Callable[[Tape], object], flushes: list[int]) -> None:
    """Its lane finishes what it has begun; nothing is begun for what is gone."""
    tape.write(b"one")
    tape.start(MARK)
    tape.start(MARK)
    away(tape)
    tape.lane.drain()
    assert len(set(flushes)) == 1
    assert not tape.drive.flushing.running


def test_an_initiator_that_is_gone(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    tape.write(b"one")
    tape.start(MARK)
    tape.target.disconnect(tape.nexus)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", broken)
        tape.lane.drain()
    tape.nexus = tape.connect("c")
    tape.ready()
    assert tape.run(TUR).status == GOOD
