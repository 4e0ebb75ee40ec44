"""Headers: what was written is read, and nothing else is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tgtd.media.cartridge.record import BLOCK, FILEMARKS, HEADER, INDEX, Header, pack, unpack

SALT = b"saltsalt"
HEADERS = st.builds(
    Header,
    st.sampled_from([BLOCK, FILEMARKS, INDEX]),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 1 << 24),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
)


@given(HEADERS, st.integers(0, 2**60), st.integers(0, 3))
def test_there_and_back(header: Header, offset: int, partition: int) -> None:
    data = pack(header, SALT, partition, offset)
    assert len(data) == HEADER
    assert unpack(data, SALT, partition, offset) == header
    assert unpack(data, SALT, partition, offset + 1) is None
    assert unpack(data, SALT, partition ^ 1, offset) is None
    assert unpack(data, b"another!", partition, offset) is None


@given(HEADERS, st.integers(0, HEADER * 8 - 1))
def test_any_bit(header: Header, bit: int) -> None:
    data = bytearray(pack(header, SALT, 0, 0))
    data[bit >> 3] ^= 1 << (bit & 7)
    assert unpack(data, SALT, 0, 0) is None


def test_objects() -> None:
    assert Header(BLOCK, 0, 0, 0, 9, 9, 0).objects == 1
    assert (Header(FILEMARKS, 0, 0, 0, 0, 5, 0).objects, Header(FILEMARKS, 0, 0, 0, 0, 5, 0).filemarks) == (5, 5)
    assert Header(INDEX, 0, 0, 0, 9, 0, 0).objects == 0
