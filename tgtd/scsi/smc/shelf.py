"""What a library is made of: its settings, and the shelf from which its volumes come (no SCSI; the shelf does I/O)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from tgtd.scsi.medium import Store
from tgtd.scsi.smc.inventory import Layout
from tgtd.scsi.ssc.cartridge import Cartridge


class Shelf(Store, Protocol):
    """Where the cartridges are kept, by barcode. Both verbs block."""

    def look(self, wanted: Iterable[str], size: int | None) -> frozenset[str]:
        """The barcodes that are there, after those `wanted` that were missing have been made: blank, of `size` bytes
        or what their generation holds. Raises OSError."""

    def fetch(self, barcode: str) -> Cartridge:
        """Raises OSError."""


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """drives: LUNs, in the order of their elements. cartridges: barcodes; None: whatever the shelf has. create: make
    those that are new and missing, of `size` bytes."""

    layout: Layout
    drives: tuple[int, ...]
    cartridges: tuple[str, ...] | None = None
    create: bool = False
    size: int | None = None
