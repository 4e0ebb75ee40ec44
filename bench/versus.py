"""Us and Debian's tgtd side by side on the same work: alternating rounds, ratios pair by pair.

Both serve files in the page cache over the loopback interface; the clients are qemu-img bench and iscsi-perf.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.latency import percentiles
from bench.nbd import nbd
from bench.tgt import tgt
from tests.daemon import daemon, free_port

DISKS = 4
SIZE = 256 << 20
TARGET = "iqn.2026-11.com.example:bench"


@dataclass(frozen=True, slots=True)
class Work:
    """count: commands per round, of each client. rate, cpu: the goal as a ratio to tgt's."""

    name: str
    size: int
    depth: int
    count: int
    write: bool = False
    random: bool = False
    clients: int = 1
    rate: float = 0.0
    cpu: float = 9.9


KIB = 1 << 10
WORK = (
    Work("read 4 KiB, depth 1", 4 * KIB, 1, 8000, rate=1.2, cpu=0.6),
    Work("read 4 KiB, depth 32", 4 * KIB, 32, 40000, rate=3, cpu=0.35),
    Work("read 4 KiB, depth 32, random", 4 * KIB, 32, 40000, random=True, rate=3, cpu=0.35),
    Work("write 4 KiB, depth 1", 4 * KIB, 1, 5000, write=True),
    Work("write 4 KiB, depth 32", 4 * KIB, 32, 30000, write=True, rate=2.5, cpu=0.45),
    Work("read 64 KiB, depth 16", 64 * KIB, 16, 10000, rate=2.2, cpu=0.45),
    Work("write 64 KiB, depth 16", 64 * KIB, 16, 5000, write=True, rate=4, cpu=0.3),
    Work("read 1 MiB, depth 8", 1024 * KIB, 8, 1500, rate=1.8, cpu=0.5),
    Work("write 1 MiB, depth 8", 1024 * KIB, 8, 600, write=True, rate=5, cpu=0.2),
    Work("read 4 KiB, depth 32, 4 clients", 4 * KIB, 32, 20000, clients=4, rate=3, cpu=0.35),
    Work("write 4 KiB, depth 32, 4 clients", 4 * KIB, 32, 8000, write=True, clients=4),
)


@dataclass(slots=True)
class Side:
    """One of the two daemons, and what was measured: per work, (commands per second, CPU µs per command) by round."""

    name: str
    pid: int
    url: str
    rounds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def measure(self, work: Work) -> None:
        before = cpu_time(self.pid)
        seconds, commands = (perf if work.random else qemu)(self.url, work)
        cost = (cpu_time(self.pid) - before) / commands
        self.rounds.setdefault(work.name, []).append((commands / seconds, cost * 1e6))

    def median(self, work: Work) -> tuple[float, float]:
        """Commands per second, CPU µs per command."""
        rates, costs = zip(*self.rounds[work.name], strict=True)
        return statistics.median(rates), statistics.median(costs)


def qemu(url: str, work: Work) -> tuple[float, int]:
    """Seconds and commands; with several clients, the slowest one's seconds."""
    words = f"qemu-img bench -f raw -t none -d {work.depth} -s {work.size} -c {work.count}".split()
    words += ["-w"] if work.write else []
    places = [f"{url}{number}" for number in range(1, work.clients + 1)] if url.startswith("iscsi") else [url]
    running = [subprocess.Popen((*words, place), stdout=subprocess.PIPE, text=True) for place in places]
    outputs = [process.communicate(timeout=600)[0] for process in running]
    found = [re.search(r"completed in ([0-9.]+) seconds", output) for output in outputs]
    return max(float(match[1]) for match in found if match), work.count * work.clients


def perf(url: str, work: Work) -> tuple[float, int]:
    """iscsi-perf reads at random; it runs for whole seconds."""
    seconds = 2
    words = f"iscsi-perf -r -b {work.size // 512} -m {work.depth} -t {seconds} {url}1".split()
    output = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.findall(r"iops average (\d+)", output)
    return seconds, int(found[-1]) * seconds


def cpu_time(pid: int) -> float:
    """User and system seconds of a process and those it has waited for and has running (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def sides() -> Iterator[tuple[Side, Side, Side]]:
    """Ours, tgt's, and qemu-nbd's, each on files of its own."""
    with ExitStack() as stack:
        place, port = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tgtd-bench-"))), free_port()
        ours, theirs, third = (_disks(place, name) for name in ("ours", "theirs", "third"))
        targets = place / "etc" / "targets.d"
        targets.mkdir(parents=True)
        luns = "".join(
            f'[[target.lun]]\nnumber = {number}\nmedium = {{ type = "file", path = "{disk}" }}\n'
            for number, disk in enumerate(ours, 1)
        )
        head = f'[[target]]\nname = "{TARGET}"\nportals = ["127.0.0.1:{port}"]\naccess = {{ anyone = true }}\n'
        (targets / "bench.toml").write_text(head + luns)
        process = stack.enter_context(daemon(place))
        yield (
            Side("tgtd", process.pid, f"iscsi://127.0.0.1:{port}/{TARGET}/"),
            Side("tgt", *stack.enter_context(tgt(place, theirs))),
            Side("qemu-nbd", *stack.enter_context(nbd(third[0]))),
        )


def _disks(place: Path, name: str) -> list[Path]:
    """Files with data, so that reads come from the page cache and writes allocate nothing."""
    paths = [place / f"{name}{number}.img" for number in range(DISKS)]
    block = os.urandom(1 << 20)
    for path in paths:
        with path.open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(block)
    return paths


@dataclass(slots=True)
class Row:
    """What was found for one work. nbd: its figures, where NBD can do that work with one client."""

    work: Work
    ours: tuple[float, float]
    theirs: tuple[float, float]
    nbd: tuple[float, float] | None
    rate: float
    cpu: float

    @property
    def reached(self) -> bool:
        return self.rate >= self.work.rate and self.cpu <= self.work.cpu


def compare(parties: tuple[Side, Side, Side], rounds: int, wanted: str = "") -> Iterator[Row]:
    """One row after the other; `rate` and `cpu` are medians of the ratios of pairs of rounds."""
    ours, theirs, third = parties
    for work in WORK:
        if wanted not in work.name:
            continue
        plain = work.clients == 1 and not work.random
        for number in range(rounds):
            for side in (ours, theirs) if number % 2 else (theirs, ours):
                side.measure(work)
            if plain:
                third.measure(work)
        rate, cpu = ratios(ours.rounds[work.name], theirs.rounds[work.name])
        yield Row(work, ours.median(work), theirs.median(work), third.median(work) if plain else None, rate, cpu)


def ratios(ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> tuple[float, float]:
    """Medians of the pairs' ratios: rate, CPU per command."""
    pairs = list(zip(ours, theirs, strict=True))
    return statistics.median(a[0] / b[0] for a, b in pairs), statistics.median(a[1] / max(b[1], 0.1) for a, b in pairs)


def latencies(parties: tuple[Side, Side, Side]) -> dict[str, tuple[float, float]]:
    """(p50, p99) of 4 KiB READs at depth 1 in µs, of us and of tgt."""
    return {side.name: percentiles(side.url) for side in parties[:2]}
