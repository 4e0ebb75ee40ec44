"""AES-256-XTS over data units, many at a time (IEEE 1619, NIST SP 800-38E); how data keys are wrapped (RFC 3394).

The block cipher is python3-cryptography's. It would make an object for each data unit: here the tweaks of many are one
long integer, multiplied all together, so that a buffer costs two calls. Pure; one object serves several threads.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from typing import TYPE_CHECKING, Protocol

from tgtd.media.problem import MediumError
from tgtd.scsi.medium import Buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

    INSTALLED = True
except ImportError:
    INSTALLED = False

KEY_SIZE = 64
"""Bytes of a data key: one AES-256 key for data, one for tweaks."""
WRAPPED_SIZE = KEY_SIZE + 8
SALT_SIZE = 32

_BLOCK = 16
_AT_ONCE = 16 << 10


class _Context(Protocol):
    def update(self, data: Buffer) -> bytes: ...


def require() -> None:
    """Raises MediumError where the library is missing."""
    if not INSTALLED:
        raise MediumError(
            errno.ENOSYS,
            "encryption needs the Python library cryptography, which is not installed",
            "apt install python3-cryptography (or pip install 'tgtd[crypto]'), then restart tgtd",
        )


class DataCipher:
    """key: KEY_SIZE bytes. unit: bytes of a data unit, a power of two from 512 to 4096."""

    def __init__(self, key: bytes, unit: int) -> None:
        if len(key) != KEY_SIZE or key[:32] == key[32:]:
            raise ValueError("not a key of AES-256-XTS")
        self.unit = unit
        self._key = key
        self._zeros = bytes(unit)
        self._gap = bytes(unit - _BLOCK)
        self._contexts = threading.local()
        self._work = self._one_by_one if unit == 4096 else self._together

    def encrypt(self, number: int, data: Buffer) -> Iterator[bytes]:
        """number: of the first data unit. data: whole units. Yields the pieces of the result."""
        view = memoryview(data)
        for at in range(0, len(view), _AT_ONCE):
            yield self._work("encrypt", number + at // self.unit, view[at : at + _AT_ONCE])

    def decrypt(self, number: int, data: memoryview) -> None:
        """In place. A unit of zeros was never written, or given back: it stays zeros. (What would encrypt to zeros is
        as likely to be met as a guess of the key.)"""
        for at in range(0, len(data), _AT_ONCE):
            piece = data[at : at + _AT_ONCE]
            units = range(0, len(piece), self.unit)
            holes = [unit for unit in units if not piece[unit] and piece[unit : unit + self.unit] == self._zeros]
            if len(holes) == len(units):
                continue
            piece[:] = self._work("decrypt", number + at // self.unit, piece)
            for unit in holes:
                piece[unit : unit + self.unit] = self._zeros

    def _one_by_one(self, what: str, number: int, data: memoryview) -> bytes:
        """For units that are long enough to be worth an object."""
        parts = []
        for at in range(0, len(data), self.unit):
            tweak = (number + at // self.unit).to_bytes(_BLOCK, "little")
            cipher = Cipher(algorithms.AES(self._key), modes.XTS(tweak))
            context = cipher.encryptor() if what == "encrypt" else cipher.decryptor()
            parts.append(context.update(data[at : at + self.unit]))
        return b"".join(parts)

    def _together(self, what: str, number: int, data: memoryview) -> bytes:
        mask = self._mask(number, len(data) // self.unit)
        return _masked(self._context(what).update(_masked(data, mask)), mask)

    def _mask(self, number: int, count: int) -> int:
        """The tweaks of all blocks of `count` units, one behind the other: in each unit, the first block's times
        powers of alpha, doubled in number with every step."""
        numbers = b"".join([(number + i).to_bytes(_BLOCK, "little") for i in range(count)])
        first = self._context("tweak").update(numbers)
        gap = self._gap
        apart = b"".join([first[at : at + _BLOCK] + gap for at in range(0, len(first), _BLOCK)])
        mask = int.from_bytes(apart, "little")
        filled = 1
        while filled * _BLOCK < self.unit:
            mask |= _times(mask, filled) << (128 * filled)
            filled *= 2
        return mask

    def _context(self, what: str) -> _Context:
        """Of this thread. Electronic code book has no state, so one does for all calls."""
        found: _Context | None = getattr(self._contexts, what, None)
        if found is None:
            half = self._key[32:] if what == "tweak" else self._key[:32]
            cipher = Cipher(algorithms.AES(half), modes.ECB())
            found = cipher.decryptor() if what == "decrypt" else cipher.encryptor()
            setattr(self._contexts, what, found)
        return found


def _masked(data: Buffer, mask: int) -> bytes:
    return (int.from_bytes(data, "little") ^ mask).to_bytes(len(data), "little")


def _lanes(value: int) -> int:
    """The same 16 bytes for each block of a piece."""
    return int.from_bytes(value.to_bytes(_BLOCK, "little") * (_AT_ONCE // _BLOCK), "little")


_HIGH = {power: (_lanes((1 << power) - 1), _lanes((1 << (128 - power)) - 1)) for power in (1, 2, 4, 8, 16, 32, 64)}


def _times(lanes: int, power: int) -> int:
    """Each 16 bytes times alpha to `power`, in the field of x^128 + x^7 + x^2 + x + 1."""
    if power == 128:
        return _times(_times(lanes, 64), 64)
    low, rest = _HIGH[power]
    over = (lanes >> (128 - power)) & low
    return ((lanes & rest) << power) ^ over ^ (over << 1) ^ (over << 2) ^ (over << 7)


def wrap(secret: bytes, salt: bytes, key: bytes) -> bytes:
    """A data key as it may be kept: wrapped by a key that is made of the administrator's. Takes a tenth of a second
    and 32 MiB, so that guessing does too."""
    return aes_key_wrap(_stretched(secret, salt), key)


def unwrap(secret: bytes, salt: bytes, wrapped: bytes) -> bytes | None:
    """None: another secret wrapped it."""
    try:
        return aes_key_unwrap(_stretched(secret, salt), wrapped)
    except InvalidUnwrap:
        return None


def _stretched(secret: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(secret, salt=salt, n=1 << 15, r=8, p=1, maxmem=64 << 20, dklen=32)
