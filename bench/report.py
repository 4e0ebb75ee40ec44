"""What `make bench` leaves behind: a table for people (Markdown), the raw figures (JSON) and a picture (SVG)."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

from bench.result import Result
from bench.versus import Row, Side

HEAD = ("work", "ours /s", "MB/s", "CPU µs", "tgt /s", "tgt CPU µs", "NBD /s", "x rate", "goal", "x CPU", "goal")


def cells(row: Row) -> tuple[str, ...]:
    work = row.work
    return (
        work.name,
        f"{row.ours[0]:,.0f}",
        f"{row.ours[0] * work.size / 1e6:,.0f}",
        f"{row.ours[1]:.0f}",
        f"{row.theirs[0]:,.0f}",
        f"{row.theirs[1]:.0f}",
        f"{row.nbd[0]:,.0f}" if row.nbd else "",
        f"{row.rate:.2f}",
        f"≥ {work.rate}" if work.rate else "",
        f"{row.cpu:.2f}",
        f"≤ {work.cpu}" if work.cpu < 9 else "",
    )


def line(columns: tuple[str, ...]) -> str:
    """For the terminal."""
    return columns[0].ljust(34) + "".join(column.rjust(11) for column in columns[1:])


def markdown(
    rows: list[Row], means: tuple[float, float], latency: dict[str, tuple[float, float]], inside: list[Result]
) -> str:
    table = [HEAD, ("---",) * len(HEAD), *(cells(row) for row in rows)]
    text = [
        "# Results",
        "",
        machine(),
        "",
        "Both sides in one run, alternating; the ratios are medians over the pairs of rounds.",
        "",
    ]
    text += ["| " + " | ".join(columns) + " |" for columns in table]
    text += ["", f"Geometric mean over all rows: {means[0]:.2f} x tgt's rate at {means[1]:.2f} of its CPU.", ""]
    short = [row.work.name for row in rows if not row.reached]
    text += ["Short of its goal: " + ("; ".join(short) if short else "nothing") + ".", ""]
    text += [
        f"READ 4 KiB at depth 1, {name}: p50 {p50:.0f} µs, p99 {p99:.0f} µs." for name, (p50, p99) in latency.items()
    ]
    text += ["", "The grammar alone, without a transport:", ""]
    text += [f"- {result.name}: {result.cost * 1e6:.1f} µs" for result in inside]
    return "\n".join(text) + "\n"


def machine() -> str:
    cpu = next(
        (s.split(":", 1)[1].strip() for s in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in s), ""
    )
    return (
        f"{time.strftime('%Y-%m-%d')}, {cpu}, Linux {platform.release()}, Python {platform.python_version()}, loopback."
    )


def raw(
    rows: list[Row], sides: dict[str, Side], latency: dict[str, tuple[float, float]], means: tuple[float, float]
) -> str:
    data: dict[str, Any] = {
        "machine": machine(),
        "rounds": {name: side.rounds for name, side in sides.items()},
        "ratios": {row.work.name: {"rate": row.rate, "cpu": row.cpu} for row in rows},
        "geometric_mean": {"rate": means[0], "cpu": means[1]},
        "latency_us": {name: {"p50": p50, "p99": p99} for name, (p50, p99) in latency.items()},
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
