"""A library of six slots, two import/export elements and two drives, on the workbench."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pytest

from tests.scsi.workbench import IDENTITY, Bench
from tgtd.scsi.memory import Forgetful
from tgtd.scsi.sense import MANUAL_INTERVENTION_REQUIRED, MEDIUM_REMOVAL_PREVENTED, UNLOAD_FAILED, CheckCondition
from tgtd.scsi.smc.change import Declined
from tgtd.scsi.smc.changer import Changer
from tgtd.scsi.smc.inventory import ElementType, Inventory, Layout, Range, Resting
from tgtd.scsi.smc.shelf import Blank, DriveName, Found, LibrarySettings
from tgtd.scsi.ssc.cartridge import Cartridge

Then = Callable[[BaseException | None], None]

LAYOUT = Layout(
    Range(ElementType.TRANSPORT, 1, 1),
    Range(ElementType.STORAGE, 1000, 6),
    Range(ElementType.PORT, 10, 2),
    Range(ElementType.DRIVE, 500, 2),
)
TAPES = {f"A0000{number}L8": 1000 + number for number in range(3)}
DRIVES = (DriveName(None, 1), DriveName(None, 2))
SETTINGS = LibrarySettings(LAYOUT, DRIVES)


@dataclass
class FakeBay:
    """Tells what it was asked; answers when the test says so, or at once."""

    number: int
    said: list[str] = field(default_factory=list)
    locked: bool = False
    unwritable: bool = False
    usable: bool = True
    refused: Declined | None = None
    inside: str | None = None
    waiting: list[Then] = field(default_factory=list)
    slow: bool = False

    @property
    def identifier(self) -> tuple[int, int, bytes]:
        return 2, 1, b"DRIVE%d" % self.number

    def check(self, leaving: bool) -> None:
        if not self.usable:
            raise CheckCondition(MANUAL_INTERVENTION_REQUIRED)
        if self.locked and leaving:
            raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)

    def settled(self, barcode: str | None, present: bool) -> bool:
        return self.inside == barcode

    def accept(self, volume: Resting, then: Then) -> None:
        self.inside = volume.barcode
        self._answer(f"accept {volume.barcode}", then)

    def release(self, then: Then, forced: bool = False) -> None:
        if self.unwritable and not forced:
            then(CheckCondition(UNLOAD_FAILED))
            return
        self.inside = None
        self._answer("release", then)

    def _answer(self, what: str, then: Then) -> None:
        self.said.append(what)
        if self.slow:
            self.waiting.append(then)
        else:
            then(None)


class FakeShelf:
    """barcodes: that are there. made: that were asked for."""

    size = 0
    writable = True

    def __init__(self, barcodes: Iterable[str]) -> None:
        self.barcodes = set(barcodes)
        self.made: list[str] = []
        self.damaged: dict[str, str] = {}
        self.full = False
        self.looks = 0
        self.trouble: OSError | None = None

    def look(self, wanted: Iterable[Blank]) -> Found:
        if self.trouble is not None:
            raise self.trouble
        wanted = list(wanted)
        self.looks += 1
        for one in wanted:
            self.made.append(one.barcode)
            if not self.full:
                self.barcodes.add(one.barcode)
        unmade = {one.barcode: "No space left on device" for one in wanted if self.full}
        return Found({one: self.damaged.get(one) for one in self.barcodes}, unmade)

    def fetch(self, barcode: str) -> Cartridge:
        raise FileNotFoundError(barcode)

    def flush(self) -> None: ...

    def resize_probe(self) -> int:
        return 0

    def grow(self, size: int) -> None: ...

    def close(self) -> None: ...


class Remembering(Forgetful):
    """kept: the inventories, as they were kept one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Inventory] = []
        self.trouble: OSError | None = None

    def keep(self, name: str, value: bytes | None, then: Then) -> None:
        if self.trouble is not None:
            then(self.trouble)
            return
        assert (name, value is None) == ("inventory", False)
        self.kept.append(Inventory.decode(value or b""))
        super().keep(name, value, then)


class Library(Bench):
    def __init__(self, settings: LibrarySettings = SETTINGS) -> None:
        super().__init__()
        self.keeper = Remembering()
        self.changer = Changer(IDENTITY, self.pool, self.lane, settings)
        self.changer.remember(self.keeper)
        self.bays = {500: FakeBay(0), 501: FakeBay(1)}
        self.changer.bays.update(self.bays)
        self.shelf = FakeShelf(TAPES)
        self.target.add_lun(0, self.changer)
        self.changer.insert(self.shelf)
        self.lane.drain()
        self.ready()

    def move(self, source: int, destination: int) -> bytes:
        return struct.pack(">BxHHHxxxx", 0xA5, 0, source, destination)

    def holds(self) -> dict[int, str]:
        return {at: one.barcode for at, one in self.changer.inventory.contents.items()}


@pytest.fixture
def library() -> Library:
    return Library()
