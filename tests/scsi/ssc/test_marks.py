"""WRITE FILEMARKS, ERASE, FORMAT MEDIUM (SSC-5)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import MIB, REWIND, Tape, other, stopped
from tests.scsi.workbench import GOOD, TUR, pointer_of, sense_of
from tgtd.media.cartridge.cartridge import Cartridge


def test_filemarks_are_durable(tape: Tape) -> None:
    """Without IMMED all that was written is on stable storage: what another finds there, after this one is gone."""
    tape.write(b"one", 1)
    os.close(tape.cartridge._fd)
    again = Cartridge.open(str(tape.file))
    assert again.partitions[0].objects == 2
    tape.cartridge = again


def test_none_is_a_flush(tape: Tape, monkeypatch: object) -> None:
    calls: list[None] = []
    real = tape.cartridge.synchronize
    tape.cartridge.synchronize = lambda: calls.append(real())  # type: ignore[method-assign, func-returns-value]
    tape.good(bytes.fromhex("100000000000"))
    tape.good(bytes.fromhex("100100000000"))
    assert len(calls) == 1
    assert tape.where() == (0, 0, 0)


def test_sixteen(tape: Tape) -> None:
    tape.good(struct.pack(">BB10x3sx", 0x80, 0, (3).to_bytes(3, "big")))
    assert tape.where() == (0, 3, 3)
    tape.good(struct.pack(">BBxBQ3sx", 0x80, 0, 0, 1, (1).to_bytes(3, "big")))
    assert tape.where() == (0, 2, 2)
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
    task = tape.run(struct.pack(">BBxBQ3sx", 0x80, 0, 3, 0, b"\0\0\1"))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 3, 7))


def test_erase(tape: Tape) -> None:
    tape.write(b"one", b"two", 1)
    tape.good(REWIND)
    tape.read(3)
    tape.good(bytes.fromhex("190100000000"))
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
    tape.good(REWIND)
    assert tape.read(3).data_in == b"one"


def test_long_erase_tells_how_far_it_is(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the command, as REQUEST SENSE and TEST UNIT READY have it; a reset ends it."""
    seen: list[tuple[tuple[int, int, int], int]] = []

    def wipe(partition: int) -> Iterator[float]:
        for share in (0.25, 0.5, 0.75):
            yield share
            sense = bytes(tape.start(bytes.fromhex("030000006000")).data_in or b"")
            seen.append(((sense[2], sense[12], sense[13]), int.from_bytes(sense[16:18], "big")))
            if share == 0.5:
                tape.drive.reset(None)

    tape.write(b"one", b"two")
    tape.good(REWIND)
    monkeypatch.setattr(tape.cartridge, "wipe", wipe)
    tape.good(bytes.fromhex("190300000000"))
    tape.lane.drain()
    assert seen == [((0, 0, 0x18), 65535 // 4), ((0, 0, 0x18), 65535 // 2)]
    tape.ready()
    assert tape.cartridge.partitions[0].objects == 0


def test_an_abort_ends_a_long_erase(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def wipe(partition: int) -> Iterator[float]:
        for share in (0.25, 0.5):
            shares.append(share)
            tape.drive.abort_tasks(task.itl, task.tag)
            yield share

    monkeypatch.setattr(tape.cartridge, "wipe", wipe)
    task = tape.start(bytes.fromhex("190100000000"))
    assert tape.drive.engaged, "nobody shall think that the medium hangs"
    tape.lane.drain()
    assert shares == [0.25]


def test_erase_says_where(tape: Tape) -> None:
    tape.write(b"one", b"two", 1)
    tape.good(struct.pack(">BBxBQ4x", 0x93, 0, 0, 1))
    assert tape.where() == (0, 1, 0)
    assert tape.refused(struct.pack(">BBxBQ4x", 0x93, 0, 0, 5)) == (8, 0, 5)
    tape.good(REWIND)
    assert tape.read(3).data_in == b"one"


@pytest.mark.parametrize(("flags", "left"), [(0, True), (1, False)])
def test_a_long_erase_leaves_nothing_in_the_file(tape: Tape, flags: int, left: bool) -> None:
    tape.write(b"keep", b"a secret")
    tape.good(REWIND)
    tape.read(4)
    tape.good(bytes((0x19, flags, 0, 0, 0, 0)))
    whole = tape.file.read_bytes()
    assert b"keep" in whole
    assert (b"a secret" in whole) == left


@pytest.mark.parametrize(
    ("cdb", "polled", "refused"),
    [
        ("190200000000", (0, 0, 0x18), (2, 4, 7)),
        ("190300000000", (0, 0, 0x18), (2, 4, 7)),
        ("040100000000", (2, 4, 4), (2, 4, 4)),
        ("0b0100800000", (0, 0, 0x1B), (2, 4, 7)),
    ],
)
def test_immediately(tape: Tape, cdb: str, polled: tuple[int, int, int], refused: tuple[int, int, int]) -> None:
    tape.write(b"one")
    tape.good(REWIND)
    task = tape.start(bytes.fromhex(cdb))
    assert task.status == GOOD
    sense = bytes(tape.start(bytes.fromhex("030000006000")).data_in or b"")
    assert (sense[2], sense[12], sense[13]) == polled
    assert sense_of(tape.start(TUR)) == refused
    tape.lane.drain()
    assert tape.run(TUR).status == GOOD
    assert stopped(tape.read(3))[:3] == (8, 0, 5)


def test_a_part_of_the_tape(tape: Tape) -> None:
    tape.write(b"one")
    cdb = bytes.fromhex("0b0000400000")
    assert tape.refused(cdb) == (5, 0x3B, 0x0C)
    tape.good(REWIND)
    tape.good(cdb)
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
    assert tape.cartridge.partitions[0].capacity == 64 * MIB * 0x4000 // 65535
    tape.good(bytes.fromhex("040000000000"))
    assert tape.cartridge.partitions[0].capacity == 64 * MIB * 0x4000 // 65535
    tape.cartridge.close()
    tape.cartridge = Cartridge.open(str(tape.file))
    assert (tape.cartridge.available, tape.cartridge.capacity) == (64 * MIB * 0x4000 // 65535, 64 * MIB)
    tape.cartridge.format([64 * MIB], tape.cartridge.density, 64 * MIB)


def test_less_than_the_least(tape: Tape) -> None:
    assert tape.refused(bytes.fromhex("0b0000000000")) == (1, 0x37, 0)
    assert tape.cartridge.partitions[0].capacity == MIB
    tape.good(bytes.fromhex("0b0000ffff00"))
    assert tape.cartridge.partitions[0].capacity == 64 * MIB


def test_a_part_of_a_worm_tape(tmp_path: Path) -> None:
    tape = other(tmp_path / "worm", kind="worm")
    tape.good(bytes.fromhex("0b0000800000"))
    tape.write(b"one")
    tape.good(REWIND)
    assert tape.refused(bytes.fromhex("0b0000ffff00")) == (7, 0x30, 0x0C)
    assert tape.read(3).data_in == b"one"
    tape.cartridge.close()


def test_format(tape: Tape) -> None:
    tape.write(b"one", 1)
    assert tape.refused(bytes.fromhex("040000000000")) == (5, 0x3B, 0x0C)
    tape.good(REWIND)
    assert tape.run(bytes.fromhex("040000000000")).status == GOOD
    assert stopped(tape.read(3))[:3] == (8, 0, 5)
