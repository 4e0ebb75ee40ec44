"""Partitions: the page, FORMAT MEDIUM, and life in several of them (SSC-5 7.1, 8.3.6)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import MIB, Tape, other, stopped
from tgtd.scsi.ssc.division import Division

FORMAT = bytes.fromhex("040001000000")


def select(tape: Tape, additional: int, flags: int, *sizes: int, units: int = 6) -> bytes:
    page = struct.pack(">BBBBBBBx4H", 0x11, 14, 0, additional, flags, 3, units, *(*sizes, 0, 0, 0, 0)[:4])
    page = page[:2] + bytes((tape.drive.personality.partitions - 1,)) + page[3:4] + bytes((flags | 4,)) + page[5:]
    return bytes((0, 0, 0x10, 0)) + page


def choose(tape: Tape, *rest: int, **more: int) -> None:
    data = select(tape, *rest, **more)
    tape.good(bytes((0x15, 0x10, 0, 0, len(data), 0)), data)


@pytest.mark.parametrize(
    ("division", "sizes"),
    [
        (Division(), [100]),
        (Division(additional=1), [50, 50]),
        (Division(additional=1, declared=1, scale=0, sizes=(10, 0xFFFF, 0, 0)), [10, 90]),
        (Division(additional=1, declared=1, scale=3, power=1, sizes=(2, 8, 0, 0)), [20, 80]),
        (Division(additional=1, declared=1, scale=0, sizes=(60, 60, 0, 0)), None),
        (Division(additional=1, declared=1, scale=0, sizes=(0xFFFF, 0xFFFF, 0, 0)), None),
        (Division(additional=1, declared=1, scale=0, sizes=(0, 100, 0, 0)), None),
    ],
)
def test_sizes(division: Division, sizes: list[int] | None) -> None:
    if sizes is None:
        with pytest.raises(ValueError, match="cannot be divided"):
            division.capacities(100)
    else:
        assert division.capacities(100) == sizes


def test_two_partitions(tape: Tape) -> None:
    choose(tape, 1, 0x38, 10, 0xFFFF)
    tape.good(FORMAT)
    assert [one.capacity for one in tape.cartridge.partitions] == [10_000_000, 64 * MIB - 10_000_000]
    tape.write(b"index", 1)
    tape.good(struct.pack(">BBxBQ4x", 0x92, 0x02, 1, 0))
    tape.write(b"data")
    assert tape.where() == (1, 1, 0)
    tape.good(struct.pack(">BBxBQ4x", 0x92, 0x02, 0, 0))
    assert tape.read(5).data_in == b"index"
    assert tape.good(bytes.fromhex("8c0300000000000000000000ffff0000")) == bytes.fromhex("00020002")
    tape.good(bytes.fromhex("010000000000"))
    tape.good(bytes.fromhex("040000000000"))
    assert len(tape.cartridge.partitions) == 1
    assert stopped(tape.read(5))[:3] == (8, 0, 5)


def test_what_does_not_fit(tape: Tape) -> None:
    choose(tape, 1, 0x38, 60, 60)
    assert tape.refused(FORMAT) == (5, 0x24, 0)
    choose(tape, 7, 0x20, 1, 1, 1, 1)
    assert tape.refused(FORMAT) == (5, 0x24, 0)
    assert len(tape.cartridge.partitions) == 1


def test_a_drive_with_one_partition(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", personality="lto-3")
    assert tape.refused(FORMAT) == (5, 0x24, 0)
    data = select(tape, 1, 0x38, 10, 10)
    assert tape.refused(bytes((0x15, 0x10, 0, 0, len(data), 0)), data) == (5, 0x26, 0)
    tape.cartridge.close()


def test_a_partition_of_one_byte_has_all_pages(tape: Tape) -> None:
    """Its early warning is at its beginning, not before it."""
    choose(tape, 1, 0x20, 1, 0xFFFF)
    tape.good(FORMAT)
    assert tape.cartridge.partitions[0].capacity == 1
    for code in tape.good(bytes.fromhex("4d004000000000ffff00"))[4:]:
        tape.good(bytes((0x4D, 0, 0x40 | code, 0, 0, 0, 0, 0xFF, 0xFF, 0)))
    tape.good(bytes.fromhex("34060000000000000000"))
    assert tape.run(bytes.fromhex("0a0000000200"), b"xx").status
    assert tape.drive.faults == 0
