"""The initiators that make the load: each does a Work against a URL; how long it took, how many commands."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence

from bench.stream import Stream
from bench.work import SIZE, Work


def qemu(url: str, work: Work) -> tuple[float, int]:
    """qemu-img bench; with several clients, each on a LUN of its own."""
    places = [f"{url}{number}" for number in range(1, work.clients + 1)] if url.startswith("iscsi") else [url]
    return together(places, work)


def together(places: Sequence[str], work: Work) -> tuple[float, int]:
    """qemu-img bench at each of these URLs at once; the slowest one's seconds."""
    words = f"qemu-img bench -f raw -t none -d {work.depth} -s {work.size} -c {work.count}".split()
    words += ["-w"] if work.write else []
    words += ["-S", str(work.stride * work.size)] if work.stride > 1 else []
    running = [subprocess.Popen((*words, place), stdout=subprocess.PIPE, text=True) for place in places]
    outputs = [process.communicate(timeout=600)[0] for process in running]
    found = [re.search(r"completed in ([0-9.]+) seconds", output) for output in outputs]
    seconds = [float(match[1]) for match in found if match]
    if len(seconds) < len(places):
        raise RuntimeError(f"{' '.join(words)} {places[0]}: {outputs}")
    return max(seconds), work.count * len(places)


def perf(url: str, work: Work) -> tuple[float, int]:
    """iscsi-perf reads at truly random places; it runs for whole seconds, whatever work.count is."""
    seconds = 2
    words = f"iscsi-perf -r -b {work.size // 512} -m {work.depth} -t {seconds} {url}1".split()
    output = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.findall(r"iops average (\d+)", output)
    return seconds, int(found[-1]) * seconds


def own(url: str, work: Work) -> tuple[float, int]:
    """Our own initiator with header and data digests, made and checked; qemu and libiscsi have none for data."""
    offsets = [number * work.stride * work.size % SIZE for number in range(work.count)]
    with Stream(url, digests=True) as stream:
        return stream.run(offsets, work.size, work.depth, work.write), work.count


CLIENTS: dict[str, Callable[[str, Work], tuple[float, int]]] = {"qemu": qemu, "perf": perf, "own": own}
