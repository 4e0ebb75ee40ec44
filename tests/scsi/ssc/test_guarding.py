"""tgtd.scsi.ssc.guarding: the mode page, and protection information behind blocks (SSC-5 4.2.29)."""

from __future__ import annotations

import os

import pytest

from tests.scsi.ssc.keying import OFF, RAW, set_key
from tests.scsi.ssc.taping import ILI, REWIND, Tape, stopped
from tests.scsi.ssc.test_codec import TEXT, compress
from tests.scsi.workbench import TUR, pointer_of, sense_of
from tgtd.media.guards import GUARDS
from tgtd.scsi.task import Task

SENSE = bytes.fromhex("5a080af0000000010000")
CRC = GUARDS[2]
HARDWARE = 4


def select(tape: Tape, method: int, length: int, flags: int, nexus: object = None) -> Task:
    page = bytes.fromhex("4af0001c") + bytes((method, length, flags)) + bytes(25)
    return tape.run(bytes.fromhex("55100000000000002800"), bytes(8) + page, nexus=nexus)


def protect(tape: Tape, method: int = 2, flags: int = 0xC0) -> None:
    assert select(tape, method, 4, flags).status == 0


def test_the_page(tape: Tape) -> None:
    assert tape.good(SENSE)[8:] == bytes.fromhex("4af0001c") + bytes(28)
    protect(tape, 1, 0x80)
    assert tape.good(SENSE)[8:15] == bytes.fromhex("4af0001c010480")
    changeable = tape.good(bytes.fromhex("5a084af0000000010000"))
    assert changeable[12:15] == bytes.fromhex("ff3fc0")
    b = tape.connect("b")
    tape.ready(nexus=b)
    assert select(tape, 0, 4, 0xC0).status == 0
    assert tape.good(SENSE)[12:15] == bytes(3), "without a method nothing counts"
    assert sense_of(tape.run(TUR, nexus=b)) == (6, 0x2A, 1)
    protect(tape)
    tape.drive.restore_defaults()
    assert tape.good(SENSE)[12:15] == bytes(3)


@pytest.mark.parametrize(
    ("method", "length", "flags", "at", "bit"),
    [(3, 4, 0, 4, 7), (2, 0, 0x80, 5, 5), (2, 8, 0x80, 5, 5), (2, 0x44, 0, 5, 6), (2, 4, 0xE0, 6, 5), (1, 4, 1, 6, 0)],
)
def test_what_is_refused(tape: Tape, method: int, length: int, flags: int, at: int, bit: int) -> None:
    task = select(tape, method, length, flags)
    assert sense_of(task) == (5, 0x26, 0)
    assert pointer_of(task) == (False, 8 + at, bit)
    assert tape.good(SENSE)[12:15] == bytes(3)


@pytest.mark.parametrize("method", [1, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_there_and_back(tape: Tape, method: int, compressed: bool) -> None:
    compress(tape, compressed)
    guard = GUARDS[method]
    protect(tape, method)
    for block in (TEXT[:70_000], b"", b"x"):
        tape.write(block + guard(block))
    tape.good(REWIND)
    for block in (TEXT[:70_000], b"", b"x"):
        assert tape.read(len(block) + 4).data_in == block + guard(block)
    tape.good(REWIND)
    protect(tape, method, 0x80)
    assert tape.read(70_000).data_in == TEXT[:70_000], "the cartridge has the block alone"


def test_what_was_not_sent_like_this(tape: Tape) -> None:
    """The block is not written, and nothing is cut for it."""
    tape.write(b"before", b"behind")
    tape.good(REWIND)
    protect(tape)
    task = tape.run(bytes.fromhex("0a0000000800"), b"data" + CRC(b"date"))
    assert stopped(task) == (HARDWARE, 0x10, 1, 0, 8)
    assert tape.where()[1] == 0
    assert tape.cartridge.partitions[0].objects == 2
    for data in (b"", b"abc"):
        cdb = bytes((0x0A, 0, 0, 0, len(data), 0))
        if data:
            task = tape.run(cdb, data)
            assert sense_of(task) == (5, 0x24, 0)
            assert pointer_of(task) == (True, 2, None)


def test_fixed_blocks(tape: Tape) -> None:
    """The block length is that of both; those before the wrong one are there."""
    tape.drive.block_length = 104
    blocks = [os.urandom(100) for _ in range(3)]
    sent = [block + CRC(block) for block in blocks]
    protect(tape)
    wrong = blocks[2] + CRC(blocks[1])
    task = tape.run(bytes.fromhex("0a0100000300"), sent[0] + sent[1] + wrong)
    assert stopped(task) == (HARDWARE, 0x10, 1, 0, 1)
    assert tape.where()[1] == 2
    tape.good(bytes.fromhex("0a0100000100"), sent[2])
    tape.good(REWIND)
    assert tape.read(3, 1).data_in == b"".join(sent)
    tape.good(REWIND)
    protect(tape, 2, 0x80)
    assert stopped(tape.read(3, 1)) == (0, 0, 0, ILI, 3)


@pytest.mark.parametrize("room", range(1, 12))
def test_less_room_than_the_block_has(tape: Tape, room: int) -> None:
    protect(tape)
    whole = b"block" + CRC(b"block")
    tape.write(whole)
    tape.good(REWIND)
    task = tape.read(room)
    assert task.data_in == whole[:room]
    if room != 9:
        assert stopped(task) == (0, 0, 0, ILI, room - 9)


def test_reading_and_writing_by_themselves(tape: Tape) -> None:
    protect(tape, 2, 0x40)
    tape.write(b"bare")
    tape.good(REWIND)
    assert tape.read(8).data_in == b"bare" + CRC(b"bare")


def test_raw_blocks_are_protected_as_they_are_sent(tape: Tape) -> None:
    set_key(tape)
    tape.write(b"sealed")
    tape.good(REWIND)
    set_key(tape, encryption=OFF, decryption=RAW, key=b"")
    protect(tape)
    raw = bytes(tape.read(4096, 2).data_in or b"")
    assert raw[-4:] == CRC(raw[:-4])
    assert raw[0] == 1


def test_verify_has_it_too(tape: Tape) -> None:
    """What is compared is as WRITE has it, what is only read as READ has it."""
    tape.write(b"block")
    protect(tape, 2, 0x80)
    tape.good(REWIND)
    tape.good(bytes.fromhex("130200000900"), b"block" + CRC(b"block"))
    tape.good(REWIND)
    assert tape.refused(bytes.fromhex("130200000900"), b"block" + CRC(b"blocK")) == (14, 0x1D, 0)
    tape.good(REWIND)
    tape.good(bytes.fromhex("130000000500"))
    protect(tape, 2, 0x40)
    tape.good(REWIND)
    tape.good(bytes.fromhex("130000000900"))
