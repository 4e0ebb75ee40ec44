"""The table of a tape library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tgtd.config.document import Document
from tgtd.config.librarymodels import MODELS, Addresses
from tgtd.config.model import BarcodeRule, DriveName, Library
from tgtd.config.positions import Path

_ADDRESS_KEYS = {"robot": "robot_address", "slot": "slot_address", "port": "port_address", "drive": "drive_address"}


def library_of(
    document: Document,
    path: Path,
    lun: Mapping[str, Any],
    filled: Mapping[str, Any],
    rules: Sequence[Mapping[str, Any]],
) -> Library | None:
    """The library that a LUN's table describes. filled: its table `library`, with defaults; rules: its tables
    `barcodes`, with theirs; complaints go to the document."""
    if lun["device"] != "changer":
        return None
    place = (*path, "library")
    if "library" not in lun:
        document.complain(path, "a changer needs a table library", "write library = { drives = [1] }, for a start")
        return None
    drives = (
        *(DriveName(number) for number in filled.get("drives", ()) if number is not None),
        *(DriveName(one["lun"], one["target"]) for one in filled.get("other_drives", ()) if _whole(one)),
    )
    if filled.get("drives") == [] and not filled.get("other_drives"):
        document.complain(
            (*place, "drives"), "a library needs a drive", "write drives = [1], for the tape drive that is lun 1"
        )
    found = Library(
        drives=drives,
        slots=filled["slots"],
        ports=filled["ports"],
        model=filled["model"],
        addresses=_addresses(filled),
        cartridges=_cartridges(document, place, filled, len(drives)),
        create=filled["create"],
        size=filled.get("size"),
        rules=tuple(_rules(document, place, rules)),
    )
    for kind, trouble in found.addresses.troubles(found.slots, found.ports, len(drives)):
        key = _ADDRESS_KEYS[kind]
        document.complain(
            (*place, key) if filled[key] else place, trouble, f"choose other addresses ({key}), or fewer elements"
        )
    return found


def _whole(table: Mapping[str, Any] | None) -> bool:
    """Whether a reference to a drive has been understood."""
    return table is not None and table.get("lun") is not None and table.get("target") is not None


def _addresses(filled: Mapping[str, Any]) -> Addresses:
    usual = MODELS[filled["model"]].addresses
    return Addresses(
        robot=filled["robot_address"] or usual.robot,
        ports=filled["port_address"] or usual.ports,
        drives=filled["drive_address"] or usual.drives,
        slots=filled["slot_address"] or usual.slots,
    )


def _cartridges(document: Document, place: Path, filled: Mapping[str, Any], drives: int) -> tuple[str, ...] | None:
    """Barcodes. Two that differ in case only are two to us and one to some backup programs and file systems."""
    cartridges = filled.get("cartridges")
    if cartridges is None:
        return None
    barcodes = tuple(one for one in cartridges if one is not None)
    if len(barcodes) > filled["slots"] + filled["ports"] + drives:
        document.complain(
            (*place, "cartridges"),
            f"{len(barcodes)} cartridges do not fit into {filled['slots']} slots",
            "raise slots, or take some from the list",
        )
    first: dict[str, str] = {}
    for index, barcode in enumerate(barcodes):
        other = first.setdefault(barcode.upper(), barcode)
        if other != barcode:
            document.complain(
                (*place, "cartridges", index),
                f'"{barcode}" and "{other}" differ in upper and lower case only',
                "give each cartridge a barcode of its own",
            )
    return barcodes


def _rules(document: Document, place: Path, tables: Sequence[Mapping[str, Any]]) -> Iterator[BarcodeRule]:
    for index, table in enumerate(tables):
        prefix, suffix = table.get("prefix") or "", table.get("suffix") or ""
        if not prefix and not suffix:
            document.complain(
                (*place, "barcodes", index), "the rule fits every barcode", 'write suffix = "D", for an example'
            )
        yield BarcodeRule(prefix, suffix, table["type"], table["generation"] or None, table.get("size"))
