"""Who is compared: us, Debian's tgtd, qemu-nbd and the bare floor, each on files of its own in the page cache."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.clients import CLIENTS
from bench.floor import floor
from bench.nbd import nbd
from bench.tgt import DIGESTS as TGT_DIGESTS
from bench.tgt import TARGET as TGT_NAME
from bench.tgt import tgt
from bench.work import DISKS, SIZE, Work
from tests.daemon import daemon, free_port

TARGET = "iqn.2026-11.com.example:bench"


@dataclass(slots=True)
class Contender:
    """What was measured of one: per work, (commands per second, CPU µs per command) by round.

    digests: the URL for connections with digests, if it is another one.
    """

    name: str
    pid: int
    url: str
    digests: str = ""
    rounds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def measure(self, work: Work) -> None:
        before = cpu_time(self.pid)
        url = self.digests if self.digests and work.client == "own" else self.url
        seconds, commands = CLIENTS[work.client](url, work)
        cost = (cpu_time(self.pid) - before) / commands
        self.rounds.setdefault(work.name, []).append((commands / seconds, cost * 1e6))

    def median(self, work: Work) -> tuple[float, float]:
        """Commands per second, CPU µs per command."""
        rates, costs = zip(*self.rounds[work.name], strict=True)
        return statistics.median(rates), statistics.median(costs)


@dataclass(frozen=True, slots=True)
class Contenders:
    ours: Contender
    tgt: Contender
    nbd: Contender
    floor: Contender

    def able(self, work: Work) -> tuple[Contender, ...]:
        """The two that are always compared, and who else can do this work."""
        others = ((self.nbd,) if work.single else ()) + ((self.floor,) if work.client != "own" else ())
        return (self.ours, self.tgt, *others)


@contextmanager
def all_contenders() -> Iterator[Contenders]:
    """All of them at once: one that has nothing to do costs nothing."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tgtd-bench-")))
        pid, url = stack.enter_context(tgt(place, disks(place, "tgt")))
        yield Contenders(
            stack.enter_context(us(place, disks(place, "ours"))),
            Contender("tgt", pid, url, url.replace(TGT_NAME, TGT_DIGESTS)),
            Contender("qemu-nbd", *stack.enter_context(nbd(disks(place, "nbd")[0]))),
            Contender("floor", *stack.enter_context(floor(disks(place, "floor")))),
        )


@contextmanager
def us(place: Path, files: list[Path], more: str = "", tape: Path | None = None) -> Iterator[Contender]:
    """Our daemon in `place`, with `files` as LUN 1 and up, and a cartridge as the next. more: of the table of each
    medium."""
    port = free_port()
    targets = place / "etc" / "targets.d"
    targets.mkdir(parents=True, exist_ok=True)
    luns = "".join(
        f'[[target.lun]]\nnumber = {number}\nmedium = {{ type = "file", path = "{file}"{more} }}\n'
        for number, file in enumerate(files, 1)
    )
    if tape is not None:
        luns += f'[[target.lun]]\nnumber = {len(files) + 1}\ndevice = "tape"\n'
        luns += f'medium = {{ type = "tape", path = "{tape}" }}\n'
    head = f'[[target]]\nname = "{TARGET}"\nportals = ["127.0.0.1:{port}"]\naccess = {{ anyone = true }}\n'
    (targets / "bench.toml").write_text(head + luns)
    (place / "etc" / "tgtd.toml").write_text("workers = 0\n")  # the CPU of one process is what is compared
    with daemon(place) as process:
        yield Contender("tgtd", process.pid, f"iscsi://127.0.0.1:{port}/{TARGET}/")


def disks(place: Path, name: str, count: int = DISKS, size: int = SIZE) -> list[Path]:
    """Files with data, so that reads come from the page cache and writes allocate nothing."""
    paths = [place / f"{name}{number}.img" for number in range(count)]
    block = os.urandom(1 << 20)
    for path in paths:
        with path.open("wb") as file:
            for _ in range(size >> 20):
                file.write(block)
    return paths


def cpu_time(pid: int) -> float:
    """User and system seconds of a process and of its running children (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_time(int(child)) for child in children)
