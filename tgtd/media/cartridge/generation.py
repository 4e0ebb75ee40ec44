"""Which cartridge a barcode's last two characters mean (LTO's rules), and how much a generation holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tgtd.scsi.ssc.personality import LTO, LTO_10P, Density

_SUFFIX = re.compile(r"L([1-9A])$")
_WORM = {"LT": 3, "LU": 4, "LV": 5, "LW": 6, "LX": 7, "LY": 8, "LZ": 9, "LH": 10}


@dataclass(frozen=True, slots=True)
class Generation:
    """name: "LTO-8". density: its code. capacity: bytes, native."""

    name: str
    density: int
    capacity: int


def _generation(name: str, density: Density) -> Generation:
    return Generation(f"LTO-{name}", density.code, density.capacity * 1_000_000)


GENERATIONS = {number: _generation(str(number), density) for number, density in enumerate(LTO, 1)}
LARGER = _generation("10P", LTO_10P)
"""The cartridge of 40 TB that LTO-10 has besides."""


def by_barcode(barcode: str) -> tuple[Generation, str] | None:
    """The generation and the kind ("data", "worm", "clean") that a barcode says; None: it says nothing."""
    found = _SUFFIX.search(barcode)
    if barcode.startswith("CLN") or barcode.endswith("CU"):
        return GENERATIONS[int(found[1], 16) if found else 1], "clean"
    number = _WORM.get(barcode[-2:])
    if number is not None:
        return GENERATIONS[number], "worm"
    if barcode.endswith("PA"):
        return LARGER, "data"
    return None if found is None else (GENERATIONS[int(found[1], 16)], "data")
