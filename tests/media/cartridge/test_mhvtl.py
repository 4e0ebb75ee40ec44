"""Cartridges of mhvtl: directories as version 1.8 lays them out, and as those before it did."""

from __future__ import annotations

import importlib
import struct
import types
import zlib
from pathlib import Path
from typing import Any

import pytest
from crc32c import crc32c

from tgtd.media.cartridge.mhvtl import records
from tgtd.media.problem import MediumError

BLOCK, FILEMARK = 11, 3
ZLIB, ENCRYPTED, LZO, CHECKED = 1, 2, 4, 8


class Written:
    """Index and data under way, as vtlcart.c writes them."""

    def __init__(self) -> None:
        self.index = self.data = b""
        self.number = 0

    def entry(self, kind: int, flags: int = 0, length: int = 0, stored: int = 0, check: int = 0) -> None:
        fields = struct.pack("<QIIIIII", len(self.data), kind, flags, self.number, length, stored, check)
        self.index += fields.ljust(512, b"\0")
        self.number += 1

    def block(self, block: bytes, flags: int = CHECKED, stored: bytes | None = None) -> None:
        stored = block if stored is None else stored
        self.entry(BLOCK, flags, len(block), len(stored), int(crc32c(block)))
        self.data += stored

    def put(self, place: Path, suffix: str = ".0") -> Path:
        (place / f"indx{suffix}").write_bytes(self.index)
        (place / f"data{suffix}").write_bytes(self.data)
        return place


def some() -> Written:
    written = Written()
    written.block(b"one")
    written.entry(FILEMARK)
    written.block(b"two" * 1000, CHECKED | ZLIB, zlib.compress(b"two" * 1000))
    written.block(b"three", CHECKED | ENCRYPTED)
    written.block(b"four", 0)
    written.entry(FILEMARK)
    return written


@pytest.mark.parametrize("suffix", [".0", ""])
def test_blocks_and_filemarks(tmp_path: Path, suffix: str) -> None:
    assert list(records(some().put(tmp_path, suffix), 0)) == [b"one", None, b"two" * 1000, b"three", b"four", None]


def test_partitions(tmp_path: Path) -> None:
    some().put(tmp_path)
    other = Written()
    other.block(b"index")
    other.put(tmp_path, ".1")
    assert list(records(tmp_path, 1)) == [b"index"]
    with pytest.raises(MediumError, match=r"has no indx.2 and data.2"):
        list(records(tmp_path, 2))


def test_compressed_by_lzo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written()
    written.block(b"a block", CHECKED | LZO, b"packed")
    written.put(tmp_path)

    def library(name: str) -> Any:
        assert name == "lzo"
        return found

    def decompress(data: bytes, header: bool, length: int) -> bytes:
        assert (data, header, length) == (b"packed", False, 7)
        return b"a block"

    def broken(data: bytes, header: bool, length: int) -> bytes:
        raise found.error("Compressed data violation")

    found: Any = types.SimpleNamespace(error=type("error", (Exception,), {}), decompress=decompress)
    monkeypatch.setattr(importlib, "import_module", library)
    assert list(records(tmp_path, 0)) == [b"a block"]
    found.decompress = broken
    with pytest.raises(MediumError, match="block 0: it cannot be unpacked: Compressed"):
        list(records(tmp_path, 0))

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MediumError, match="apt install python3-lzo"):
        list(records(tmp_path, 0))


def test_what_is_told_of_a_broken_one(tmp_path: Path) -> None:
    def broken(what: str, index: bytes | None = None, data: bytes | None = None) -> None:
        written = some()
        written.index = written.index if index is None else index
        written.data = written.data if data is None else data
        with pytest.raises(MediumError, match=what):
            list(records(written.put(tmp_path), 0))

    index, data = some().index, some().data
    broken("block 5: it ends within an entry", index[:-1])
    broken("block 0: the entry is that of block 1", index[512:])
    broken("block 0: an entry of kind 5", index[:8] + b"\5" + index[9:])
    broken("block 0: a block of 16777219 bytes", index[:23] + b"\1" + index[24:])
    broken("block 0: a block of 3 bytes in 4278190083", index[:27] + b"\xff" + index[28:])
    broken("block 0: its data is not all there", data=b"on")
    broken("block 0: it is damaged", data=b"onX" + data[3:])
    broken("block 2: it cannot be unpacked", data=data[:3] + b"?" + data[4:])
    broken("block 2: it is damaged", index[: 1024 + 20] + b"\1\0" + index[1024 + 22 :])
