"""tgtd.scsi.ssc.security: every field of the pages of SECURITY PROTOCOL IN, and its CDBs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.scsi.ssc.keying import DECRYPT, KEY, LOCAL, MIXED, NOTHING, OFF, OTHER, RAW, asked, kad, page, set_key, told
from tests.scsi.ssc.taping import REWIND, Tape, other
from tests.scsi.ssc.test_codec import TEXT, compress
from tests.scsi.workbench import pointer_of, sense_of

KADS = kad(0, b"name") + kad(1, b"sure")


def body(answer: bytes, code: int) -> bytes:
    assert struct.unpack_from(">HH", answer) == (code, len(answer) - 4)
    return answer[4:]


def test_what_there_is(tape: Tape) -> None:
    assert tape.good(asked(0, 0)) == bytes(6) + b"\0\2\0\x20"
    assert tape.good(asked(1, 0)) == bytes(4)
    pages = (0x00, 0x01, 0x10, 0x11, 0x12, 0x20, 0x21)
    assert body(tape.good(asked(0)), 0) == struct.pack(">7H", *pages)
    assert body(tape.good(asked(1)), 1) == b"\0\x10"
    for code in pages:
        body(tape.good(asked(code)), code)
    assert body(tape.good(asked(0x11)), 0x11) == b"\0"
    assert body(tape.good(asked(0x12)), 0x12) == bytes.fromhex("01040007") + bytes(8)


def test_capabilities(tape: Tape) -> None:
    found = body(tape.good(asked(0x10)), 0x10)
    assert found[:16] == b"\x05" + bytes(15)
    assert found[16:] == bytes.fromhex("01000014 b51c 0020 003c 0020 db 00000000000000 00010014")
    tape.good(bytes.fromhex("1b0000000000"))
    assert tape.good(asked(0x10))[24] == 0x35, "AVFMV without a medium"


def test_media_that_are_not_encrypted(tmp_path: Path) -> None:
    old = other(tmp_path / "old", personality="lto-4")
    old.cartridge.label.density = 0x44
    assert old.good(asked(0x10))[24] == 0x35
    old.cartridge.close()


def test_status(tape: Tape) -> None:
    assert body(tape.good(asked(0x20)), 0x20) == bytes(8) + b"\x10" + bytes(11)
    set_key(tape, scope=LOCAL, flags=0xB0, decryption=DECRYPT, kad=KADS, kad_format=2)
    found = body(tape.good(asked(0x20)), 0x20)
    assert found[:12] == bytes.fromhex("21 02 02 01 00000001 15 02 0000")
    assert found[20:] == KADS
    set_key(tape, NOTHING)
    assert tape.good(asked(0x20))[4:8] == bytes.fromhex("42000000")


def test_volumes_with_encrypted_blocks(tape: Tape) -> None:
    """VCELB, as long as one is there."""

    def some() -> bool:
        return bool(tape.good(asked(0x20))[12] & 0x08)

    tape.write(b"plain")
    assert not some()
    set_key(tape)
    assert not some()
    tape.write(b"sealed", b"sealed too")
    assert some()
    set_key(tape, NOTHING)
    tape.good(bytes.fromhex("2b000000000002000000"))
    tape.write(b"plain")
    assert some(), "the first one is still there"
    tape.good(bytes.fromhex("2b000000000001000000"))
    tape.write(b"plain")
    assert not some()
    set_key(tape)
    tape.write(b"sealed")
    tape.good(bytes.fromhex("1b0000000000"))
    assert not some(), "nothing is mounted"
    tape.good(bytes.fromhex("1b0000000100"))
    assert some()
    tape.good(bytes.fromhex("040000000000"))
    assert not some()


def test_the_next_block(tape: Tape) -> None:
    compress(tape, True)
    tape.write(b"plain", TEXT[:5000])
    set_key(tape, flags=0x30, kad=KADS, kad_format=1)
    tape.write(b"sealed", TEXT[:5000], 1)
    sealed = bytes.fromhex("00010004") + b"name" + bytes.fromhex("01020004") + b"sure"
    expected = (
        (0, 0x33, 0, 0, 0, b""),
        (1, 0x43, 0, 0, 0, b""),
        (2, 0x35, 1, 1, 1, sealed),
        (3, 0x45, 1, 1, 1, sealed),
        (4, 0x22, 0, 0, 0, b""),
        (5, 0x11, 0, 0, 0, b""),
    )
    tape.good(REWIND)
    for at, *more in expected:
        found = body(tape.good(asked(0x21)), 0x21)
        assert found == struct.pack(">QBBBB", at, *more[:4]) + more[4]
        assert tape.where()[1] == at, "it does not move"
        tape.space(0, 1)
    tape.good(bytes.fromhex("2b000000000002000000"))
    for data in (page(key=OTHER), NOTHING, page(encryption=OFF, decryption=RAW, key=b""), page(decryption=OFF)):
        set_key(tape, data)
        assert tape.good(asked(0x21))[12] == 0x36
    set_key(tape, encryption=OFF, decryption=MIXED)
    assert tape.good(asked(0x21))[12] == 0x35


def test_the_next_block_of_another_algorithm(tape: Tape) -> None:
    tape.cartridge.partitions[0].append_block(b"\2 what is this?", 5, 0x80)
    assert body(tape.good(asked(0x21)), 0x21) == bytes(8) + b"\x34\0\0\0"


def test_no_next_block(tape: Tape) -> None:
    tape.write(b"x")
    tape.good(bytes.fromhex("1b0000000000"))
    assert body(tape.good(asked(0x21)), 0x21) == bytes(12)


@pytest.mark.parametrize(
    ("cdb", "at", "bit"),
    [
        (asked(0, protocol=1), 1, 7),
        (asked(0, protocol=0xEF), 1, 7),
        (asked(2, protocol=0), 2, 7),
        (asked(0x30), 2, 7),
        (asked(0x121), 2, 7),
        (bytes.fromhex("a22000208000000000100000"), 4, 7),
        (bytes.fromhex("a22000200001000000100000"), 5, 0),
        (bytes.fromhex("a22000200000000000100100"), 10, 0),
        (told(0, protocol=0), 1, 7),
        (told(0, specific=0x11), 2, 7),
        (bytes.fromhex("b52000108000000000000000"), 4, 7),
        (told(1025), 6, 7),
    ],
)
def test_cdbs_that_are_refused(tape: Tape, cdb: bytes, at: int, bit: int) -> None:
    task = tape.run(cdb)
    assert sense_of(task) == (5, 0x24, 0)
    assert pointer_of(task) == (True, at, bit)


def test_room(tape: Tape) -> None:
    for code in (0x10, 0x20, 0x21):
        whole = tape.good(asked(code))
        for room in (0, 1, 5, len(whole) - 1, 0xFFFFFFFF):
            assert tape.good(asked(code, room=room)) == whole[:room]


def test_nothing_to_set(tape: Tape) -> None:
    tape.good(told(0), b"")
    assert tape.good(asked(0x20))[4:8] == bytes(4)


def test_drives_without_it(tmp_path: Path) -> None:
    old = other(tmp_path / "old", personality="lto-3")
    assert old.refused(asked(0, 0)) == (5, 0x20, 0)
    codes = old.good(bytes.fromhex("a30c00000000000020000000"))
    assert 0xA2 not in codes[4::8]
    old.cartridge.close()


def test_no_key_is_left_in_the_pool(tape: Tape) -> None:
    for data in (page(), page(algorithm=9)):
        task = tape.task(told(len(data)), data)
        buffer = task.buffer
        assert buffer is not None
        task.itl.execute(task)
        tape.lane.drain()
        assert KEY not in bytes(buffer)
