"""How much memory our daemon is resident with: at rest, under one busy session, and for each idle one."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.clients import qemu
from bench.contender import TARGET, disks, us
from bench.work import KIB, Work
from tests.initiator import Initiator

IDLE = 500
BUSY = (
    Work("4 KiB reads, depth 32", 4 * KIB, 32, 20000),
    Work("4 KiB writes, depth 32", 4 * KIB, 32, 20000, write=True),
    Work("1 MiB reads, depth 8", 1024 * KIB, 8, 600),
    Work("1 MiB writes, depth 8", 1024 * KIB, 8, 300, write=True),
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes resident. goal: what it shall be below, or 0."""

    name: str
    resident: float
    goal: float = 0.0

    @property
    def reached(self) -> bool:
        return not self.goal or self.resident < self.goal


def run() -> Iterator[Memory]:
    for work in BUSY:
        with _daemon() as (pid, url):
            if work is BUSY[0]:
                yield Memory("at rest, 1 LUN", resident(pid))
            qemu(url, work)
            yield Memory(f"one busy session, {work.name} (most at any time)", resident(pid, "VmHWM"), 60 << 20)
    with _daemon() as (pid, url):
        yield Memory(f"each of {IDLE} idle sessions", idle(pid, url), 100 << 10)


@contextmanager
def _daemon() -> Iterator[tuple[int, str]]:
    """A fresh one with one disk: its pid and URL."""
    with (
        tempfile.TemporaryDirectory(prefix="tgtd-bench-") as name,
        us(Path(name), disks(Path(name), "memory", 1)) as side,
    ):
        yield side.pid, side.url


def resident(pid: int, line: str = "VmRSS") -> int:
    """Bytes; VmHWM: the most that it ever was (proc_pid_status(5))."""
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(line + ":"):
            return int(text.split()[1]) << 10
    raise RuntimeError(f"no {line} of process {pid}")


def idle(pid: int, url: str) -> float:
    """Bytes for each of IDLE sessions more than the first."""
    parts = urlsplit(url)
    address = (parts.hostname or "127.0.0.1", parts.port or 3260)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], IDLE * 4), limits[1]))
    sessions = []
    try:
        for number in range(IDLE + 1):
            name = f"iqn.2026-11.com.example:idle{number}"
            sessions.append(Initiator(address, TARGET, name=name).login())
            if not number:
                first = resident(pid)
        return (resident(pid) - first) / IDLE
    finally:
        for session in sessions:
            session.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


if __name__ == "__main__":
    for found in run():
        print(f"{found.name:60}{found.resident / 1024:10,.0f} KiB{'' if found.reached else '  too much'}")
