"""What the contenders are asked to do: one row per line of the table, with its goal."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
DISKS = 4
SIZE = 256 << 20
STRIDE = 25033
"""Blocks of 4 KiB; it has no factor in common with their number, so every block is visited, each far from the last."""


@dataclass(frozen=True, slots=True)
class Work:
    """count: commands per round, of each client. rate, cpu: the goal as a ratio to tgt's.

    client: a row of bench.clients.CLIENTS. stride: from the start of one command to the start of the next, in its size.
    """

    name: str
    size: int
    depth: int
    count: int
    write: bool = False
    client: str = "qemu"
    stride: int = 1
    clients: int = 1
    rate: float = 0.0
    cpu: float = 9.9

    @property
    def single(self) -> bool:
        """One client without digests: what NBD can do as well."""
        return self.clients == 1 and self.client == "qemu"


WORK = (
    Work("read 4 KiB, depth 1", 4 * KIB, 1, 8000, rate=1.2, cpu=0.6),
    Work("read 4 KiB, depth 1, random", 4 * KIB, 1, 8000, stride=STRIDE),
    Work("read 4 KiB, depth 32", 4 * KIB, 32, 40000, rate=3, cpu=0.35),
    Work("read 4 KiB, depth 32, random", 4 * KIB, 32, 0, client="perf", rate=3, cpu=0.35),
    Work("write 4 KiB, depth 1", 4 * KIB, 1, 5000, write=True),
    Work("write 4 KiB, depth 1, random", 4 * KIB, 1, 5000, write=True, stride=STRIDE),
    Work("write 4 KiB, depth 32", 4 * KIB, 32, 30000, write=True, rate=2.5, cpu=0.45),
    Work("read 64 KiB, depth 16", 64 * KIB, 16, 10000, rate=2.2, cpu=0.45),
    Work("write 64 KiB, depth 16", 64 * KIB, 16, 5000, write=True, rate=4, cpu=0.3),
    Work("read 1 MiB, depth 8", 1024 * KIB, 8, 1500, rate=1.8, cpu=0.5),
    Work("write 1 MiB, depth 8", 1024 * KIB, 8, 600, write=True, rate=5, cpu=0.2),
    Work("read 4 KiB, depth 32, 4 clients", 4 * KIB, 32, 20000, clients=4, rate=3, cpu=0.35),
    Work("write 4 KiB, depth 32, 4 clients", 4 * KIB, 32, 8000, write=True, clients=4),
    Work("read 64 KiB, depth 16, digests", 64 * KIB, 16, 6000, client="own", rate=3),
    Work("write 64 KiB, depth 16, digests", 64 * KIB, 16, 3000, write=True, client="own", rate=3),
)
