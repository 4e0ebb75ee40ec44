"""Many cores: two targets, a client at each, with all in one process and with a worker process for each target."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clients import together
from bench.work import KIB, SIZE, Work
from tests.daemon import daemon, free_port
from tgtd.cli.client import ask

WORKERS = (0, 2)
"""What is compared: processes beside the main one."""


WORKS = (
    Work("read 4 KiB, depth 32", 4 * KIB, 32, 60000),
    Work("write 4 KiB, depth 32", 4 * KIB, 32, 40000, write=True),
    Work("read 64 KiB, depth 16", 64 * KIB, 16, 20000),
    Work("read 1 MiB, depth 8", 1024 * KIB, 8, 2000),
)
"""What each of the two clients does."""


@dataclass(slots=True)
class Row:
    """one, many: commands per second in sum, medians. ratio: many to one, the median of the pairs of rounds."""

    work: Work
    one: float
    many: float
    ratio: float


def run(rounds: int) -> Iterator[Row]:
    """One row after the other; who goes first changes from round to round."""
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-", dir="/var/tmp") as name, ExitStack() as stack:
        sides = [stack.enter_context(_side(Path(name) / f"{count}", count)) for count in WORKERS]
        for work in WORKS:
            found: dict[int, list[float]] = {count: [] for count in WORKERS}
            for number in range(rounds):
                order = (0, 1) if number % 2 else (1, 0)
                for which in order:
                    found[WORKERS[which]].append(_measure(sides[which], work))
            one, many = (found[count] for count in WORKERS)
            ratio = statistics.median(b / a for a, b in zip(one, many, strict=True))
            yield Row(work, statistics.median(one), statistics.median(many), ratio)


def _measure(urls: tuple[str, str], work: Work) -> float:
    """Commands per second of both."""
    seconds, commands = together(urls, work)
    return commands / seconds


@contextmanager
def _side(place: Path, workers: int) -> Iterator[tuple[str, str]]:
    """A daemon with two targets; the URLs of their disks, whose files are in the page cache."""
    port = free_port()
    targets = place / "etc" / "targets.d"
    targets.mkdir(parents=True)
    (place / "etc" / "tgtd.toml").write_text(f"workers = {workers}\n")
    urls = []
    for name in ("one", "two"):
        disk = place / f"{name}.img"
        disk.write_bytes(b"x" * SIZE)
        iqn = f"iqn.2026-11.com.example:{name}"
        (targets / f"{name}.toml").write_text(
            f'[[target]]\nname = "{iqn}"\nportals = ["127.0.0.1:{port}"]\n[target.access]\nanyone = true\n'
            f'[[target.lun]]\nnumber = 1\nmedium = {{ type = "file", path = "{disk}" }}\n'
        )
        urls.append(f"iscsi://127.0.0.1:{port}/{iqn}/1")
    with daemon(place):
        homes = {target["worker"] for target in ask(place / "run", "status")["targets"]}
        assert len(homes) == max(1, workers), "each target has a process of its own"
        yield urls[0], urls[1]
