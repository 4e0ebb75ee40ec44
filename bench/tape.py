"""Tapes: streaming beside our disk and beside tgt's tape, and how far away a block is among a million.

All is on one file system. A tape at depth 1 is as kernels use it; at depth 8 as some backup programs do. What comes off
the tape was written just before, so it is in the page cache, as the disk's file is. What is written takes space that
the file did not have: a tape that is overwritten gives its own back first, and so does the disk here.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.contender import disks, us
from bench.memory import resident
from bench.stream import Stream, tape_cdb
from bench.tgt import blank, tgt
from tgtd.media.descriptor import KEEP_SIZE, PUNCH_HOLE, fallocate
from tgtd.media.tape import make

BLOCK = 256 << 10
COUNT = 1024
CAPACITY = 10 << 30
OURS = "A00001L8.tape"
SMALL = 1 << 10
FEW, MANY = 10_000, 1_000_000
LOCATES = 300
GOAL = 0.6
"""Of the disk's rate."""
FAR = 10e-3
"""Seconds to a block and back with it."""
_REWIND = bytes((0x01, 0, 0, 0, 0, 0))
_SYNCHRONIZE = bytes((0x10, 0, 0, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Streaming:
    """Blocks of 256 KiB a second: to or from our tape, our disk and tgt's tape. share: ours of the disk's."""

    name: str
    tape: float
    disk: float
    tgt: float
    share: float

    @property
    def reached(self) -> bool:
        return self.share >= GOAL


@dataclass(frozen=True, slots=True)
class Locating:
    """Seconds for a LOCATE and a READ: the median, and the worst of LOCATES. resident: the server's bytes then."""

    name: str
    median: float
    worst: float
    resident: int

    @property
    def reached(self) -> bool:
        return self.worst < FAR


def stream(rounds: int) -> Iterator[Streaming]:
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-", dir="/var/tmp") as name, ExitStack() as stack:
        place = Path(name)
        make(str(place / OURS), CAPACITY).close()
        blank(place / "tgt.tape", CAPACITY)
        (disk,) = disks(place, "ours", 1, BLOCK * COUNT)
        ours = stack.enter_context(us(place, [disk], tape=place / OURS))
        _, theirs = stack.enter_context(tgt(place, [], place / "tgt.tape"))
        for depth in (1, 8):
            figures: dict[tuple[str, bool], list[float]] = {}
            for _ in range(rounds):
                for write in (True, False):
                    if write:
                        _empty(disk)
                    for who, url, lun in (("disk", ours.url, 1), ("tape", ours.url, 2), ("tgt", theirs, 1)):
                        figures.setdefault((who, write), []).append(_streamed(url, lun, who != "disk", depth, write))
            for write in (True, False):
                tape, beside, tgt_tape = (figures[who, write] for who in ("tape", "disk", "tgt"))
                ratio = statistics.median(a / b for a, b in zip(tape, beside, strict=True))
                rates = [statistics.median(rates) for rates in (tape, beside, tgt_tape)]
                yield Streaming(f"{'write' if write else 'read'}, depth {depth}", rates[0], rates[1], rates[2], ratio)


def _empty(disk: Path) -> None:
    descriptor = os.open(disk, os.O_RDWR)
    try:
        fallocate(descriptor, KEEP_SIZE | PUNCH_HOLE, 0, BLOCK * COUNT)
    finally:
        os.close(descriptor)


def _streamed(url: str, lun: int, tape: bool, depth: int, write: bool) -> float:
    """Blocks a second, from the beginning."""
    offsets = [number * BLOCK for number in range(COUNT)]
    if not tape:
        with Stream(url, lun) as session:
            return COUNT / session.run(offsets, BLOCK, depth, write)
    with Stream(url, lun, cdb=tape_cdb) as session:
        session.ask(_REWIND)
        session.run(offsets[:1], BLOCK, 1, write)  # the one before which the tape is cut, or found
        rate = (COUNT - 1) / session.run(offsets[1:], BLOCK, depth, write)
        if write:
            session.ask(_SYNCHRONIZE)
        return rate


def locate() -> Iterator[Locating]:
    """Blocks of 1 KiB on a cartridge of 10 GiB. tgt knows no LOCATE."""
    for count in (FEW, MANY):
        with tempfile.TemporaryDirectory(prefix="tgtd-bench-", dir="/var/tmp") as name:
            place = Path(name)
            _fill(place / OURS, count)
            with us(place, [], tape=place / OURS) as side, Stream(side.url, cdb=tape_cdb) as session:
                yield _located(f"{count:,} blocks of 1 KiB", side.pid, session, count)


def _fill(file: Path, count: int) -> None:
    cartridge = make(str(file), CAPACITY)
    for number in range(count):
        cartridge.partitions[0].append_block(number.to_bytes(8, "big") * (SMALL // 8), SMALL, 0)
    cartridge.close()


def _located(name: str, pid: int, session: Stream, count: int) -> Locating:
    """Any block may follow on any. Each is asked for in three passes, of which its best counts: what another process
    has taken of the time is not the server's. Raises RuntimeError for another block."""
    sample = random.Random(count).sample(range(count), LOCATES)
    best = dict.fromkeys(sample, float("inf"))
    for number in sample * 3:
        began = time.perf_counter()
        session.ask(bytes((0x2B, 0, 0, *number.to_bytes(4, "big"), 0, 0, 0)))
        data = session.ask(tape_cdb(0, SMALL, False)[:6], SMALL)
        best[number] = min(best[number], time.perf_counter() - began)
        if int.from_bytes(data[:8], "big") != number:
            raise RuntimeError(f"block {number} was asked for, and another came")
    return Locating(name, statistics.median(best.values()), max(best.values()), resident(pid))


if __name__ == "__main__":
    for streaming in stream(3):
        print(streaming)
    for locating in locate():
        print(locating)
