"""What a library is made of: its settings, and the shelf from which its volumes come (no SCSI; the shelf does I/O)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tgtd.scsi.medium import Store
from tgtd.scsi.smc.barcodes import BarcodeRule, rule_for
from tgtd.scsi.smc.inventory import Layout
from tgtd.scsi.ssc.cartridge import Cartridge


@dataclass(frozen=True, slots=True)
class Blank:
    """A cartridge that is to be made. size: bytes; None: what its generation holds. kind ("data", "worm", "clean"),
    generation: of LTO; None: what its barcode says by LTO's rules."""

    barcode: str
    size: int | None = None
    kind: str | None = None
    generation: int | None = None


class Found(NamedTuple):
    """present: the barcodes that are on the shelf, each with what is wrong with its cartridge (None: nothing). unmade:
    those that were wanted and could not be made, with the reason."""

    present: Mapping[str, str | None]
    unmade: Mapping[str, str]


class DriveName(NamedTuple):
    """A drive by its target (None: the library's own) and its LUN."""

    target: str | None
    lun: int

    def __str__(self) -> str:
        return str(self.lun) if self.target is None else f"{self.target}/{self.lun}"


class Shelf(Store, Protocol):
    """Where the cartridges are kept, by barcode. Both verbs block."""

    def look(self, wanted: Iterable[Blank]) -> Found:
        """What is there, after those `wanted` that were missing have been made. Raises OSError."""

    def fetch(self, barcode: str) -> Cartridge:
        """Raises OSError."""


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """drives: in the order of their elements. cartridges: barcodes; None: whatever the shelf has. create: make
    those that are new and missing, of `size` bytes. rules: what barcodes mean here."""

    layout: Layout
    drives: tuple[DriveName, ...]
    cartridges: tuple[str, ...] | None = None
    create: bool = False
    size: int | None = None
    rules: tuple[BarcodeRule, ...] = ()

    def blank(self, barcode: str) -> Blank:
        """How a cartridge is made."""
        rule = rule_for(barcode, self.rules)
        if rule is None:
            return Blank(barcode, self.size)
        return Blank(barcode, rule.size or self.size, rule.kind, rule.generation)
