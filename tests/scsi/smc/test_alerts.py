"""TapeAlert flags of a library."""

from __future__ import annotations

from tests.scsi.smc.library import Library
from tgtd.scsi.smc.alerts import DRIVE_OFFLINE, INVENTORY

TAPE_ALERT = bytes.fromhex("4d006e00000000ffff00")
RESET = bytes.fromhex("4c02c000000000000000")


def up(library: Library, nexus: object = None) -> set[int]:
    library.changer.looked_at()
    library.lane.drain()
    data = library.good(TAPE_ALERT)
    assert len(data) == 4 + 64 * 5
    return {data[at + 1] for at in range(4, len(data), 5) if data[at + 4]}


def test_what_is_wrong_is_told_once(library: Library) -> None:
    assert library.good(bytes.fromhex("4d004000000000ffff00"))[4:] == bytes((0x00, 0x2E))
    assert up(library) == set()
    library.bays[500].usable = False
    library.shelf.barcodes.remove("A00001L8")
    assert up(library) == {DRIVE_OFFLINE, INVENTORY}
    assert up(library) == set(), "it was told"
    library.shelf.barcodes.add("A00001L8")
    library.changer.looked_at()
    library.lane.drain()
    library.shelf.damaged["A00002L8"] = "it has no label"
    assert up(library) == {INVENTORY}, "it is wrong anew"


def test_a_reset(library: Library) -> None:
    library.bays[500].usable = False
    library.changer.looked_at()
    library.lane.drain()
    library.good(RESET)
    assert up(library) == set()
