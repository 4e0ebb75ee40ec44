"""Tape libraries: their table, and what must hold between a changer and the drives that it serves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tgtd.config.document import Document
from tgtd.config.model import Library, Lun
from tgtd.config.positions import Path
from tgtd.config.problem import Problem

_MOST_STORED = 64000
"""Elements of a library: their addresses have 16 bits."""


def library_of(document: Document, path: Path, lun: Mapping[str, Any], filled: Mapping[str, Any]) -> Library | None:
    """The library that a LUN's table describes. filled: its table `library`, with defaults; complaints go to the
    document."""
    if lun["device"] != "changer":
        return None
    if "library" not in lun:
        document.complain(path, "a changer needs a table library", "write library = { drives = [1] }, for a start")
        return None
    cartridges = filled.get("cartridges")
    barcodes = None if cartridges is None else tuple(one for one in cartridges if one is not None)
    if barcodes is not None and len(barcodes) > filled["slots"] + filled["ports"] + len(filled.get("drives", ())):
        document.complain(
            (*path, "library", "cartridges"),
            f"{len(barcodes)} cartridges do not fit into {filled['slots']} slots",
            "raise slots, or take some from the list",
        )
    return Library(
        drives=tuple(one for one in filled.get("drives", ()) if one is not None),
        slots=filled["slots"],
        ports=filled["ports"],
        model=filled["model"],
        cartridges=barcodes,
        create=filled["create"],
        size=filled.get("size"),
    )


def served(document: Document, luns: Iterable[tuple[Path, Lun]]) -> Iterator[Problem]:
    """Drives of the libraries of one target: each a tape drive of it, with nothing in it, and in one library."""
    luns = tuple(luns)
    by_number = {lun.number: lun for _, lun in luns}
    owner: dict[int, Lun] = {}
    for path, lun in luns:
        for index, number in enumerate(lun.library.drives if lun.library is not None else ()):
            place = (*path, "library", "drives", index)
            drive = by_number.get(number)
            if drive is None or drive.device != "tape":
                what = "no lun" if drive is None else f"a {drive.device} as lun"
                yield document.problem(
                    place, f"the target has {what} {number}", 'name luns of this target that have device = "tape"'
                )
            elif drive.medium.path is not None:
                yield document.problem(
                    place,
                    f"lun {number}, at {drive.origin}, has a cartridge of its own",
                    'make it an empty drive: medium = { type = "tape" }',
                )
            elif number in owner:
                yield document.problem(
                    place,
                    f"lun {number} is a drive of lun {owner[number].number} already",
                    "give each library drives of its own",
                )
            else:
                owner[number] = lun
