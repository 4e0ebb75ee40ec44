"""tgtd.scsi.ssc.setting: every field of the SET DATA ENCRYPTION page; what is wrong is pointed at."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.scsi.ssc.keying import (
    ALL,
    DECRYPT,
    KEY,
    LOCAL,
    MIXED,
    NOTHING,
    OFF,
    ON,
    RAW,
    kad,
    page,
    refused,
    set_key,
    told,
)
from tests.scsi.ssc.taping import Tape, other
from tests.scsi.workbench import pointer_of, sense_of
from tgtd.media.tapecipher import TapeCipher
from tgtd.scsi.sense import CheckCondition
from tgtd.scsi.ssc.setting import decode_parameters


def patched(at: int, value: int) -> bytes:
    data = bytearray(page(kad=kad(0, b"name")))
    data[at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "at", "bit"),
    [
        (patched(1, 0x11), 0, 7),
        (patched(3, 0x10), 2, 7),
        (page()[:2] + b"\0\x0f" + page()[4:19], 2, 7),
        (patched(4, 0x60), 4, 7),
        *((patched(4, ALL | bit), 4, bit.bit_length() - 1) for bit in (0x02, 0x04, 0x08, 0x10)),
        (page(flags=0x80, decryption=OFF), 5, 7),
        (page(flags=0x10), 5, 5),
        (page(flags=0x08), 5, 3),
        (page(flags=0x02), 5, 1),
        (page(flags=0x01), 5, 0),
        (page(encryption=1), 6, 7),
        (page(encryption=3), 6, 7),
        (page(decryption=4), 7, 7),
        (page(algorithm=0), 8, 7),
        (page(algorithm=2), 8, 7),
        (patched(9, 1), 9, 7),
        (patched(10, 3), 10, 7),
        *((patched(at, 0x20), at, 5) for at in range(11, 18)),
        (page(key=KEY[:16]), 18, 7),
        (page(key=b""), 18, 7),
        (page(key=b"", encryption=OFF, decryption=DECRYPT), 18, 7),
        (patched(19, 0xFF), 18, 7),
        (page(kad=kad(2, b"nonce")), 52, 7),
        (page(kad=kad(3, b"metadata")), 52, 7),
        (page(kad=kad(0, b"a") + kad(0, b"b")), 57, 7),
        (page(kad=kad(1, b"a") + kad(0, b"b")), 57, 7),
        (page(kad=kad(0, bytes(33))), 54, 7),
        (page(kad=kad(1, bytes(61))), 54, 7),
        (page(kad=b"\0\0\0\2x"), 2, 7),
        (page(kad=b"\0\0\0"), 2, 7),
    ],
)
def test_what_is_wrong(tape: Tape, data: bytes, at: int, bit: int) -> None:
    set_key(tape, scope=LOCAL)
    before = tape.drive.keys.of(tape.itl())
    task = refused(tape, data)
    assert sense_of(task) == (5, 0x26, 0)
    assert pointer_of(task) == (False, at, bit)
    assert tape.drive.keys.of(tape.itl()) is before


@pytest.mark.parametrize("length", [1, 3])
def test_lists_that_are_too_short(tape: Tape, length: int) -> None:
    assert sense_of(refused(tape, page()[:length])) == (5, 0x1A, 0)


def test_less_data_than_was_announced() -> None:
    with pytest.raises(CheckCondition) as caught:
        decode_parameters(page()[:-1], len(page()), TapeCipher, True)
    assert caught.value.sense.asc == 0x1A


@pytest.mark.parametrize("cut", range(4, 60))
def test_cut_anywhere(tape: Tape, cut: int) -> None:
    """PAGE LENGTH is that of what came, and cuts a field off; 56 is all but the A-KAD."""
    whole = page(kad=kad(0, b"") + kad(1, b"abcd"))
    data = whole[:2] + struct.pack(">H", cut - 4) + whole[4:cut]
    task = refused(tape, data)
    if cut in (52, 56):
        assert task.status == 0
    else:
        assert sense_of(task) == (5, 0x26, 0)


def test_all_that_can_be_said() -> None:
    data = page(LOCAL | 1, 0xB4, ON, RAW, KEY, kad(0, b"name") + kad(1, b"sure"), kad_format=2)
    parameters, lock = decode_parameters(data, len(data), TapeCipher, True)
    assert lock
    assert parameters.cipher is not None
    assert parameters.cipher.check == TapeCipher(KEY).check
    found = (parameters.scope, parameters.encryption, parameters.decryption, parameters.external, parameters.kad_format)
    assert found == (1, 2, 1, 2, 2)
    assert (parameters.no_raw, parameters.demount) == (True, True)
    assert (parameters.unauthenticated, parameters.authenticated) == (b"name", b"sure")
    assert KEY.hex() not in repr(parameters)
    assert repr(KEY) not in repr(parameters)


def test_a_key_that_is_not_needed_is_not_looked_at() -> None:
    for decryption in (OFF, RAW):
        data = page(encryption=OFF, decryption=decryption, key=b"four", algorithm=7)
        parameters, _ = decode_parameters(data, len(data), TapeCipher, True)
        assert (parameters.cipher, parameters.decryption) == (None, decryption)
    assert not decode_parameters(NOTHING, len(NOTHING), TapeCipher, True)[1]


def test_what_stenc_leaves_in_a_descriptor(tape: Tape) -> None:
    set_key(tape, kad=b"\0\x55\0\1x")
    assert tape.drive.keys.of(tape.itl()).unauthenticated == b"x"


def test_public_counts_for_itself() -> None:
    data = page(0x01, 0xFF, 9, 9, b"", algorithm=9)
    parameters, lock = decode_parameters(data, len(data), TapeCipher, False)
    assert (parameters.scope, parameters.cipher, lock) == (0, None, True)


def test_clearing_on_demount_needs_a_mount(tape: Tape) -> None:
    set_key(tape, flags=0x04)
    tape.good(bytes.fromhex("1b0000000000"))
    task = refused(tape, page(flags=0x04))
    assert sense_of(task) == (5, 0x26, 0)
    assert pointer_of(task) == (False, 5, 2)
    assert tape.run(bytes.fromhex("1b0000000100")).status == 0


def test_clearing_on_demount_when_that_comes_first(tape: Tape) -> None:
    """The cartridge goes while the command waits for its turn: the key would be left for the next one."""
    tape.start(bytes.fromhex("1b0000000000"))
    data = page(flags=0x04)
    task = tape.start(told(len(data)), data)
    tape.lane.drain()
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 5, 2))
    assert tape.drive.keys.of(task.itl).cipher is None


def test_older_drives_have_no_such_command(tmp_path: Path) -> None:
    old = other(tmp_path / "old", personality="lto-3")
    assert sense_of(refused(old, page(decryption=MIXED))) == (5, 0x20, 0)
    old.cartridge.close()
