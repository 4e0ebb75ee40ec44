"""How tgtctl writes for humans: aligned columns, sizes and durations in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Rows as aligned text, without trailing blanks; "" for no rows."""
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in table)
    return "\n".join((indent + line).rstrip() for line in lines)


def size(count: int | None) -> str:
    """Bytes in binary units, exact where that is short: "100 GiB", "1.5 MiB", "-" for None."""
    if count is None:
        return "-"
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} PiB"


def duration(seconds: float) -> str:
    """The two largest units: "3 s", "2 min 5 s", "4 d 1 h"."""
    left = int(seconds)
    parts: list[str] = []
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def count(number: int, noun: str) -> str:
    """ "1 target", "3 targets"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
