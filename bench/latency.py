"""How long one READ takes from end to end, at depth 1, as a small initiator of our own sees it."""

from __future__ import annotations

import random
import time
from urllib.parse import urlsplit

from tests.initiator import Initiator, read10

COUNT = 4000
BLOCKS = 8
SPAN = 256 << 20 >> 9


def percentiles(url: str, count: int = COUNT) -> tuple[float, float]:
    """(p50, p99) in µs of 4 KiB READs at random places. url: iscsi://host:port/target/ ; LUN 1."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 3260)
    with Initiator(address, parts.path.strip("/")).login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        times = []
        for _ in range(count):
            cdb = read10(random.randrange(0, SPAN - BLOCKS, BLOCKS), BLOCKS)
            began = time.perf_counter()
            result = initiator.read(cdb, BLOCKS * 512, lun=1)
            times.append(time.perf_counter() - began)
            assert result.status == 0
        initiator.logout()
    times.sort()
    return times[count // 2] * 1e6, times[count * 99 // 100] * 1e6
