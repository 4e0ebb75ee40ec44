"""Sizes as people write them: an integer in bytes, or a number with a unit."""

from __future__ import annotations

import re
from fractions import Fraction

from tgtd.config.problem import Mistake

UNITS: dict[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1 << 10 * power for power, letter in enumerate("KMGTPE", start=1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGTPE", start=1)},
}

_SIZE = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?) ?([A-Za-z]*)", re.ASCII)


def parse_size(value: int | str) -> int:
    """Bytes. "100 GiB" is 100 * 2^30, "100 GB" is 100 * 10^9. Raises Mistake."""
    if isinstance(value, int):
        return value
    found = _SIZE.fullmatch(value)
    if found is None:
        raise Mistake(f'"{value}" is not a size', 'write a number and a unit, such as "100 GiB"')
    number, unit = found.groups()
    if unit not in UNITS:
        raise Mistake(*_unknown_unit(value, number, unit))
    if number.isdecimal():
        return int(number) * UNITS[unit]
    size = Fraction(number) * UNITS[unit]
    if size.denominator != 1:
        raise Mistake(f'"{value}" is not a whole number of bytes', f'write "{round(size)} B" or a smaller unit')
    return int(size)


def _unknown_unit(value: str, number: str, unit: str) -> tuple[str, str]:
    if not unit:
        return f'"{value}" has no unit', f'write {number} without quotes for bytes, or a unit as in "{number} GiB"'
    letter = unit[0].upper()
    if letter in "KMGTPE" and unit.lower() in (letter.lower(), f"{letter}b".lower(), f"{letter}ib".lower()):
        decimal = "kB" if letter == "K" else f"{letter}B"
        binary = f"{letter}iB"
        power = "KMGTPE".index(letter) + 1
        meaning = f'"{number} {binary}" (2^{10 * power} bytes each) or "{number} {decimal}" (10^{3 * power})'
        return f'"{value}" may mean two things', f"write {meaning}"
    return f'"{unit}" is not a unit of size', f"write one of {', '.join(UNITS)}"


def show_size(size: int) -> str:
    """The shortest exact form: 107374182400 → "100 GiB"."""
    for unit, factor in reversed(UNITS.items()):
        if unit.endswith("iB") and size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} bytes"


def out_of_bounds(written: str, size: float, low: int, high: int) -> tuple[str, str]:
    """Problem and fix for a size that is not between `low` and `high`; a bound of 2^63 is told roughly."""
    least = show_size(low)
    if high >= 1 << 62:
        problem = f"{written} is too large" if size > high else f"{written} is less than {least}"
        return problem, f"write {least} or more, and less than 8 EiB"
    problem = f"{written} is more than {show_size(high)}" if size > high else f"{written} is less than {least}"
    return problem, f"write {least} to {show_size(high)}"
