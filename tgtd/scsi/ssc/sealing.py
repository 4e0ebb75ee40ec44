"""Encrypted blocks: what stands in a cartridge in place of a block's data (SSC-5 4.2.22).

A seal says by which key the block can be opened, and has the key-associated data; the ciphertext follows. The layout is
in tgtd-tape(5). The algorithm itself is the host's affair, and so are nonces.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

from tgtd.scsi.medium import Buffer

SEALED = 0x80
"""Bit of a block's FORM: it is encrypted; the other bits say how the data was packed before that."""

ALGORITHM = 1
"""ALGORITHM INDEX of AES-256-GCM, and the first byte of a seal."""
KEY_SIZE = 32
CHECK_SIZE = 8
MOST_UNAUTHENTICATED, MOST_AUTHENTICATED = 32, 60
"""Bytes of key-associated data."""

_NO_RAW = 0x01
_HEAD = struct.Struct(f">BBBBB3x{CHECK_SIZE}s")
_PLACE = struct.Struct(">BBQI")


class Cipher(Protocol):
    """An algorithm with its key. Not for two workers at a time."""

    @property
    def check(self) -> bytes:
        """CHECK_SIZE bytes by which a key is told from another; they say nothing else of it."""

    def encrypt(self, data: Buffer, associated: bytes) -> tuple[bytes, bytes]:
        """The nonce; ciphertext and tag. associated: what is authenticated besides. No nonce is ever used twice."""

    def decrypt(self, data: Buffer, associated: bytes) -> bytes:
        """data: all of that. Raises ValueError: it is not what was encrypted, or not with this key."""


Ciphers = Callable[[bytes], Cipher]
"""Makes one of KEY_SIZE bytes."""


class Seal(NamedTuple):
    """no_raw: it is not to be read as it stands. kad_format: KAD FORMAT. unauthenticated, authenticated: U-KAD and
    A-KAD, empty where there is none. check: the key's."""

    no_raw: bool
    kad_format: int
    unauthenticated: bytes
    authenticated: bytes
    check: bytes

    @property
    def size(self) -> int:
        return _HEAD.size + len(self.unauthenticated) + len(self.authenticated)

    def encode(self) -> bytes:
        return self._head() + self.unauthenticated + self.authenticated

    def _head(self) -> bytes:
        lengths = len(self.unauthenticated), len(self.authenticated)
        return _HEAD.pack(ALGORITHM, _NO_RAW * self.no_raw, self.kad_format, *lengths, self.check)

    def associated(self, place: BlockLocation) -> bytes:
        """What the tag covers besides the data: all of the seal but the U-KAD, and the block's place, so that blocks
        do not change places unnoticed."""
        return self._head() + self.authenticated + _PLACE.pack(*place)


class BlockLocation(NamedTuple):
    """Where a block stands: its partition, its FORM, the number of the object, and its length before encryption and
    compression."""

    partition: int
    form: int
    number: int
    length: int


def decode(data: Buffer) -> Seal | None:
    """None: sealed by an algorithm that is unknown here."""
    view = memoryview(data)
    if len(view) < _HEAD.size:
        return None
    algorithm, flags, kad_format, unauthenticated, authenticated, check = _HEAD.unpack_from(view)
    if algorithm != ALGORITHM or flags & ~_NO_RAW or len(view) < _HEAD.size + unauthenticated + authenticated:
        return None
    middle = _HEAD.size + unauthenticated
    first, second = bytes(view[_HEAD.size : middle]), bytes(view[middle : middle + authenticated])
    return Seal(bool(flags), kad_format, first, second, bytes(check))
