"""tgtd.scsi.buffers: sizes, reuse, the bound."""

from __future__ import annotations

import pytest

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.sense import BUSY, Refused


@pytest.mark.parametrize(("asked", "got"), [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (1 << 20, 1 << 20)])
def test_sizes_are_powers_of_two(asked: int, got: int) -> None:
    assert len(BufferPool(1 << 24).take(asked)) == got


def test_a_buffer_given_back_is_used_again() -> None:
    pool = BufferPool(1 << 20)
    first = pool.take(5000)
    assert pool.used == 8192
    pool.give(first)
    assert pool.used == 0
    assert pool.take(8000) is first


def test_limit_is_busy_and_takes_nothing() -> None:
    pool = BufferPool(8192)
    pool.take(4096)
    with pytest.raises(Refused) as refused:
        pool.take(4097)
    assert refused.value.status == BUSY
    assert pool.used == 4096
    pool.take(4096)
