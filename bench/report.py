"""What `make bench` leaves behind: a table for people (Markdown), the raw figures (JSON) and a picture (SVG)."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.cold import Finding
from bench.many import Row as Pair
from bench.memory import Memory
from bench.result import Result
from bench.tape import FAR, Locating, Streaming
from bench.tape import GOAL as TAPE_GOAL
from bench.versus import Figures, Row

COLD_GOAL = 0.9
SHOWN = 8
"""Functions of a profile."""
DECISIONS = Path(__file__).with_name("decisions.md")
"""What was measured by hand, and led to something or not; it is part of the results."""
HEAD = (
    *("work", "ours /s", "MB/s", "CPU µs", "tgt /s", "CPU µs", "NBD /s", "CPU µs", "floor /s", "CPU µs"),
    *("x rate", "goal", "x CPU", "goal"),
)


@dataclass(frozen=True, slots=True)
class Findings:
    """All that a run has found. means: geometric, of the rows' ratios. latency: (p50, p99) in µs by side.

    profiles: of the rows that fell short, the dearest functions with their shares of the samples.
    """

    rows: list[Row]
    means: Figures
    rounds: dict[str, dict[str, list[Figures]]]
    latency: dict[str, Figures]
    cold: list[Finding]
    memory: list[Memory]
    inside: list[Result]
    many: list[Pair]
    streaming: list[Streaming]
    locating: list[Locating]
    profiles: dict[str, list[tuple[float, str]]]


def cells(row: Row) -> tuple[str, ...]:
    work, figures = row.work, row.figures
    ours, theirs = figures["tgtd"], figures["tgt"]
    return (
        work.name,
        f"{ours[0]:,.0f}",
        f"{ours[0] * work.size / 1e6:,.0f}",
        f"{ours[1]:.1f}",
        f"{theirs[0]:,.0f}",
        f"{theirs[1]:.1f}",
        *_pair(figures.get("qemu-nbd")),
        *_pair(figures.get("floor")),
        f"{row.rate:.2f}",
        f"≥ {work.rate}" if work.rate else "",
        f"{row.cpu:.2f}",
        f"≤ {work.cpu}" if work.cpu < 9 else "",
    )


def _pair(figures: Figures | None) -> tuple[str, str]:
    return (f"{figures[0]:,.0f}", f"{figures[1]:.1f}") if figures else ("", "")


def line(columns: tuple[str, ...]) -> str:
    """For the terminal."""
    return columns[0].ljust(32) + "".join(column.rjust(9) for column in columns[1:])


def markdown(found: Findings) -> str:
    rows, (rate, cpu) = found.rows, found.means
    short = [row.work.name for row in rows if not row.reached]
    short += [one.name for one in found.cold if one.ratio < COLD_GOAL]
    short += [one.name for one in found.memory if not one.reached]
    short += [f"tape: {streaming.name}" for streaming in found.streaming if not streaming.reached]
    short += [f"tape: {locating.name}" for locating in found.locating if not locating.reached]
    return "\n".join(
        (
            "# Results",
            "",
            machine(),
            "",
            "All sides in one run, alternating; figures are medians over the rounds, ratios (ours to tgt's) medians",
            "over the pairs of rounds. CPU is that of the server's whole process for one command. Files in the page",
            "cache. floor: the least that a process in Python can do, without any check (bench/floor.py). NBD is",
            "qemu-nbd over a Unix socket; the others are over TCP.",
            "",
            *_table(HEAD, [cells(row) for row in rows]),
            "",
            f"Geometric mean: {rate:.2f} x tgt's rate (goal: ≥ 2.5) at {cpu:.2f} of its CPU (goal: ≤ 0.35).",
            "",
            "Short of its goal: " + ("; ".join(short) if short else "nothing") + ".",
            "",
            *_more(found),
            "",
        )
    )


def _more(found: Findings) -> Iterator[str]:
    """What is not beside tgt."""
    yield from _section(
        "Latency of a READ of 4 KiB at depth 1",
        "",
        ("", "p50 µs", "p99 µs"),
        [(name, f"{p50:.0f}", f"{p99:.0f}") for name, (p50, p99) in found.latency.items()],
    )
    yield from _section(
        "Past the page cache",
        "The same reads through us and by the medium alone (as many threads with preadv(2) as commands in flight).",
        ("reads", "ours /s", "medium alone /s", "ratio", "goal"),
        [
            (one.name, f"{one.ours:,.0f}", f"{one.alone:,.0f}", f"{one.ratio:.2f}", f"≥ {COLD_GOAL}")
            for one in found.cold
        ],
    )
    yield from _section(
        "Worker processes",
        "Two targets with a client at each, what both get together: all in one process, or a worker for each target.",
        ("work of each client", "one process /s", "two workers /s", "ratio"),
        [(one.work.name, f"{one.one:,.0f}", f"{one.many:,.0f}", f"{one.ratio:.2f}") for one in found.many],
    )
    yield from _tapes(found)
    yield from _section(
        "Memory",
        "",
        ("resident", "KiB", "goal"),
        [
            (one.name, f"{one.resident / 1024:,.0f}", f"< {one.goal / 1024:,.0f}" if one.goal else "")
            for one in found.memory
        ],
    )
    yield from _section(
        "The grammar alone, without a transport",
        "",
        ("command", "µs"),
        [(one.name, f"{one.cost * 1e6:.1f}") for one in found.inside],
    )
    yield from _section(
        "Profiles of the rows that fall short",
        "Innermost functions, by their share of py-spy's samples; Loop.turn mostly waits in epoll_wait(2).",
        ("work", "functions"),
        [
            (name, "; ".join(f"{function.split(' (')[0]} {share:.0%}" for share, function in dearest[:SHOWN]))
            for name, dearest in found.profiles.items()
        ],
    )
    yield from DECISIONS.read_text().splitlines()


def _tapes(found: Findings) -> Iterator[str]:
    yield from _section(
        "Tapes, streaming",
        "Blocks of 256 KiB a second, beside our disk and tgt's tape; all on one file system.",
        ("blocks", "our tape /s", "our disk /s", "tgt's tape /s", "ours of the disk", "goal"),
        [
            (
                one.name,
                *(f"{rate:,.0f}" for rate in (one.tape, one.disk, one.tgt)),
                f"{one.share:.2f}",
                f"≥ {TAPE_GOAL}",
            )
            for one in found.streaming
        ],
    )
    yield from _section(
        "Tapes, LOCATE and READ of one block",
        "A cartridge of 10 GiB; its median block and the farthest of those that were tried. tgt's tape has no LOCATE.",
        ("cartridge", "median µs", "farthest µs", "goal", "resident KiB"),
        [
            (
                one.name,
                f"{one.median * 1e6:,.0f}",
                f"{one.worst * 1e6:,.0f}",
                f"< {FAR * 1e6:,.0f}",
                f"{one.resident / 1024:,.0f}",
            )
            for one in found.locating
        ],
    )


def _section(title: str, text: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield from (f"## {title}", "", *((text, "") if text else ()), *_table(head, rows), "")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    ruler = ("---", *("---:",) * (len(head) - 1))
    return ["| " + " | ".join(columns) + " |" for columns in (head, ruler, *rows)]


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    date, system = time.strftime("%Y-%m-%d"), f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{date}, {os.cpu_count()} x {cpu}, {system}, loopback."


def raw(found: Findings) -> str:
    data: dict[str, Any] = {
        "machine": machine(),
        "rounds": found.rounds,
        "ratios": {row.work.name: {"rate": row.rate, "cpu": row.cpu} for row in found.rows},
        "geometric_mean": {"rate": found.means[0], "cpu": found.means[1]},
        "latency_us": {name: {"p50": p50, "p99": p99} for name, (p50, p99) in found.latency.items()},
        "past_the_page_cache": [asdict(one) for one in found.cold],
        "memory_bytes": {one.name: one.resident for one in found.memory},
        "tape_streaming": [asdict(one) for one in found.streaming],
        "tape_locating": [asdict(one) for one in found.locating],
        "worker_processes": {one.work.name: {"one": one.one, "two": one.many} for one in found.many},
        "profiles": found.profiles,
        "grammar_seconds": {one.name: one.cost for one in found.inside},
    }
    return json.dumps(data, indent=1) + "\n"


def picture(rows: list[Row]) -> str:
    """Bars: our rate and our CPU per command, where tgt's are 1."""
    left, width, step = 250, 420, 34
    most = max(5.0, *(row.rate for row in rows))
    height = step * len(rows) + 60
    whole = left + width + 70
    shapes = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole} {height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{whole}" height="{height}" fill="white"/>',
        f'<text x="{left}" y="18">rate (dark) and CPU per command (light), Debian\'s tgt = 1</text>',
    ]
    for number, row in enumerate(rows):
        top = 30 + number * step
        shapes.append(f'<text x="{left - 8}" y="{top + 16}" text-anchor="end">{row.work.name}</text>')
        for value, colour, shift in ((row.rate, "#1f5a8a", 0), (row.cpu, "#9cc3e0", 13)):
            length = value / most * width
            shapes.append(f'<rect x="{left}" y="{top + shift}" width="{length:.1f}" height="11" fill="{colour}"/>')
            shapes.append(f'<text x="{left + length + 4:.1f}" y="{top + shift + 10}">{value:.2f}</text>')
    one = left + width / most
    shapes.append(
        f'<line x1="{one:.1f}" y1="26" x2="{one:.1f}" y2="{height - 20}" stroke="#c03030" stroke-dasharray="4 3"/>'
    )
    return "\n".join([*shapes, "</svg>"]) + "\n"
