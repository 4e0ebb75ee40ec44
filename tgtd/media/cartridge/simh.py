"""Tape images as SIMH and its like have them (.tap): cartridges are filled from them, and written out as such.

A record stands between two copies of its length, in 4 bytes, little-endian; data of odd length has one more byte. A
length of zero is a filemark, all ones the end of the medium.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from tgtd.media.cartridge.index import Record
from tgtd.media.cartridge.partition import Partition
from tgtd.media.cartridge.record import LONGEST
from tgtd.media.codecs import codecs
from tgtd.media.problem import MediumError
from tgtd.scsi.sense import CANNOT_DECOMPRESS, CheckCondition
from tgtd.scsi.ssc.codec import PLAIN, unpacked
from tgtd.scsi.ssc.sealing import SEALED

_END, _GAP = 0xFFFFFFFF, 0xFFFFFFFE
_BAD = 0x80000000


def records(file: BinaryIO, path: str) -> Iterator[bytes | None]:
    """Blocks, and None for filemarks. Raises MediumError where it is no such image."""
    while word := file.read(4):
        at = file.tell() - len(word)
        length = int.from_bytes(word, "little")
        if len(word) < 4:
            raise _malformed(path, at, "it ends within a length")
        if length == _END:
            return
        if length == _GAP:
            continue
        if not length:
            yield None
            continue
        if length & _BAD:
            raise _malformed(path, at, "a record is marked as damaged")
        if length > LONGEST:
            raise _malformed(path, at, f"a record of {length} bytes is longer than a block may be")
        data = file.read(length)
        if length & 1:
            file.read(1)
        if len(data) < length or file.read(4) != word:
            raise _malformed(path, at, "a record has no second length, or another one")
        yield data


def _malformed(path: str, at: int, what: str) -> MediumError:
    return MediumError(0, f"{path}: at byte {at}: {what}", "name an image in SIMH's .tap format, or what is left of it")


def write_out(partition: Partition, file: BinaryIO) -> None:
    """Write a partition as an image. Raises OSError; MediumError for a block that cannot be told in clear."""
    number, place = 0, None
    while number < partition.objects:
        place = partition.find(0) if place is None else partition.after(place)
        if place.run:
            file.write(bytes(4 * place.run))
        else:
            data = _read(partition, place)
            word = len(data).to_bytes(4, "little")
            file.write(word + data + b"\0" * (len(data) & 1) + word)
        number += place.objects
    file.write(_END.to_bytes(4, "little"))
    file.flush()
    os.fsync(file.fileno())


def _read(partition: Partition, place: Record) -> bytes:
    """A block as it was sent once."""
    data = memoryview(bytearray(place.stored))
    header = partition.read(place, data)
    if header.form & SEALED:
        what = f"block {place.number} is encrypted"
        raise MediumError(0, what, "copy the tape by a drive that has the key; images have no place for encryption")
    if header.form == PLAIN:
        return bytes(data)
    try:
        if header.length > LONGEST:
            raise CheckCondition(CANNOT_DECOMPRESS)
        return unpacked(codecs(), header.form, data, header.length)
    except CheckCondition as trouble:
        what = f"block {place.number} is compressed by a codec that is not installed, or damaged"
        raise MediumError(0, what, "apt install python3-zstandard (or pip install zstandard)") from trouble
