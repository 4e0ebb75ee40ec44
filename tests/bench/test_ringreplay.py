"""bench.ringreplay: a batch is carried out whole."""

from __future__ import annotations

import pytest

from bench.replay import BYTES, CASES, DEPTH
from bench.ringreplay import RingReplay


@pytest.mark.parametrize(("cdb", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_batches(cdb: bytes, data: bytes) -> None:
    ring = RingReplay()
    for _ in range(3):
        ring.run(cdb, data)
    assert (ring.server.commands, ring.device.told) == (1 + 3 * DEPTH, 4)
    assert ring.server.bytes_out + ring.server.bytes_in == 3 * DEPTH * BYTES


def test_one_that_fails_is_told() -> None:
    with pytest.raises(RuntimeError, match="0 commands"):
        RingReplay().run(b"\xc1" + bytes(9), b"")
