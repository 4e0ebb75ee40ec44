"""tgtd.media.guards: known answers, and the polynomial division written out."""

from __future__ import annotations

import os

import pytest

from tgtd.media.guards import GUARDS, castagnoli, reed_solomon


def product(left: int, right: int) -> int:
    """In GF(256) of x^8 + x^4 + x^3 + x^2 + 1."""
    found = 0
    for bit in range(7, -1, -1):
        found = found << 1 ^ (0x11D if found & 0x80 else 0)
        if right >> bit & 1:
            found ^= left
    return found


def divided(data: bytes) -> bytes:
    rest = [0, 0, 0, 0]
    for byte in data:
        factor = rest[0] ^ byte
        rest = [part ^ product(factor, by) for part, by in zip([*rest[1:], 0], (0x38, 0xCF, 0x38, 0x01), strict=True)]
    return bytes(rest)


@pytest.mark.parametrize("length", [*range(9), 57, 58, 59, 60, 61, 62, 63, 64, 65, 121, 1000, 4097])
def test_as_divided_step_by_step(length: int) -> None:
    data = os.urandom(length)
    assert reed_solomon(memoryview(data)) == divided(data)


@pytest.mark.parametrize("length", [(64 << 10) - 1, 64 << 10, (64 << 10) + 1, (192 << 10) + 77])
def test_long_blocks(length: int) -> None:
    """A block with what belongs behind it leaves nothing; one byte more, or another one, does."""
    data = os.urandom(length)
    whole = data + reed_solomon(data)
    assert reed_solomon(whole) == bytes(4)
    assert reed_solomon(bytes(5) + whole) == bytes(4)
    assert reed_solomon(whole[:100] + bytes((whole[100] ^ 1,)) + whole[101:]) != bytes(4)


def test_known_answers() -> None:
    """The second is what LTFS's table driven division makes of it, the third RFC 3720 B.4."""
    assert reed_solomon(b"\1") == bytes.fromhex("38cf3801")
    assert reed_solomon(b"123456789") == bytes.fromhex("4b4f673a")
    assert castagnoli(bytes(32)) == bytes.fromhex("aa36918a")
    assert set(GUARDS) == {1, 2}
