"""The methods of logical block protection: which four bytes belong behind a block of a tape.

SSC-5 8.3.9 names them: the Reed-Solomon CRC of ECMA-319, and the CRC-32C of iSCSI (RFC 7143 13.1).
"""

from __future__ import annotations

from functools import cache

from crc32c import crc32c

from tgtd.scsi.medium import Buffer
from tgtd.scsi.ssc.guarding import CRC32C, REED_SOLOMON, Guards

_FIELD = 0x11D
_GENERATOR = (0x38, 0xCF, 0x38, 0x01)
"""x^4 + 38h x^3 + CFh x^2 + 38h x + 1 over GF(256), without its first coefficient."""
_AT_ONCE = 64 << 10
_SHORT = 64


def castagnoli(data: Buffer) -> bytes:
    """CRC-32C, the least significant byte first."""
    return int(crc32c(data)).to_bytes(4, "little")


def reed_solomon(data: Buffer) -> bytes:
    """What the block times x^4 leaves, divided by the generator; a byte is a coefficient, the first the highest."""
    view, rest = memoryview(data), bytes(4)
    for at in range(0, len(view), _AT_ONCE):
        rest = _remainder(rest, view[at : at + _AT_ONCE])
    return rest


def _remainder(rest: bytes, data: memoryview) -> bytes:
    """Goes on after what has left `rest`: it lies upon the next four bytes."""
    length = len(data) + 4
    value = int.from_bytes(data, "big") << 32 ^ int.from_bytes(rest, "big") << 8 * (length - 4)
    while length > _SHORT:
        low = (length + 1) // 2
        value, length = _fold(value, length, low), low + 3
    return _divide(value.to_bytes(length, "big"))


def _fold(value: int, length: int, low: int) -> int:
    """The upper bytes times what x^low leaves, upon the lower ones: all bytes at a time."""
    upper = (value >> 8 * low).to_bytes(length - low, "big")
    folded = value & (1 << 8 * low) - 1
    for power, factor in enumerate(reversed(_power(low))):
        folded ^= int.from_bytes(upper.translate(_times(factor)), "big") << 8 * power
    return folded


def _divide(data: bytes) -> bytes:
    """What is left of a short polynomial."""
    rest = list(data[:4])
    for byte in data[4:]:
        factor = _times(rest[0])
        rest = [other ^ factor[part] for other, part in zip([*rest[1:], byte], _GENERATOR, strict=True)]
    return bytes(rest)


@cache
def _power(number: int) -> bytes:
    """What x^number leaves."""
    if number < 4:
        return bytes(4 - 1 - number) + b"\1" + bytes(number)
    half = _power(number // 2)
    product = [0] * 7
    for i, first in enumerate(half):
        for j, second in enumerate(half):
            product[i + j] ^= _times(first)[second]
    return _divide(bytes(product) + bytes(number % 2))


@cache
def _times(factor: int) -> bytes:
    """Products with each element of the field, for bytes.translate."""
    found = bytearray(256)
    for other in range(256):
        product, left, right = 0, factor, other
        while right:
            product ^= left * (right & 1)
            left = left << 1 ^ _FIELD * (left >> 7)
            right >>= 1
        found[other] = product
    return bytes(found)


GUARDS: Guards = {REED_SOLOMON: reed_solomon, CRC32C: castagnoli}
