"""Which cartridge a barcode's last two characters mean (LTO's rules), and how much a generation holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tgtd.scsi.ssc.personality import LTO

_SUFFIX = re.compile(r"L([1-9A])$")
_WORM = {"LT": 3, "LU": 4, "LV": 5, "LW": 6, "LX": 7, "LY": 8, "LZ": 9, "LH": 10}


@dataclass(frozen=True, slots=True)
class Generation:
    """number: of the LTO generation. density: its code. capacity: bytes, native."""

    number: int
    density: int
    capacity: int


GENERATIONS = {
    number: Generation(number, density.code, density.capacity * 1_000_000) for number, density in enumerate(LTO, 1)
}


def by_barcode(barcode: str) -> tuple[Generation, str] | None:
    """The generation and the kind ("data", "worm", "clean") that a barcode says; None: it says nothing."""
    found = _SUFFIX.search(barcode)
    if barcode.startswith("CLN") or barcode.endswith("CU"):
        return GENERATIONS[int(found[1], 16) if found else 1], "clean"
    number = _WORM.get(barcode[-2:])
    if number is not None:
        return GENERATIONS[number], "worm"
    return None if found is None else (GENERATIONS[int(found[1], 16)], "data")
