"""tgtd.scsi.ssc.coding: blocks that are encrypted, and who may read them (SSC-5 4.2.22.4)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.scsi.ssc.keying import ALL, DECRYPT, KEY, MIXED, NOTHING, OFF, OTHER, RAW, kad, page, set_key
from tests.scsi.ssc.taping import REWIND, Tape, other, stopped
from tests.scsi.ssc.test_codec import TEXT, compress
from tgtd.media.cartridge.cartridge import Cartridge
from tgtd.media.tape import TapeMedium
from tgtd.scsi.ssc.sealing import decode

DATA_PROTECT = 7


def refusal(tape: Tape, length: int = 100) -> tuple[int, int, int]:
    task = tape.read(length)
    assert not task.data_in
    return stopped(task)[:3]


@pytest.mark.parametrize("compressed", [False, True])
def test_with_the_key_and_without(tape: Tape, compressed: bool) -> None:
    compress(tape, compressed)
    block = TEXT[:100_000]
    set_key(tape)
    tape.write(block)
    tape.good(REWIND)
    assert tape.read(len(block)).data_in == block
    tape.good(REWIND)
    set_key(tape, key=OTHER)
    assert refusal(tape) == (DATA_PROTECT, 0x74, 3)
    set_key(tape, NOTHING)
    assert refusal(tape) == (DATA_PROTECT, 0x74, 1)
    assert tape.where() == (0, 0, 0), "the block is still ahead"
    set_key(tape, encryption=OFF)
    assert tape.read(len(block)).data_in == block
    assert tape.cartridge.partitions[0].end < len(block) // 2 or not compressed


def test_neither_data_nor_key_stand_in_the_file(tape: Tape) -> None:
    set_key(tape, kad=kad(0, b"name of a key"))
    tape.write(b"a secret of some length" * 10, 1)
    raw = tape.file.read_bytes()
    assert b"name of a key" in raw
    assert b"secret" not in raw
    assert KEY not in raw


def test_mixed_and_strict(tape: Tape) -> None:
    tape.write(b"plain")
    set_key(tape)
    tape.write(b"sealed")
    tape.good(REWIND)
    assert [tape.read(6, 2).data_in for _ in range(2)] == [b"plain", b"sealed"]
    tape.good(REWIND)
    set_key(tape, decryption=DECRYPT)
    assert refusal(tape) == (DATA_PROTECT, 0x74, 2)
    tape.space(0, 1)
    assert tape.read(6).data_in == b"sealed"


def test_raw(tape: Tape) -> None:
    """What stands there, with its seal; blocks that are marked are not given away."""
    set_key(tape, kad=kad(0, b"name") + kad(1, b"sure"), kad_format=1)
    tape.write(b"sealed")
    set_key(tape, flags=0x30)
    tape.write(b"marked")
    tape.write(b"")
    set_key(tape, NOTHING)
    tape.write(b"plain")
    tape.good(REWIND)
    set_key(tape, encryption=OFF, decryption=RAW, key=b"", algorithm=0)
    task = tape.read(4096, 2)
    raw = bytes(task.data_in or b"")
    seal = decode(raw)
    assert seal is not None
    assert (seal.unauthenticated, seal.authenticated, seal.kad_format, seal.no_raw) == (b"name", b"sure", 1, False)
    assert len(raw) == seal.size + 12 + len(b"sealed") + 16
    short = tape.run(bytes.fromhex("11000000fe00"[:4] + "ffffff00"))
    assert short.status == 0
    piece = tape.read(10)
    assert stopped(piece) == (0, 0, 0, 0x20, 10 - len(raw))
    assert piece.data_in == raw[:10]
    assert refusal(tape) == (DATA_PROTECT, 0x74, 0x0A)
    tape.space(0, 1)
    assert tape.read(5).data_in == b"plain"


def test_checking_the_mode_of_others(tape: Tape) -> None:
    """CEEM: blocks that the drive has encrypted itself are refused where only those of others are wanted."""
    set_key(tape)
    tape.write(b"sealed")
    for ceem, status in ((0x40, 0), (0x80, 0), (0xC0, 2)):
        tape.good(REWIND)
        set_key(tape, flags=ceem)
        task = tape.read(6)
        assert task.status == status
    assert stopped(task)[:3] == (DATA_PROTECT, 0x74, 9)


def test_fixed_blocks_up_to_the_one_that_is_sealed(tape: Tape) -> None:
    tape.drive.block_length = 512
    data = os.urandom(2048)
    tape.good(bytes.fromhex("0a0100000200"), data[:1024])
    set_key(tape)
    tape.good(bytes.fromhex("0a0100000200"), data[1024:])
    set_key(tape, NOTHING)
    tape.good(REWIND)
    task = tape.read(4, 1)
    assert stopped(task) == (DATA_PROTECT, 0x74, 1, 0, 2)
    assert task.data_in == data[:1024]
    assert tape.where()[1] == 2


def test_verifying_needs_the_key_too(tape: Tape) -> None:
    set_key(tape)
    tape.write(b"sealed")
    tape.good(REWIND)
    assert tape.run(bytes.fromhex("130200000600"), b"sealed").status == 0
    tape.good(REWIND)
    set_key(tape, NOTHING)
    assert tape.refused(bytes.fromhex("130000000600")) == (DATA_PROTECT, 0x74, 1)


def test_a_block_that_was_tampered_with(tape: Tape) -> None:
    """Whoever can write the file can make checksums, but no tags: also not by putting one block in another's place."""
    set_key(tape)
    tape.write(b"first one", b"other one")
    partition = tape.cartridge.partitions[0]
    places = [partition.find(number) for number in range(2)]
    stored = [memoryview(bytearray(place.stored)) for place in places]
    forms = [partition.read(place, data).form for place, data in zip(places, stored, strict=True)]
    tape.cartridge.cut(0, 0)
    stored[1][-1] ^= 1
    for data in (stored[0], stored[1], stored[0]):
        partition.append_block(bytes(data), 9, forms[0])
    tape.good(REWIND)
    assert tape.read(9).data_in == b"first one"
    for _ in range(2):
        assert refusal(tape) == (DATA_PROTECT, 0x74, 4)
        tape.space(0, 1)


