"""tgtd.scsi.ssc.ground: append-only mode, WORM, ALLOW OVERWRITE, early warnings (SSC-5 4.2.5, 4.2.18, 4.2.19)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import EOM, MIB, REWIND, Tape, other, stopped
from tests.scsi.workbench import GOOD, pointer_of, sense_of
from tgtd.scsi.task import Task

PROTECTED = (7, 0x5A, 2)
WORM = (7, 0x30, 0x0C)
MB = 1_000_000


def select(tape: Tape, mode: int = 0, warning: int = 0, **more: int) -> Task:
    page = bytearray(struct.pack(">BBHBBH24x", 0x50, 1, 28, 0, mode << 4 | 2, warning))
    for at, value in more.items():
        page[int(at[1:])] = value
    return tape.run(bytes.fromhex("151000002400"), bytes(4) + bytes(page))


def allow(kind: int, partition: int = 0, number: int = 0) -> bytes:
    return struct.pack(">BxBBQ4x", 0x82, kind, partition, number)


def write(tape: Tape, data: bytes = b"new") -> Task:
    return tape.run(bytes((0x0A, 0)) + len(data).to_bytes(3, "big") + b"\0", data)


@pytest.fixture
def safe(tape: Tape) -> Tape:
    """In append-only mode, at the beginning of what is written."""
    tape.write(b"one", 1, b"two", 3)
    assert select(tape, 1).status == GOOD
    tape.good(REWIND)
    return tape


def test_the_page(tape: Tape) -> None:
    sense = bytes.fromhex("1a081001ff00")
    assert tape.good(sense)[4:].hex() == "d001001c" + "00020000" + "00" * 24
    assert tape.good(bytes.fromhex("1a085001ff00"))[4:].hex() == "d001001c" + "00f0ffff" + "00" * 24
    assert select(tape, 1, 0x1234).status == GOOD
    assert tape.good(sense)[8:12].hex() == "00121234"
    task = select(tape, 2)
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 9, 5))
    tape.good(bytes.fromhex("1b0000000000"))
    task = select(tape, 2)
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 9, 7))
    task = select(tape, 0, b5=0x01)
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 9, 1))


def test_it_does_not_end_while_a_medium_is_loaded(safe: Tape) -> None:
    task = select(safe, 0)
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 9, 4))
    safe.drive.reset(None)
    safe.ready()
    assert sense_of(write(safe)) == PROTECTED
    safe.good(bytes.fromhex("1b0000000000"))
    assert select(safe, 0).status == GOOD
    safe.good(bytes.fromhex("1b0000000100"))
    assert write(safe).status == GOOD


@pytest.mark.parametrize("cdb", ["0a0000000300", "100000000100", "190000000000", "190100000000"])
def test_what_is_there_stays(safe: Tape, cdb: str) -> None:
    task = safe.run(bytes.fromhex(cdb), b"new" if cdb.startswith("0a") else None)
    assert sense_of(task) == PROTECTED
    assert safe.where() == (0, 0, 0)
    assert safe.read(3).data_in == b"one"


def test_what_is_allowed(safe: Tape) -> None:
    """At the end, and over filemarks at the end but the first."""
    for number, status in ((3, PROTECTED), (4, GOOD)):
        safe.good(struct.pack(">BBxBQ4x", 0x92, 0, 0, number))
        task = write(safe)
        assert (task.status if status == GOOD else sense_of(task)) == status
    assert safe.where() == (0, 5, 2)
    assert write(safe).status == GOOD
    safe.good(struct.pack(">BBxBQ4x", 0x92, 0, 0, 5))
    assert sense_of(write(safe)) == PROTECTED


def test_an_empty_partition_is_written(tape: Tape) -> None:
    assert select(tape, 1).status == GOOD
    assert write(tape).status == GOOD


def test_a_trailer_of_filemarks_only_keeps_its_first(tape: Tape) -> None:
    tape.write(2)
    assert select(tape, 1).status == GOOD
    tape.good(REWIND)
    assert sense_of(write(tape)) == PROTECTED
    tape.space(1, 1)
    assert write(tape).status == GOOD


def test_formatting_has_to_be_allowed(safe: Tape) -> None:
    for cdb in ("040000000000", "0b0000ffff00"):
        assert safe.refused(bytes.fromhex(cdb)) == PROTECTED
        safe.good(allow(2))
        safe.good(bytes.fromhex(cdb))
        assert safe.refused(bytes.fromhex(cdb)) == PROTECTED, "it is allowed once"
    safe.good(allow(2))
    safe.good(allow(0))
    assert safe.refused(bytes.fromhex("040000000000")) == PROTECTED


def test_a_place_is_allowed(safe: Tape) -> None:
    assert safe.refused(allow(1, 0, 1)) == (5, 0x3B, 0)
    assert safe.refused(allow(1, 1, 0)) == (5, 0x3B, 0)
    safe.good(allow(1))
    assert safe.refused(allow(1, 0, 9)) == (5, 0x3B, 0)
    assert sense_of(write(safe)) == PROTECTED, "the one that failed has ended what was allowed"
    safe.good(allow(1))
    safe.read(3)
    safe.good(REWIND)
    assert sense_of(write(safe)) == PROTECTED, "it was elsewhere meanwhile"
    safe.good(allow(1))
    assert write(safe).status == GOOD
    assert write(safe).status == GOOD
    safe.good(REWIND)
    assert sense_of(write(safe)) == PROTECTED


def test_fields_of_allow_overwrite(safe: Tape) -> None:
    safe.good(allow(1))
    task = safe.run(allow(3))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 2, 3))
    assert sense_of(write(safe)) == PROTECTED
    task = safe.run(allow(16))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x24, 0), (True, 2, 4))


def test_worm_heeds_no_exception(tmp_path: Path) -> None:
    tape = other(tmp_path / "worm", kind="worm")
    tape.write(b"one", 2)
    tape.good(REWIND)
    tape.good(allow(1))
    assert sense_of(write(tape)) == WORM
    tape.good(struct.pack(">BBxBQ4x", 0x92, 0, 0, 2))
    assert write(tape).status == GOOD
    tape.good(REWIND)
    assert [tape.read(3).data_in, stopped(tape.read(3))[:3], tape.read(3).data_in] == [b"one", (0, 0, 1), b"new"]
    tape.cartridge.close()


def test_warnings(tmp_path: Path) -> None:
    """Once where the initiator wants it, always from early warning on."""
    tape = other(tmp_path / "small", capacity=8 * MIB)
    early = tape.drive.early(tape.cartridge.partitions[0])
    assert select(tape, warning=3).status == GOOD
    told = []
    while tape.cartridge.partitions[0].end <= early:
        task = write(tape, bytes(MB))
        told.append(GOOD if task.status == GOOD else stopped(task))
    assert told == [GOOD] * 4 + [(0, 0, 7, EOM, 0)] + [GOOD] * 2 + [(0, 0, 2, EOM, 0)]

    flags = []
    for number in range(9):
        tape.good(struct.pack(">BBxBQ4x", 0x92, 0, 0, number))
        flags.append(tape.good(bytes.fromhex("34060000000000000000"))[0])
    assert flags == [0x80, 0, 0, 0, 0, 1, 1, 1, 0x41]
    tape.good(struct.pack(">BBxBQ4x", 0x92, 0, 0, 4))
    assert stopped(tape.run(bytes.fromhex("0a000f424000"), bytes(MB))) == (0, 0, 7, EOM, 0), "it is reached again"
    tape.cartridge.close()


def test_a_warning_that_is_longer_than_the_partition(tmp_path: Path) -> None:
    tape = other(tmp_path / "small", capacity=8 * MIB)
    assert select(tape, warning=0xFFFF).status == GOOD
    assert stopped(write(tape)) == (0, 0, 7, EOM, 0)
    assert write(tape).status == GOOD
    assert tape.good(bytes.fromhex("34060000000000000000"))[0] == 1
    tape.cartridge.close()
