"""`make bench`: us beside Debian's tgtd and qemu-nbd, the grammar alone, and what they leave in bench/.

Options (make bench BENCH="..."): --rounds N (5); --only TEXT: just the works whose name has it, nothing written;
--profile FILE: a flame graph of our daemon (SVG, by py-spy) under the first of these works, nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from bench import core, versus
from bench.report import HEAD, cells, line, markdown, picture, raw

PLACE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    if options.profile is not None:
        return profile(options.only, options.profile)
    print(line(HEAD))
    rows = []
    with versus.sides() as sides:
        for row in versus.compare(sides, options.rounds, options.only):
            print(line(cells(row)), flush=True)
            rows.append(row)
        if options.only:
            return 0
        latency = versus.latencies(sides)
    means = (statistics.geometric_mean(row.rate for row in rows), statistics.geometric_mean(row.cpu for row in rows))
    print(f"geometric mean: {means[0]:.2f} x the rate, {means[1]:.2f} x the CPU")
    inside = list(core.run())
    (PLACE / "RESULTS.md").write_text(markdown(rows, means, latency, inside))
    (PLACE / "results.json").write_text(raw(rows, {side.name: side for side in sides}, latency, means))
    (PLACE / "results.svg").write_text(picture(rows))
    return 0


def profile(wanted: str, file: Path) -> int:
    """A flame graph of the daemon while it does the first work that matches."""
    work = next(work for work in versus.WORK if wanted in work.name)
    with versus.sides() as (ours, _, _):
        spy = (
            "py-spy",
            "record",
            "--native",
            "--rate",
            "500",
            "--duration",
            "8",
            "--output",
            str(file),
            "--pid",
            str(ours.pid),
        )
        with subprocess.Popen(spy) as recorder:
            while recorder.poll() is None:
                ours.measure(work)
    return recorder.returncode


if __name__ == "__main__":
    sys.exit(main())
