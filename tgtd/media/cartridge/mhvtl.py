"""Cartridges of mhvtl: directories, from which ours are filled.

For each partition there is `indx.N`, an entry of 512 bytes for each block and filemark, and `data.N`, where blocks
stand as the entry says; before mhvtl 1.8 they had no number. Numbers are those of the machine that wrote them, taken
for little-endian here. What mhvtl calls encrypted is in clear, with the key beside it.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from crc32c import crc32c

from tgtd.media.cartridge.record import LONGEST
from tgtd.media.problem import MediumError

_ENTRY = 512
_FIELDS = struct.Struct("<QIIIIII")
_FILEMARK, _BLOCK = 3, 11
_ZLIB, _LZO, _CHECKED = 0x01, 0x04, 0x08


def files(directory: Path, partition: int) -> tuple[Path, Path]:
    """Index and data. Raises MediumError when there are none."""
    for number in (f".{partition}", "") if partition == 0 else (f".{partition}",):
        index, data = directory / f"indx{number}", directory / f"data{number}"
        if index.is_file() and data.is_file():
            return index, data
    raise MediumError(
        0,
        f"{directory} has no indx.{partition} and data.{partition}",
        "name the directory of a cartridge of mhvtl, and a partition that it has",
    )


def records(directory: Path, partition: int) -> Iterator[bytes | None]:
    """Blocks, and None for filemarks. Raises MediumError, OSError."""
    index, data = files(directory, partition)
    with index.open("rb") as entries, data.open("rb") as blocks:
        number = 0
        while entry := entries.read(_ENTRY):
            yield _record(entry, number, str(index), blocks)
            number += 1


def _record(entry: bytes, number: int, path: str, blocks: BinaryIO) -> bytes | None:
    if len(entry) < _ENTRY:
        raise _malformed(path, number, "it ends within an entry")
    offset, kind, flags, named, length, stored, check = _FIELDS.unpack_from(entry)
    if named != number:
        raise _malformed(path, number, f"the entry is that of block {named}")
    if kind == _FILEMARK:
        return None
    if kind != _BLOCK:
        raise _malformed(path, number, f"an entry of kind {kind}")
    if length > LONGEST or stored > 2 * LONGEST:
        raise _malformed(path, number, f"a block of {length} bytes in {stored}")
    blocks.seek(offset)
    found = blocks.read(stored)
    if len(found) < stored:
        raise _malformed(path, number, "its data is not all there")
    try:
        block = _unpacked(found, flags, length)
    except ValueError as trouble:
        raise _malformed(path, number, f"it cannot be unpacked: {trouble}") from trouble
    if len(block) != length or (flags & _CHECKED and int(crc32c(block)) != check):
        raise _malformed(path, number, "it is damaged")
    return block


def _unpacked(data: bytes, flags: int, length: int) -> bytes:
    """Raises ValueError; MediumError when there is nothing to unpack it with."""
    if flags & _ZLIB:
        try:
            return zlib.decompressobj().decompress(data, length + 1)
        except zlib.error as trouble:
            raise ValueError(str(trouble)) from trouble
    return _by_lzo(data, length) if flags & _LZO else data


def _by_lzo(data: bytes, length: int) -> bytes:
    try:
        library = importlib.import_module("lzo")
    except ImportError as trouble:
        raise MediumError(
            0,
            "the cartridge is compressed by LZO, and the Python library lzo is not installed",
            "apt install python3-lzo (or pip install python-lzo)",
        ) from trouble
    try:
        found: bytes = library.decompress(data, False, length)
    except library.error as trouble:
        raise ValueError(str(trouble)) from trouble
    return found


def _malformed(path: str, number: int, what: str) -> MediumError:
    fix = "name the directory of a cartridge that is whole, and not in a drive of mhvtl"
    return MediumError(0, f"{path}: block {number}: {what}", fix)
