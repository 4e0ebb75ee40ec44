"""Where a daemon's time goes, by py-spy: a flame graph, stacks as text, or the dearest functions."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

SECONDS = 8
RATE = 500  # samples a second
DEAREST = 15


def record(pid: int, file: Path, work: Callable[[], object]) -> int:
    """Samples the process while `work()` is done again and again; py-spy's exit status.

    The process is not stopped for a sample: that would cost it more than its own work does.
    """
    text = file.suffix == ".txt"
    spy = str(Path(sys.executable).with_name("py-spy"))
    words = f"{spy} record --nonblocking --rate {RATE} --duration {SECONDS} --pid {pid} --output".split()
    shape = ("--format", "raw", "--function") if text else ("--format", "flamegraph")
    with subprocess.Popen((*words, str(file), *shape), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as recorder:
        while recorder.poll() is None:
            work()
        if recorder.returncode and recorder.stderr is not None:
            print(recorder.stderr.read().decode(), file=sys.stderr)
    return recorder.returncode


def shares(pid: int, work: Callable[[], object]) -> list[tuple[float, str]]:
    """`dearest` of a process while `work()` is done again and again. Raises RuntimeError when py-spy cannot look."""
    with tempfile.NamedTemporaryFile(prefix="tgtd-bench-", suffix=".txt") as file:
        if record(pid, Path(file.name), work):
            raise RuntimeError("py-spy gave no profile")
        return dearest(Path(file.name).read_text())


def dearest(stacks: str) -> list[tuple[float, str]]:
    """Share of all samples, and name, of the functions that were innermost most often."""
    counts: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        counts[stack.rpartition(";")[2]] += int(count)
    whole = counts.total() or 1
    return [(count / whole, name) for name, count in counts.most_common(DEAREST)]
