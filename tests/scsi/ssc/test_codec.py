"""tgtd.scsi.ssc.codec: blocks are packed where that gains something, and read whatever the setting is."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from tests.scsi.ssc.taping import EOM, REWIND, Tape, other, stopped
from tests.scsi.test_log import parsed, sense
from tgtd.media.codecs import FORM_ZLIB, Zlib, codecs
from tgtd.scsi.declaredmodes import declare
from tgtd.scsi.sense import CheckCondition
from tgtd.scsi.ssc.codec import PLAIN, unpacked, worth

TEXT = b"".join(b"line %d of what compresses well\n" % n for n in range(4000))


def compress(tape: Tape, on: bool) -> None:
    """As Linux does: the page that was read, with another DCE."""
    answer = tape.good(bytes.fromhex("1a080f00ff00"))
    page = bytearray(answer[4:])
    page[2] = page[2] & 0x7F | on << 7
    page[0] &= 0x3F
    data = bytes(4) + page
    tape.good(bytes((0x15, 0x10, 0, 0, len(data), 0)), data)


def test_worth() -> None:
    codec = Zlib()
    form, data = worth(codec, memoryview(TEXT))
    assert form == FORM_ZLIB
    assert len(data) < len(TEXT) // 4
    for block in (b"a" * 100, os.urandom(4000), os.urandom(1 << 18)):
        assert worth(codec, memoryview(block)) == (PLAIN, block)


def test_noise_is_sampled_only() -> None:
    class Counting(Zlib):
        packed = 0

        def pack(self, data: object) -> bytes:
            Counting.packed += len(memoryview(data))  # type: ignore[arg-type]
            return super().pack(data)  # type: ignore[arg-type]

    worth(Counting(), memoryview(os.urandom(1 << 18)))
    assert Counting.packed == 4096


@pytest.mark.parametrize("codec", codecs(), ids=lambda codec: type(codec).__name__)
def test_what_cannot_be_unpacked(codec: Zlib) -> None:
    packed = codec.pack(TEXT)
    assert unpacked([codec], codec.form, memoryview(packed), len(TEXT)) == TEXT
    for form, data, length in (
        (99, packed, len(TEXT)),
        (codec.form, packed, len(TEXT) - 1),
        (codec.form, packed, len(TEXT) + 1),
        (codec.form, b"junk" + packed, len(TEXT)),
        (codec.form, packed[:-20], len(TEXT)),
        (codec.form, b"", len(TEXT)),
    ):
        with pytest.raises(CheckCondition, match="cannot decompress"):
            unpacked([codec], form, memoryview(data), length)


def test_written_and_read(tape: Tape) -> None:
    noise = os.urandom(50_000)
    tape.write(TEXT)
    plain = tape.cartridge.partitions[0].end
    compress(tape, True)
    tape.write(TEXT, noise, 1, TEXT[:70_000])
    compress(tape, False)
    tape.write(TEXT)
    assert tape.cartridge.partitions[0].end < 2 * plain + len(noise) + plain
    tape.good(REWIND)
    for block in (TEXT, TEXT, noise, None, TEXT[:70_000], TEXT):
        if block is None:
            assert tape.space(1, 1).status == 0
            continue
        assert bytes(tape.read(len(block)).data_in or b"") == block
    page = {code: int.from_bytes(value, "big") for code, value in parsed(tape.good(sense(0x0C))).items()}
    assert page[0] == page[3] == 3 * len(TEXT) + len(noise) + 70_000
    assert page[1] == page[2] < page[0]


def test_shorter_and_longer_than_asked_for(tape: Tape) -> None:
    compress(tape, True)
    tape.write(TEXT)
    for length, residue in ((1000, 1000 - len(TEXT)), (len(TEXT) + 9, 9)):
        tape.good(REWIND)
        task = tape.read(length)
        assert stopped(task)[3:] == (0x20, residue)
        assert bytes(task.data_in or b"") == TEXT[:length]
    tape.good(REWIND)
    tape.good(bytes((0x13, 2)) + len(TEXT).to_bytes(3, "big") + b"\0", TEXT)


def test_the_ratio_is_what_it_was(tape: Tape) -> None:
    compress(tape, True)
    tape.write(TEXT)
    stored = tape.drive.tally.total.stored
    tape.good(REWIND)
    tape.read(100, flags=2)
    for page in (0x1B, 0x32):
        found = parsed(tape.good(sense(page)))
        assert found[0] == found[1] == struct.pack(">H", len(TEXT) * 100 // stored)
    assert parsed(tape.good(sense(0x11)))[0][0] & 0x10


def test_more_fits_on_a_tape(tmp_path: Path) -> None:
    tape = other(tmp_path / "x", capacity=4 << 20)
    compress(tape, True)
    digits = os.urandom(64 << 10).hex().encode()
    written = 0
    while True:
        task = tape.run(bytes((0x0A, 0)) + len(digits).to_bytes(3, "big") + b"\0", digits)
        if task.status and stopped(task)[:4] == (0xD, 0, 2, EOM):
            break
        written += len(digits)
    assert 6 << 20 < written < 9 << 20
    tape.cartridge.close()


def test_a_host_without_the_codec(tape: Tape) -> None:
    compress(tape, True)
    tape.write(TEXT)
    tape.good(REWIND)
    tape.drive.codecs = ()
    assert stopped(tape.read(len(TEXT)))[:3] == (3, 0x11, 0x0E)


def test_a_reset_puts_the_default_back(tape: Tape) -> None:
    compress(tape, True)
    tape.drive.reset(None)
    assert not tape.drive.compression


def test_the_administrators_default(tape: Tape) -> None:
    """Without python3-zstandard too: it is the best codec that there is."""
    declare(tape.drive, [(0x0F, 0, bytes((0x80,)) + bytes(13))])
    for _ in range(2):
        assert tape.drive.packer is tape.drive.codecs[0]
        tape.drive.reset(None)
        tape.ready()
    assert tape.good(bytes.fromhex("1a081000ff00"))[4 + 14] == 1
    compress(tape, False)
    assert tape.drive.packer is None
