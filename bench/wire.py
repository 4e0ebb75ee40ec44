"""The whole daemon on the loopback interface, with QEMU's iSCSI initiator: 4 KiB and 256 KiB at queue depth 32."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.result import Result
from tests.daemon import daemon, free_port

TARGET = "iqn.2026-11.com.example:bench"
PREPARED = 64 << 20

CONFIG = """\
[[target]]
name = "{target}"
portals = ["127.0.0.1:{port}"]
access = {{ anyone = true }}

[[target.lun]]
number = 1
medium = {{ type = "file", path = "{disk}", size = "1 GiB", create = true }}

[[target.lun]]
number = 2
medium = {{ type = "ram", size = "256 MiB" }}
"""

# name, LUN, bytes a command, commands, more options of qemu-img bench
CASES: tuple[tuple[str, int, int, int, tuple[str, ...]], ...] = (
    ("READ 4 KiB, file in the page cache", 1, 4096, 100_000, ()),
    ("WRITE 4 KiB, file", 1, 4096, 50_000, ("-w",)),
    ("READ 4 KiB, RAM", 2, 4096, 100_000, ()),
    ("WRITE 4 KiB, RAM", 2, 4096, 50_000, ("-w",)),
    ("READ 256 KiB, RAM", 2, 256 << 10, 8_000, ()),
    ("WRITE 256 KiB, RAM", 2, 256 << 10, 8_000, ("-w",)),
)


def run() -> Iterator[Result]:
    """Raises CalledProcessError when the daemon or the initiator fails."""
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-") as name:
        port = free_port()
        lay_out(Path(name), port)
        with daemon(Path(name)) as process:
            for title, lun, size, count, options in CASES:
                url = f"iscsi://127.0.0.1:{port}/{TARGET}/{lun}"
                if not options:
                    bench(url, size, PREPARED // size, ("-w",))  # something to read, in the page cache
                before = cpu_time(process.pid)
                seconds = bench(url, size, count, options)
                yield Result(title, count / seconds, (cpu_time(process.pid) - before) / count)


def lay_out(place: Path, port: int) -> None:
    targets = place / "etc" / "targets.d"
    targets.mkdir(parents=True)
    (targets / "bench.toml").write_text(CONFIG.format(target=TARGET, port=port, disk=place / "disk.img"))


def bench(url: str, size: int, count: int, options: tuple[str, ...]) -> float:
    """Seconds that qemu-img took."""
    command = [*f"qemu-img bench -f raw -t none -d 32 -s {size} -c {count}".split(), *options, url]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    found = re.search(r"Run completed in ([0-9.]+) seconds", ran.stdout)
    assert found is not None, ran.stdout
    return float(found[1])


def cpu_time(pid: int) -> float:
    """User and system time of a process, in seconds (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
