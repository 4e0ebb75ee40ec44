"""Which volume is in which element of a library: plain data, and what a move makes of it. Pure (SMC-3 4.2)."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tgtd.scsi.sense import (
    DESTINATION_FULL,
    INVALID_ELEMENT_ADDRESS,
    SOURCE_EMPTY,
    CheckCondition,
)


class ElementType(enum.IntEnum):
    """Element type codes (SMC-3 table 20)."""

    TRANSPORT = 1
    STORAGE = 2
    PORT = 3
    DRIVE = 4


@dataclass(frozen=True, slots=True)
class Range:
    """Elements of one kind, with addresses from `first` on."""

    kind: ElementType
    first: int
    count: int

    def __contains__(self, address: int) -> bool:
        return self.first <= address < self.first + self.count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.first, self.first + self.count))


@dataclass(frozen=True, slots=True)
class Layout:
    """The elements of a library: one range of each kind, none empty but maybe the ports'. Raises ValueError when two
    overlap or leave 1 to FFFFh."""

    transport: Range
    storage: Range
    ports: Range
    drives: Range

    def __post_init__(self) -> None:
        end = 0
        for one in sorted(self.ranges, key=lambda one: one.first):
            if one.first <= end - 1 or (end == 0 and one.first < 1):
                raise ValueError(f"elements {one.first} and up of kind {one.kind.name.lower()} overlap others")
            end = one.first + one.count
        if end > 0x10000:
            raise ValueError(f"element addresses end at 65535, and {end - 1} would be needed")

    @property
    def ranges(self) -> tuple[Range, ...]:
        return tuple(one for one in (self.transport, self.storage, self.ports, self.drives) if one.count)

    def kind(self, address: int) -> ElementType | None:
        return next((one.kind for one in self.ranges if address in one), None)

    def of(self, kind: ElementType) -> Range:
        return next(one for one in (self.transport, self.storage, self.ports, self.drives) if one.kind is kind)

    def addresses(self) -> list[int]:
        return sorted(address for one in self.ranges for address in one)


@dataclass(frozen=True, slots=True)
class Resting:
    """A volume in an element. source: the storage element that it came from last, for those who bring it back.
    imported: the operator has put it there, not the transport (IMPEXP)."""

    barcode: str
    source: int | None = None
    imported: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """contents: by element address; an element that is not there is empty. exported: barcodes of volumes that the
    operator has taken out, and that stay out until somebody brings them back."""

    contents: Mapping[int, Resting] = field(default_factory=dict)
    exported: tuple[str, ...] = ()

    def at(self, address: int) -> Resting | None:
        return self.contents.get(address)

    def find(self, barcode: str) -> int | None:
        return next((address for address, found in self.contents.items() if found.barcode == barcode), None)

    def places(self) -> dict[str, int]:
        """Where each barcode is, as `find` has it."""
        places: dict[str, int] = {}
        for address, found in self.contents.items():
            places.setdefault(found.barcode, address)
        return places

    def moved(self, layout: Layout, source: int, destination: int) -> Inventory:
        """MOVE MEDIUM. Raises MEDIUM SOURCE ELEMENT EMPTY, MEDIUM DESTINATION ELEMENT FULL."""
        volume = self.at(source)
        if volume is None:
            raise CheckCondition(SOURCE_EMPTY)
        if source != destination and self.at(destination) is not None:
            raise CheckCondition(DESTINATION_FULL)
        contents = dict(self.contents)
        del contents[source]
        contents[destination] = _moved(layout, volume, source)
        return replace(self, contents=contents)

    def exchanged(self, layout: Layout, source: int, first: int, second: int) -> Inventory:
        """EXCHANGE MEDIUM: what is in `first` goes to `second`, what is in `source` to `first`."""
        volume, displaced = self.at(source), self.at(first)
        if volume is None or displaced is None:
            raise CheckCondition(SOURCE_EMPTY)
        if second not in (source, first) and self.at(second) is not None:
            raise CheckCondition(DESTINATION_FULL)
        contents = dict(self.contents)
        del contents[source]
        contents[first] = _moved(layout, volume, source)
        contents[second] = _moved(layout, displaced, first)
        return replace(self, contents=contents)

    def brought(self, address: int, barcode: str, by_hand: bool) -> Inventory:
        """A volume comes into the library. Raises MEDIUM DESTINATION ELEMENT FULL."""
        if self.at(address) is not None:
            raise CheckCondition(DESTINATION_FULL)
        contents = {**self.contents, address: Resting(barcode, imported=by_hand)}
        return Inventory(contents, tuple(out for out in self.exported if out != barcode))

    def taken(self, address: int) -> Inventory:
        """A volume leaves the library. Raises MEDIUM SOURCE ELEMENT EMPTY."""
        volume = self.at(address)
        if volume is None:
            raise CheckCondition(SOURCE_EMPTY)
        contents = {at: other for at, other in self.contents.items() if at != address}
        return Inventory(contents, (*self.exported, volume.barcode))

    def encode(self) -> bytes:
        rows = {str(at): [one.barcode, one.source, one.imported] for at, one in sorted(self.contents.items())}
        return json.dumps({"elements": rows, "exported": self.exported}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, text: bytes) -> Inventory:
        """Raises ValueError for what `encode` has not written."""
        try:
            record = json.loads(text)
            return cls(
                {
                    int(at): Resting(str(barcode), source, bool(imported))
                    for at, (barcode, source, imported) in record["elements"].items()
                },
                tuple(map(str, record["exported"])),
            )
        except (TypeError, AttributeError, LookupError) as trouble:
            raise ValueError(f"no inventory: {trouble}") from trouble


def _moved(layout: Layout, volume: Resting, source: int) -> Resting:
    """A volume remembers the storage element it was taken from (SVALID, SOURCE STORAGE ELEMENT ADDRESS)."""
    came_from = source if layout.kind(source) is ElementType.STORAGE else volume.source
    return replace(volume, source=came_from, imported=False)


def checked(layout: Layout, address: int, *kinds: ElementType) -> int:
    """Raises INVALID ELEMENT ADDRESS when no element of these kinds has that address."""
    if layout.kind(address) not in kinds:
        raise CheckCondition(INVALID_ELEMENT_ADDRESS)
    return address


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What is wished and what is remembered, brought together. homeless: barcodes for which no element is free."""

    inventory: Inventory
    homeless: tuple[str, ...]


def reconcile(layout: Layout, wished: Iterable[str], remembered: Inventory) -> Reconciled:
    """What a library holds when it starts, or after an edit.

    wished: barcodes that it is to have. remembered: where volumes were. What is remembered wins, as the configuration
    says what exists and not where it is by now; what is new goes to the first free storage element. What was exported
    stays out, and is forgotten when nobody wishes it any more.
    """
    wishes = dict.fromkeys(wished)
    out = dict.fromkeys(barcode for barcode in remembered.exported if barcode in wishes)
    places = remembered.places()
    addresses = set(layout.addresses())
    contents: dict[int, Resting] = {}
    waiting: list[str] = []
    for barcode in wishes:
        at = places.get(barcode)
        if at is not None and at in addresses and at not in contents:
            contents[at] = remembered.contents[at]
        elif barcode not in out:
            waiting.append(barcode)
    free = (address for address in layout.of(ElementType.STORAGE) if address not in contents)
    homeless = []
    for barcode in waiting:
        at = next(free, None)
        if at is None:
            homeless.append(barcode)
        else:
            contents[at] = Resting(barcode)
    return Reconciled(Inventory(contents, tuple(out)), tuple(homeless))
