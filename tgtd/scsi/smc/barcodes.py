"""What a barcode says about the cartridge that bears it: LTO's rules, after those of the library's owner. Pure."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BarcodeRule:
    """Fits barcodes that begin and end so. kind: "data", "worm" or "clean". generation: of LTO. size: bytes. None: as
    without the rule."""

    prefix: str
    suffix: str
    kind: str
    generation: int | None = None
    size: int | None = None

    def fits(self, barcode: str) -> bool:
        return barcode.startswith(self.prefix) and barcode.endswith(self.suffix)


_LTO = (
    BarcodeRule("CLN", "", "clean"),
    BarcodeRule("", "CU", "clean"),
    *(BarcodeRule("", f"L{letter}", "worm") for letter in "TUVWXYZH"),
    *(BarcodeRule("", f"L{digit}", "data") for digit in "123456789A"),
    BarcodeRule("", "M8", "data"),
    BarcodeRule("", "PA", "data"),
)
"""Generation 10 has LA and LH, and PA for its larger cartridge; M8 is a cartridge of generation 7 in the format of a
generation 8 drive, CU a universal cleaning cartridge."""

_MEDIUM_TYPES = {"data": 1, "clean": 2, "worm": 4}


def rule_for(barcode: str, rules: Sequence[BarcodeRule]) -> BarcodeRule | None:
    """The first of the owner's rules that fits."""
    return next((rule for rule in rules if rule.fits(barcode)), None)


def medium_type(barcode: str, rules: Sequence[BarcodeRule] = ()) -> int:
    """MEDIUM TYPE: 1 data, 2 cleaning, 4 WORM; 0 where no rule fits (SMC-3 6.12.3)."""
    rule = rule_for(barcode, (*rules, *_LTO))
    return 0 if rule is None else _MEDIUM_TYPES[rule.kind]


def shape(template: str) -> re.Pattern[str]:
    """What fits a template with `*` for any characters and `?` for one (SMC-3 6.14): however many of them there are,
    matching takes no longer than the product of both lengths."""
    return re.compile(fnmatch.translate(template.replace("[", "[[]")))
