"""`make bench`: us beside Debian's tgtd, qemu-nbd and a bare floor; cold reads, tapes, memory. Results: in bench/.

Options (make bench BENCH="..."): --rounds N (5); --only TEXT: just the works whose name has it, nothing written;
--out DIRECTORY: somewhere else than bench/; --profile FILE: a flame graph of our daemon under the first of these works,
nothing else (SVG by py-spy; a name ending in .txt: the stacks, one a line, and the dearest functions are told; root).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench import cold, core, many, memory, profile, tape
from bench.clients import CLIENTS
from bench.contender import all_contenders, disks, us
from bench.report import COLD_GOAL, HEAD, Findings, cells, line, markdown, picture, raw
from bench.versus import compare, latencies
from bench.work import WORK


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--profile", type=Path)
    options = parser.parse_args()
    if options.profile is not None:
        return profile_one(options.only, options.profile)
    print(line(HEAD))
    rows = []
    with all_contenders() as contenders:
        for row in compare(contenders, options.rounds, options.only):
            print(line(cells(row)), flush=True)
            rows.append(row)
        if options.only:
            return 0
        latency = latencies(contenders)
        profiles = {
            row.work.name: profile.shares(
                contenders.ours.pid, partial(CLIENTS[row.work.client], contenders.ours.url, row.work)
            )
            for row in rows
            if not row.reached
        }
    means = (statistics.geometric_mean(row.rate for row in rows), statistics.geometric_mean(row.cpu for row in rows))
    print(f"geometric mean: {means[0]:.2f} x the rate, {means[1]:.2f} x the CPU")
    rounds = {
        contender.name: contender.rounds
        for contender in (contenders.ours, contenders.tgt, contenders.nbd, contenders.floor)
    }
    uncached = list(cold.run(options.rounds))
    profiles |= cold.profiles([one.name for one in uncached if one.ratio < COLD_GOAL])
    findings = Findings(
        rows,
        means,
        rounds,
        latency,
        uncached,
        list(memory.run()),
        list(core.run()),
        list(many.run(options.rounds)),
        list(tape.stream(options.rounds)),
        list(tape.locate()),
        profiles,
    )
    (options.out / "RESULTS.md").write_text(markdown(findings))
    (options.out / "results.json").write_text(raw(findings))
    (options.out / "results.svg").write_text(picture(rows))
    return 0


def profile_one(wanted: str, file: Path) -> int:
    """The daemon while it does the first work that matches."""
    work = next((work for work in WORK if wanted in work.name), None)
    if work is None:
        print(f'error: no work has "{wanted}" in its name; there are: ' + "; ".join(work.name for work in WORK))
        return 2
    with tempfile.TemporaryDirectory(prefix="tgtd-bench-") as name:
        place = Path(name)
        with us(place, disks(place, "ours")) as ours:
            failed = profile.record(ours.pid, file, lambda: ours.measure(work))
    if file.suffix == ".txt" and not failed:
        for share, name in profile.dearest(file.read_text()):
            print(f"{share:6.1%}  {name}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
