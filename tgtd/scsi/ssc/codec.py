"""Compression of blocks: what a drive needs of a codec, and when a block is worth it (SSC-5 4.2.20).

A block's form says which codec has packed it, 0 that none has: reading needs no setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tgtd.scsi.medium import Buffer
from tgtd.scsi.sense import CANNOT_DECOMPRESS, CheckCondition

PLAIN = 0
"""FORM of a block that stands there as it was sent."""

_LEAST = 512
_SAMPLE = 4096
"""Bytes in the middle of a block that are packed first: when that gains little, the block is left as it is."""


class Codec(Protocol):
    """form: what its blocks are marked with, from 1 on. Not for two workers at a time."""

    @property
    def form(self) -> int: ...
    def pack(self, data: Buffer) -> bytes: ...
    def unpack(self, data: Buffer, length: int) -> bytes:
        """The `length` bytes that were packed. Raises ValueError when that is not what the data is."""


Codecs = Callable[[], Sequence[Codec]]
"""Makes those that this host has, at least one, the best first."""


def worth(codec: Codec, data: memoryview) -> tuple[int, Buffer]:
    """A block as it is to be stored, by a worker: its form, and its data."""
    length = len(data)
    if length < _LEAST:
        return PLAIN, data
    if length > 4 * _SAMPLE:
        middle = (length - _SAMPLE) // 2
        if not _gains(len(codec.pack(data[middle : middle + _SAMPLE])), _SAMPLE):
            return PLAIN, data
    packed = codec.pack(data)
    return (codec.form, packed) if _gains(len(packed), length) else (PLAIN, data)


def _gains(after: int, before: int) -> bool:
    """At least a sixteenth."""
    return after + (before >> 4) <= before


def unpacked(codecs: Sequence[Codec], form: int, data: memoryview, length: int) -> bytes:
    """A block as it was sent. Raises CheckCondition: no such codec is here, or it is not what it should be."""
    for codec in codecs:
        if codec.form == form:
            try:
                return codec.unpack(data, length)
            except ValueError:
                break
    raise CheckCondition(CANNOT_DECOMPRESS)
