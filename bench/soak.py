"""`make soak`: everything at once for a long time, then: did anything go wrong, did anything grow?

Loads: two sessions that write, flush, read back and compare; qemu-img bench on a LUN of its own, killed now and then in
the middle; logins with and without CHAP, wrong secrets, discoveries; edits of the target files that add, grow, break,
mend and remove. Every five seconds resident memory, descriptors, threads and sessions are written down.

Options (make soak SOAK="..."): --seconds N (3600); --samples FILE: the samples as JSON lines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.memory import resident
from bench.soak_loads import Bench, Edits, Load, Logins, Verify
from bench.soak_site import Site
from tests.daemon import daemon, eventually

STEP = 5.0
WARM = 0.2  # of the time: until then pools fill and threads start
MEMORY_SLACK = 3 << 20  # bytes between the first and the last third of what follows
COUNT_SLACK = 4  # descriptors and threads likewise; loads come and go


@dataclass(frozen=True, slots=True)
class Sample:
    """seconds: since the start. resident: bytes."""

    seconds: float
    resident: int
    descriptors: int
    threads: int
    sessions: int
    buffer_bytes: int

    @classmethod
    def take(cls, began: float, pid: int, counters: dict[str, int]) -> Sample:
        return cls(
            round(time.monotonic() - began, 1),
            resident(pid),
            len(os.listdir(f"/proc/{pid}/fd")),
            len(os.listdir(f"/proc/{pid}/task")),
            counters["sessions"],
            counters["buffer_bytes"],
        )

    def __str__(self) -> str:
        return (
            f"{self.seconds:7.0f} s {self.resident / 1048576:8.1f} MiB {self.descriptors:5} descriptors "
            f"{self.threads:4} threads {self.sessions:4} sessions {self.buffer_bytes >> 10:8} KiB in buffers"
        )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--samples", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tgtd-soak-", dir="/var/tmp") as name:
        site = Site(Path(name))
        with daemon(site.place) as process:
            troubles, samples = soak(site, process.pid, options.seconds)
        if troubles:
            kept = Path(tempfile.mkstemp(prefix="tgtd-soak-", suffix=".log")[1])
            kept.write_bytes((site.place / "log").read_bytes())
            troubles.append(f"the daemon's log: {kept}")
    if options.samples is not None:
        options.samples.write_text("".join(json.dumps(asdict(sample)) + "\n" for sample in samples))
    print("\n".join(troubles) if troubles else "flat, and nothing went wrong")
    return 1 if troubles else 0


def soak(site: Site, pid: int, seconds: float) -> tuple[list[str], list[Sample]]:
    """What went wrong, and the samples."""
    loads: list[Load] = [Verify(site, 1), Verify(site, 2), Bench(site, 3), Logins(site), Edits(site)]
    before = len(os.listdir(f"/proc/{pid}/fd"))
    began, samples = time.monotonic(), []
    for load in loads:
        load.start()
    while time.monotonic() - began < seconds and not any(load.trouble for load in loads):
        time.sleep(STEP)
        samples.append(Sample.take(began, pid, site.counters()))
        print(samples[-1], flush=True)
    for load in loads:
        load.stopping = True
    for load in loads:
        load.join(60)
    for load in loads:
        print(f"{load.name}: {load.rounds} rounds" + (f"; {load.trouble!r}" if load.trouble else ""))
    troubles = [f"{load.name}: {load.trouble!r}" for load in loads if load.trouble]
    troubles += [f"{load.name}: did not end" for load in loads if load.is_alive()]
    return troubles + growth(samples) + leftovers(site, pid, before), samples


def growth(samples: list[Sample]) -> list[str]:
    """What the last third after warming up has more of than the first."""
    warm = samples[int(len(samples) * WARM) :]
    third = len(warm) // 3
    if not third:
        return []
    found = []
    for name, slack in (("resident", MEMORY_SLACK), ("descriptors", COUNT_SLACK), ("threads", COUNT_SLACK)):
        first, last = (statistics.median(getattr(s, name) for s in part) for part in (warm[:third], warm[-third:]))
        hours = (warm[-1].seconds - warm[0].seconds) / 3600
        slope = statistics.linear_regression([s.seconds / 3600 for s in warm], [getattr(s, name) for s in warm]).slope
        print(f"{name}: {first:,.0f} at first, {last:,.0f} in the end, {slope:+,.0f} an hour over {hours:.2f} hours")
        if last - first > slack:
            found.append(f"{name} grew from {first:,.0f} to {last:,.0f}")
    return found


def leftovers(site: Site, pid: int, before: int) -> list[str]:
    """What is still there after everybody has gone. Sessions whose client was killed may be kept for a while."""

    def quiet() -> bool:
        counters = site.counters()
        return not counters["connections"] and not counters["buffer_bytes"]

    found = []
    if not eventually(quiet, 30):
        found.append(f"connections or buffers are left: {site.counters()}")
    counters: dict[str, Any] = site.counters()
    if counters["callback_failures"]:
        found.append(f"{counters['callback_failures']} callbacks of the loop failed")
    after = len(os.listdir(f"/proc/{pid}/fd"))
    if after > before + COUNT_SLACK:
        found.append(f"{before} descriptors before, {after} after")
    return found


if __name__ == "__main__":
    sys.exit(main())
