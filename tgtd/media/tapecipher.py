"""AES-256-GCM for blocks of tapes (NIST SP 800-38D), by python3-cryptography.

The library takes nothing but bytes, as that of Debian 12 has it.

A nonce is 8 random bytes, drawn when the key was set, and a count: with one key no nonce comes twice, be it by chance
only between two times that it was set, and drawn anew when the count is through.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from tgtd.media import cipher
from tgtd.scsi.medium import Buffer
from tgtd.scsi.ssc.sealing import CHECK_SIZE, KEY_SIZE, Ciphers

if cipher.INSTALLED:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SALT, _COUNT, _TAG = 8, 4, 16
_NONCE = _SALT + _COUNT


class TapeCipher:
    """key: KEY_SIZE bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_SIZE:
            raise ValueError("not a key of AES-256-GCM")
        self.check = hmac.digest(key, b"tgtd tape key check", hashlib.sha256)[:CHECK_SIZE]
        self._gcm = AESGCM(key)
        self._salt = os.urandom(_SALT)
        self._count = 0

    def encrypt(self, data: Buffer, associated: bytes) -> tuple[bytes, bytes]:
        nonce = self._nonce()
        return nonce, self._gcm.encrypt(nonce, bytes(data), associated)

    def decrypt(self, data: Buffer, associated: bytes) -> bytes:
        """Raises ValueError."""
        view = memoryview(data)
        if len(view) < _NONCE + _TAG:
            raise ValueError("too short to be a ciphertext")
        try:
            return self._gcm.decrypt(bytes(view[:_NONCE]), bytes(view[_NONCE:]), associated)
        except InvalidTag as trouble:
            raise ValueError("the tag is another one") from trouble

    def _nonce(self) -> bytes:
        if self._count >> (8 * _COUNT):
            self._salt, self._count = os.urandom(_SALT), 0
        count, self._count = self._count, self._count + 1
        return self._salt + count.to_bytes(_COUNT, "big")


def ciphers() -> Ciphers | None:
    """None: the library is not installed, and drives do not encrypt."""
    return TapeCipher if cipher.INSTALLED else None
