"""A medium of which another one keeps only the ciphertext (AES-256-XTS; a data unit is a logical block).

Not a layer that may be taken away: it is what keeps the data, as `bottom` sees it. Zeros below are zeros above: holes
and what was discarded read as zeros, so space is given back as without encryption. Whoever has the medium below sees
which blocks were never written; and XTS does not say whether a block was changed by somebody without the key.
"""

from __future__ import annotations

import mmap
import os

from tgtd.media.cipher import KEY_SIZE, DataCipher
from tgtd.media.keyheader import KeyHeader, uncertain
from tgtd.scsi.keyed import Keyed
from tgtd.scsi.layer import Wrapper
from tgtd.scsi.medium import BlockMedium, Buffer

_STEP = 1 << 20  # of a write: its ciphertext needs memory of its own
_AT_ONCE = 4096  # bytes whose decryption the loop thread may take the time for


class EncryptedMedium(Wrapper, Keyed):
    """header: of which `secret` has unlocked `key`. Closes the medium and the header."""

    def __init__(self, medium: BlockMedium, header: KeyHeader, secret: bytes, key: bytes) -> None:
        entry = header.entry
        assert entry is not None
        super().__init__(medium)
        self.unit = entry.unit
        self.block_sizes = tuple(size for size in medium.block_sizes if size % self.unit == 0)
        self.atomic_bytes = min(medium.atomic_bytes, _STEP)
        self._header = header
        self._secret = secret
        self._cipher: DataCipher | None = DataCipher(key, self.unit)

    def renew(self) -> None:
        before, key = self._header.entry, os.urandom(KEY_SIZE)
        try:
            self._header.put(self._secret, key, self.unit)
        finally:
            if self._header.entry is not before:
                self._cipher = DataCipher(key, self.unit)
            elif self._header.torn:
                self._cipher = None

    def _able(self) -> DataCipher:
        cipher = self._cipher
        if cipher is None:
            raise uncertain()
        return cipher

    def read_now(self, offset: int, into: memoryview) -> bool:
        cipher = self._cipher
        if cipher is None or len(into) > _AT_ONCE or not self.medium.read_now(offset, into):
            return False
        cipher.decrypt(offset // self.unit, into)
        return True

    def write_now(self, offset: int, data: Buffer) -> bool:
        """Encrypting takes a worker's time."""
        return False

    def read(self, offset: int, into: memoryview) -> None:
        cipher = self._able()
        self.medium.read(offset, into)
        cipher.decrypt(offset // self.unit, into)

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        cipher, view = self._able(), memoryview(data)
        if not view:
            return
        with mmap.mmap(-1, min(len(view), _STEP)) as pages, memoryview(pages) as room:
            for at in range(0, len(view), _STEP):
                filled = 0
                for piece in cipher.encrypt((offset + at) // self.unit, view[at : at + _STEP]):
                    room[filled : filled + len(piece)] = piece
                    filled += len(piece)
                with room[:filled] as part:
                    self.medium.write(offset + at, part, durable)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._header.close()
