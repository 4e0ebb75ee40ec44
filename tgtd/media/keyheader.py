"""The header of an encrypted disk: its data key, wrapped by the administrator's, twice.

Two slots, so that one is whole whatever happens. A change goes into the slot that is not in force, durably; then it is
in force, and the other one is overwritten too: no copy of what was before is left, as far as the file system and the
drive below overwrite at all.
"""

from __future__ import annotations

import errno
import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass, replace

from tgtd.media.cipher import SALT_SIZE, WRAPPED_SIZE, unwrap, wrap
from tgtd.scsi.medium import BlockMedium

SLOT = 4096
SIZE = 2 * SLOT
"""Bytes of a header."""

_MAGIC = b"tgtd-key"
_VERSION = 1
_FORM = struct.Struct(f">8sIIQ{SALT_SIZE}s{WRAPPED_SIZE}s")
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """unit: bytes of a data unit. sequence: the higher one is in force."""

    unit: int
    sequence: int
    salt: bytes
    wrapped: bytes

    def encode(self) -> bytes:
        """A slot, with a digest, as half of it may be on the disk."""
        body = _FORM.pack(_MAGIC, _VERSION, self.unit, self.sequence, self.salt, self.wrapped)
        return (body + hashlib.sha256(body).digest()).ljust(SLOT, b"\0")

    @classmethod
    def decode(cls, slot: bytes) -> HeaderEntry | None:
        """None: it is none, or damaged."""
        body, digest = slot[: _FORM.size], slot[_FORM.size : _FORM.size + _DIGEST]
        if len(body) < _FORM.size or hashlib.sha256(body).digest() != digest:
            return None
        magic, version, unit, sequence, salt, wrapped = _FORM.unpack(body)
        if magic != _MAGIC or version != _VERSION or unit not in (512, 1024, 2048, 4096):
            return None
        return cls(unit, sequence, salt, wrapped)


def in_force(content: bytes) -> tuple[HeaderEntry, int] | None:
    """The entry that counts, and its slot; None: there is none."""
    found = [
        (entry, slot)
        for slot in (0, 1)
        if (entry := HeaderEntry.decode(content[slot * SLOT : (slot + 1) * SLOT])) is not None
    ]
    return max(found, key=lambda one: one[0].sequence, default=None)


class KeyHeader:
    """A header on a medium of SIZE bytes, which belongs to it. entry: what is in force, None: nothing yet. torn:
    nobody knows what the medium holds, as a write failed and could not be undone. All of it blocks."""

    def __init__(self, medium: BlockMedium) -> None:
        content = memoryview(bytearray(SIZE))
        medium.read(0, content)
        found = in_force(bytes(content))
        self.entry: HeaderEntry | None = None if found is None else found[0]
        self._slot = 1 if found is None else found[1]
        self.blank = not any(content)
        self.torn = False
        self._medium = medium

    def unlock(self, secret: bytes) -> bytes | None:
        """The data key. None: another secret wrapped it."""
        return None if self.entry is None else unwrap(secret, self.entry.salt, self.entry.wrapped)

    def put(self, secret: bytes, key: bytes, unit: int) -> None:
        """Another data key, or the same one wrapped by another secret: durable on return, and the old one gone.

        Raises OSError: `entry` is what is in force then.
        """
        salt = os.urandom(SALT_SIZE)
        sequence = 1 if self.entry is None else self.entry.sequence + 1
        entry = HeaderEntry(unit, sequence, salt, wrap(secret, salt, key))
        slot = 1 - self._slot
        try:
            self._write(slot, entry.encode())
        except OSError:
            self.torn = True
            with suppress(OSError):
                self._write(slot, bytes(SLOT))
                self.torn = False
            raise
        self.entry, self._slot, self.torn = entry, slot, False
        self._write(1 - slot, replace(entry, sequence=sequence - 1).encode())

    def close(self) -> None:
        self._medium.close()

    def _write(self, slot: int, content: bytes) -> None:
        self._medium.write(slot * SLOT, content, True)


def uncertain() -> OSError:
    """What a torn header makes of all reads and writes."""
    return OSError(errno.EIO, "the header of this encrypted disk could not be written, and must be looked at first")
