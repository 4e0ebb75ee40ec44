"""Reads that the page cache does not serve, through us and by the medium alone: what is lost on the way?

Two ways: the cache is dropped before each round (cold), and files opened with O_DIRECT (a LUN with `direct = true`).
The medium alone is as many threads as there are commands in flight, each with preadv(2). Both get the same places in
the same order, from the same file.
"""

from __future__ import annotations

import mmap
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import profile
from bench.contender import disks, us
from bench.stream import Stream

SIZE = 512 << 20
KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Pattern:
    name: str
    size: int
    depth: int
    count: int
    random: bool = True

    def offsets(self) -> list[int]:
        places = range(0, SIZE, self.size)
        return random.Random(self.name).sample(places, self.count) if self.random else list(places)[: self.count]


PATTERNS = (
    Pattern("4 KiB random, depth 8", 4 * KIB, 8, 4000),
    Pattern("4 KiB random, depth 32", 4 * KIB, 32, 8000),
    Pattern("64 KiB random, depth 16", 64 * KIB, 16, 2000),
    Pattern("1 MiB sequential, depth 8", 1024 * KIB, 8, 400, random=False),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Commands per second through us and by the medium alone (medians); ratio: the median of the pairs'."""

    name: str
    ours: float
    alone: float
    ratio: float


KINDS = (("cold", 0, ""), ("O_DIRECT", os.O_DIRECT, ", direct = true"))
"""Name, flag for open(2), and what the medium's table has more."""


def profiles(names: Sequence[str]) -> dict[str, list[tuple[float, str]]]:
    """Where our time goes with these patterns, by what findings call them."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-", dir="/var/tmp") as name:
        place = Path(name)
        file = disks(place, "cold", 1, SIZE)[0]
        for kind, flag, more in KINDS:
            with us(place, [file], more) as side:
                for pattern in PATTERNS:
                    if f"{kind}: {pattern.name}" in names:
                        descriptor = os.open(file, os.O_RDONLY | flag)
                        try:
                            work = partial(through_us, side.url, descriptor, pattern)
                            found[f"{kind}: {pattern.name}"] = profile.shares(side.pid, work)
                        finally:
                            os.close(descriptor)
    return found


def through_us(url: str, file: int, pattern: Pattern) -> float:
    """Seconds."""
    drop(file)
    with Stream(url) as stream:
        return stream.run(pattern.offsets(), pattern.size, pattern.depth)


def run(rounds: int) -> Iterator[Finding]:
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-", dir="/var/tmp") as name:
        place = Path(name)
        file = disks(place, "cold", 1, SIZE)[0]
        for kind, flag, more in KINDS:
            descriptor = os.open(file, os.O_RDONLY | flag)
            try:
                with us(place, [file], more) as side:
                    for pattern in PATTERNS:
                        yield compare(f"{kind}: {pattern.name}", side.url, descriptor, pattern, rounds)
            finally:
                os.close(descriptor)


def compare(name: str, url: str, file: int, pattern: Pattern, rounds: int) -> Finding:
    offsets = pattern.offsets()
    ours, alone = [], []
    for number in range(rounds):
        for through in (False, True) if number % 2 else (True, False):
            if through:
                ours.append(len(offsets) / through_us(url, file, pattern))
            else:
                drop(file)
                alone.append(len(offsets) / medium(file, offsets, pattern.size, pattern.depth))
    ratio = statistics.median(a / b for a, b in zip(ours, alone, strict=True))
    return Finding(name, statistics.median(ours), statistics.median(alone), ratio)


def drop(file: int) -> None:
    """Out of the page cache; only pages that are written back can be dropped."""
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)


def medium(file: int, offsets: Sequence[int], size: int, depth: int) -> float:
    """Seconds for `depth` threads that take one offset after the other."""
    left = iter(offsets)

    def reader() -> None:
        buffer = mmap.mmap(-1, size)
        for offset in left:
            if os.preadv(file, [buffer], offset) != size:
                raise RuntimeError("short read")

    threads = [threading.Thread(target=reader) for _ in range(depth)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    for found in run(3):
        print(f"{found.name:40}{found.ours:10,.0f}/s{found.alone:10,.0f}/s{found.ratio:8.2f}")
