"""The codecs of tape drives: zstd where python3-zstandard is installed, else zlib of the standard library.

Their forms stand in cartridges: a number is never given to another format.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Sequence
from typing import Any

from tgtd.scsi.medium import Buffer
from tgtd.scsi.ssc.codec import Codec

FORM_ZLIB, FORM_ZSTD = 1, 2
_FAST = 1
"""The level of both: a tape has to stream."""
_MOST_WINDOW = 32 << 20
"""Bytes of memory that a frame may ask for: no block is longer than half of that."""


class Zlib:
    """RFC 1950."""

    form = FORM_ZLIB

    def pack(self, data: Buffer) -> bytes:
        return zlib.compress(data, _FAST)

    def unpack(self, data: Buffer, length: int) -> bytes:
        """Raises ValueError."""
        try:
            stream = zlib.decompressobj()
            found = stream.decompress(data, length + 1)
        except zlib.error as trouble:
            raise ValueError(str(trouble)) from trouble
        if len(found) != length or not stream.eof:
            raise ValueError("the stream is of another size")
        return found


class Zstd:
    """RFC 8878. library: the module `zstandard`."""

    form = FORM_ZSTD

    def __init__(self, library: Any) -> None:
        self._error = library.ZstdError
        self._compressor = library.ZstdCompressor(level=_FAST, write_content_size=True)
        self._decompressor = library.ZstdDecompressor(max_window_size=_MOST_WINDOW)
        self._size = library.frame_content_size

    def pack(self, data: Buffer) -> bytes:
        packed: bytes = self._compressor.compress(data)
        return packed

    def unpack(self, data: Buffer, length: int) -> bytes:
        """Raises ValueError."""
        try:
            if self._size(data) != length:
                raise ValueError("the frame is of another size")
            found: bytes = self._decompressor.decompress(data, max_output_size=length)
        except self._error as trouble:
            raise ValueError(str(trouble)) from trouble
        return found


def codecs() -> Sequence[Codec]:
    """New ones, the best first."""
    try:
        library = importlib.import_module("zstandard")
    except ImportError:
        return (Zlib(),)
    return Zstd(library), Zlib()
