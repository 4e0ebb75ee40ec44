"""Images of tgt: the chain of headers, and what is wrong with one; wire/test_images.py has those of tgt itself."""

from __future__ import annotations

import io
import struct

import pytest
from crc32c import crc32c

from tgtd.media.cartridge.tgtimage import begins, records
from tgtd.media.problem import MediumError

BEGIN, DATA, FILEMARK, END = 0x10, 0x02, 0x40, 0x20
MEMORY = 1104


def header(kind: int, at: int, following: int, length: int = 0, stored: int | None = None) -> bytes:
    body = struct.pack(">IIIQQQQ", length if stored is None else stored, length, kind, 0, 0, at, following)
    return int(crc32c(body)).to_bytes(4, "little") + body


def image(*records: tuple[int, bytes]) -> bytes:
    at = 48 + MEMORY
    whole = header(BEGIN, 0, at, 16) + bytes(MEMORY)
    for kind, data in records:
        whole += header(kind, at, at + 48 + len(data), len(data)) + data
        at += 48 + len(data)
    return whole


def test_blocks_and_filemarks() -> None:
    whole = image((DATA, b"one"), (FILEMARK, b""), (FILEMARK, b""), (DATA, b"three"), (END, b""))
    assert begins(whole[:64])
    assert list(records(io.BytesIO(whole), "x")) == [b"one", None, None, b"three"]
    assert list(records(io.BytesIO(image((END, b""))), "x")) == []


def test_what_does_not_begin_like_one() -> None:
    assert not begins(b"")
    assert not begins(bytes(64))
    assert not begins(b"x" * 64)
    assert not begins(header(END, 0, 48))
    whole = image((END, b""))
    assert not begins(whole[:40] + b"\1" + whole[41:64])


START = 48 + MEMORY


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (b"", f"byte {START}: no header"),
        (header(DATA, START, START + 51, 3) + b"tw", "within a block"),
        (header(DATA, START, START + 51, 3)[:-1], "no header"),
        (header(DATA, START + 1, START + 51, 3), "chain"),
        (header(FILEMARK, START, START), "chain"),
        (header(FILEMARK, START, 0), "chain"),
        (header(FILEMARK, START, 1 << 63), "chain"),
        (header(FILEMARK, START, (1 << 63) - 1), "no header"),
        (header(0x80, START, START + 48), "kind 80h"),
        (header(DATA, START, START + 60, 5, stored=3) + b"abc", "a block of 5 bytes in 3"),
        (header(DATA, START, START + 48, 1 << 24), "a block of 16777216 bytes"),
        (bytes(48), "no header"),
    ],
)
def test_what_is_told_of_a_broken_image(tail: bytes, what: str) -> None:
    with pytest.raises(MediumError, match=what):
        list(records(io.BytesIO(image() + tail), "x"))
