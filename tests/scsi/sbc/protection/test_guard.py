"""tgtd.scsi.sbc.protection.guard: against the standard's cases, and long division bit by bit."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.scsi.sbc.protection.guard import guard, guards

CASES = [
    (bytes(32), 0x0000),
    (b"\xff" * 32, 0xA293),
    (bytes(range(32)), 0x0224),
    (b"\xff\xff" + bytes(30), 0x21B8),
    (bytes(range(0xFF, 0xDF, -1)), 0xA0B7),
]
"""SBC-4 table 27."""


def divided(data: bytes) -> int:
    rest = 0
    for byte in data:
        rest ^= byte << 8
        for _ in range(8):
            rest = rest << 1 ^ (0x18BB7 if rest & 0x8000 else 0)
    return rest


@pytest.mark.parametrize(("data", "crc"), CASES, ids=lambda value: str(value)[:12])
def test_the_cases_of_the_standard(data: bytes, crc: int) -> None:
    assert guard(data) == crc == divided(data)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([512, 520, 1024, 2048, 4096]).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
def test_any_block(block: bytes) -> None:
    assert guard(block) == divided(block)


@given(st.integers(0, 4095), st.integers(1, 255))
def test_every_bit_counts(at: int, value: int) -> None:
    block = bytearray(4096)
    block[at] = value
    assert guard(block) == divided(bytes(block)) != 0


def test_of_many() -> None:
    data = bytes(range(256)) * 8
    assert guards(memoryview(data), 512) == [divided(data[:512])] * 4
