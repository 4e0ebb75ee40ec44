"""What stands in a partition's stream: a header for each record, and what follows it.

All numbers are little-endian. A header's check covers where it stands, so that nothing that was left over from before,
or copied to another place, is taken for a record.
"""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from crc32c import crc32c

from tgtd.scsi.medium import Buffer

BLOCK, FILEMARKS, INDEX = 1, 2, 3
"""Kinds of record: a logical block, a run of filemarks, an index page (cartridge/index.py)."""

_HEADER = struct.Struct("<2sBBIQIIII")
HEADER = _HEADER.size
MAGIC = b"Gt"
_PLACE = struct.Struct("<8sBQ")

LONGEST = 0xFFFFFF
"""Bytes of the longest block that a drive reads."""
MOST_STORED = (16 << 20) + 4096
"""Bytes that follow a header: a block of 16 MiB, and what encryption adds to it."""


class Header(NamedTuple):
    """A record's header.

    kind: BLOCK, FILEMARKS or INDEX. form: what was done to a block's data; the drive's affair. epoch: how often the
    partition was overwritten before. number: that of the first object. stored: bytes that follow. length: bytes of the
    block as the initiator sent it; how many filemarks; an index page's level. check: CRC-32C of what follows.
    """

    kind: int
    form: int
    epoch: int
    number: int
    stored: int
    length: int
    check: int

    @property
    def objects(self) -> int:
        """Logical objects: a block is one, and so is each filemark (SSC-5 4.2.7)."""
        return self.length if self.kind == FILEMARKS else int(self.kind == BLOCK)

    @property
    def filemarks(self) -> int:
        return self.length if self.kind == FILEMARKS else 0


class Rot(OSError):
    """What stands there is not what was written."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EIO, what)


def pack(header: Header, salt: bytes, partition: int, offset: int) -> bytes:
    """offset: in the partition's stream."""
    kind, form, epoch, number, stored, length, check = header
    bare = _HEADER.pack(MAGIC, kind, form, epoch, number, stored, length, check, 0)
    return bare[:-4] + _seal(bare, salt, partition, offset).to_bytes(4, "little")


def unpack(data: Buffer, salt: bytes, partition: int, offset: int) -> Header | None:
    """None: no header stands there."""
    magic, kind, form, epoch, number, stored, length, check, seal = _HEADER.unpack(data)
    if magic != MAGIC or stored > MOST_STORED or kind not in (BLOCK, FILEMARKS, INDEX):
        return None
    if seal != _seal(bytes(data), salt, partition, offset):
        return None
    return Header(kind, form, epoch, number, stored, length, check)


def _seal(header: bytes, salt: bytes, partition: int, offset: int) -> int:
    return crc32c(header[:-4], crc32c(_PLACE.pack(salt, partition, offset)))
