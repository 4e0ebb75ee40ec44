"""CRC32C against the examples of RFC 7143 appendix A.4."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.net.iscsi.digest import digest


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (bytes(32), "aa36918a"),
        (b"\xff" * 32, "43aba862"),
        (bytes(range(32)), "4e79dd46"),
        (bytes(range(31, -1, -1)), "5cdb3f11"),
        (bytes.fromhex("01c00000" + "00" * 12 + "140000000000040000000014000000182800000000000000020000" + "00" * 5),
         "563a96d9"),
    ],
)  # fmt: skip
def test_examples_of_the_standard(data: bytes, wire: str) -> None:
    assert digest((data,)).hex() == wire


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_parts_count_as_one(data: bytes, cut: int) -> None:
    assert digest((data[:cut], memoryview(data)[cut:])) == digest((data,))
