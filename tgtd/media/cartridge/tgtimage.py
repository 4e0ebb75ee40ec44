"""Tape images of tgt (bs_ssc), as tgtimg makes them: cartridges are filled from them.

A chain of headers of 48 bytes, big-endian; each has the CRC-32C (little-endian) of what follows it in the header, what
kind it is, how long its data is, and where it stands and the next one. Behind the first one stands medium auxiliary
memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from crc32c import crc32c

from tgtd.media.cartridge.record import LONGEST
from tgtd.media.problem import MediumError

_HEADER = struct.Struct(">4sIIIQQQQ")
_FARTHEST = (1 << 63) - 1
"""Where a file can end at most."""
_DATA, _BEGIN, _END, _FILEMARK = 0x02, 0x10, 0x20, 0x40


def begins(head: bytes) -> bool:
    """Whether a file that begins like this is such an image."""
    return len(head) >= _HEADER.size and _whole(head[: _HEADER.size]) and _HEADER.unpack_from(head)[3] == _BEGIN


def _whole(header: bytes) -> bool:
    return int(crc32c(header[4:])) == int.from_bytes(header[:4], "little")


def records(file: BinaryIO, path: str) -> Iterator[bytes | None]:
    """Blocks, and None for filemarks. Raises MediumError where it is no such image."""
    at, kind = 0, _BEGIN
    while kind != _END:
        file.seek(at)
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size or not _whole(header):
            raise _malformed(path, at, "no header stands there")
        _, stored, length, kind, _, _, here, following = _HEADER.unpack(header)
        if here != at or (not at < following <= _FARTHEST and kind != _END):
            raise _malformed(path, at, "the chain of headers is broken")
        if kind == _FILEMARK:
            yield None
        elif kind == _DATA:
            if stored != length or length > LONGEST:
                raise _malformed(path, at, f"a block of {length} bytes in {stored}")
            data = file.read(length)
            if len(data) < length:
                raise _malformed(path, at, "it ends within a block")
            yield data
        elif kind not in (_BEGIN, _END):
            raise _malformed(path, at, f"there is a record of kind {kind:X}h, which tgt never writes")
        at = following


def _malformed(path: str, at: int, what: str) -> MediumError:
    return MediumError(0, f"{path}: at byte {at}: {what}", "name a tape image of tgt that is whole, and not in use")