def test_another_algorithm(tape: Tape) -> None:
    tape.cartridge.partitions[0].append_block(b"\2 what is this?", 5, 0x80)
    set_key(tape)
    assert refusal(tape) == (DATA_PROTECT, 0x74, 1)


def test_older_media_are_not_encrypted(tmp_path: Path) -> None:
    """An LTO-4 drive writes LTO-3 media too, but there is no place for a seal on them."""
    bench = other(tmp_path / "old", personality="lto-4")
    bench.cartridge.label.density = 0x44
    set_key(bench)
    assert bench.refused(bytes.fromhex("0a0000000500"), b"plain") == (DATA_PROTECT, 0x74, 7)
    assert bench.cartridge.partitions[0].objects == 0
    set_key(bench, NOTHING)
    bench.write(b"plain")
    bench.cartridge.close()


def test_another_drive_with_the_same_key(tape: Tape, tmp_path: Path) -> None:
    set_key(tape, kad=kad(1, b"sure"))
    tape.write(b"sealed", 1)
    tape.drive.take_out()
    tape.cartridge.close()
    second = other(tmp_path / "second")
    second.cartridge.close()
    second.drive.take_out()
    tape.cartridge = second.cartridge = Cartridge.open(str(tape.file))
    second.drive.insert(TapeMedium(second.cartridge))
    second.ready()
    assert refusal(second) == (DATA_PROTECT, 0x74, 1)
    set_key(second, page(scope=ALL, encryption=OFF, decryption=MIXED))
    assert second.read(6).data_in == b"sealed"


def test_a_block_that_is_not_as_long_as_it_says(tape: Tape) -> None:
    """Nothing else that is in the buffer is handed over."""
    tape.cartridge.partitions[0].append_block(b"short", 4000, 0)
    task = tape.read(4000)
    assert stopped(task)[:3] == (3, 0x11, 0x0E)
    assert not task.data_in
