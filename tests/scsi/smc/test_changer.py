"""What a changer says of itself, and forgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.scsi.smc.library import LAYOUT, SETTINGS, TAPES, Library
from tests.scsi.workbench import IDENTITY, TUR
from tgtd.scsi.sense import LOAD_FAILED


def test_inquiry(library: Library) -> None:
    assert library.good(bytes.fromhex("12000000ff00"))[:2] == b"\x08\x80"
    assert library.good(bytes.fromhex("1201 0000ff00"))[4:] == bytes((0x00, 0x80, 0x83, 0x86))


def test_a_missing_cartridge_is_shown(library: Library) -> None:
    library.shelf.barcodes.remove("A00001L8")
    library.changer.looked_at()
    library.lane.drain()
    one = next(status for status in library.changer.statuses() if status.address == 1001)
    assert (one.trouble, one.medium) == (LOAD_FAILED, 1)
    assert library.changer.traits() == {"cartridge-trouble": True, "no-room": False}
    library.good(library.move(1001, 1004))


def test_a_damaged_cartridge_is_shown(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    """Once in the log, and for as long as it lasts to those who ask. It can be moved nevertheless."""
    library.shelf.damaged["A00001L8"] = "it has no label"
    for _ in range(2):
        library.changer.looked_at()
        library.lane.drain()
    assert caplog.text.count("A00001L8 (it has no label)") == 1
    one = next(status for status in library.changer.statuses() if status.address == 1001)
    assert one.trouble is LOAD_FAILED
    assert list(library.changer.worries()) == ["cartridge A00001L8 cannot be used: it has no label"]
    library.good(library.move(1001, 1004))
    del library.shelf.damaged["A00001L8"]
    library.changer.looked_at()
    library.lane.drain()
    assert not list(library.changer.worries())


def test_what_to_see_to(library: Library) -> None:
    library.bays[501].usable = False
    library.shelf.barcodes |= {f"B{number:05}L8" for number in range(6)}
    library.shelf.barcodes.remove("A00002L8")
    library.changer.looked_at()
    library.lane.drain()
    assert list(library.changer.worries()) == [
        "cartridge A00002L8 cannot be used: no such file",
        *(
            f"no slot is free for cartridge B{number:05}L8: export another, or give the library more slots"
            for number in (3, 4, 5)
        ),
        (
            "the robot cannot use the drive that is LUN 2: it is not there, not online, or has a cartridge in it that "
            "does not come from this library"
        ),
    ]


def test_one_that_cannot_be_made_is_made_later(library: Library) -> None:
    library.shelf.full = True
    listed = replace(SETTINGS, cartridges=(*TAPES, "C00000L8"), create=True)
    library.changer.change(listed, IDENTITY)
    library.lane.drain()
    assert library.holds() == {address: barcode for barcode, address in TAPES.items()}
    assert list(library.changer.worries()) == ["cartridge C00000L8 cannot be made: No space left on device"]
    library.shelf.full = False
    library.changer.looked_at()
    library.lane.drain()
    assert library.holds()[1003] == "C00000L8"
    assert not list(library.changer.worries())


def test_an_edit_while_somebody_looks(library: Library) -> None:
    """What was not in the list when the looking began is made all the same."""
    library.changer.looked_at()
    library.changer.change(replace(SETTINGS, cartridges=(*TAPES, "C00000L8"), create=True), IDENTITY)
    library.lane.drain()
    assert library.shelf.made == ["C00000L8"]
    assert library.holds()[1003] == "C00000L8"


def test_thousands_are_made_in_steps() -> None:
    layout = replace(LAYOUT, storage=replace(LAYOUT.storage, count=600))
    barcodes = tuple(f"D{number:05}L8" for number in range(600))
    library = Library(replace(SETTINGS, layout=layout, cartridges=barcodes, create=True))
    assert library.shelf.made == list(barcodes)
    assert library.shelf.looks == 3
    assert set(library.holds().values()) == set(barcodes)


def test_new_cartridges_come_into_free_slots(library: Library) -> None:
    library.shelf.barcodes.add("B00000L8")
    library.changer.looked_at()
    library.lane.drain()
    assert library.holds()[1003] == "B00000L8"
    assert library.keeper.kept[-1] == library.changer.inventory
    assert library.refused(TUR) == (6, 0x28, 0)
    kept = len(library.keeper.kept)
    library.changer.looked_at()
    library.lane.drain()
    assert len(library.keeper.kept) == kept


def test_a_list_is_edited(library: Library) -> None:
    """What is new is made, once; what is not there any more leaves, also a drive."""
    listed = replace(SETTINGS, cartridges=("A00000L8", "C00000L8"), create=True)
    library.good(library.move(1001, 500))
    library.changer.change(listed, IDENTITY)
    library.lane.drain()
    assert library.holds() == {1000: "A00000L8", 1001: "C00000L8"}
    assert library.shelf.made == ["C00000L8"]
    assert library.bays[500].said[-1] == "release"
    library.shelf.barcodes.remove("C00000L8")
    library.changer.looked_at()
    library.lane.drain()
    assert library.shelf.made == ["C00000L8"]
    assert library.changer.trouble("C00000L8") is LOAD_FAILED


def test_a_shelf_that_cannot_be_read(library: Library) -> None:
    library.shelf.trouble = OSError(5, "gone")
    for _ in range(3):
        library.changer.looked_at()
        library.lane.drain()
    assert library.changer.counters.medium_errors == 1
    assert library.holds() == {at: barcode for barcode, at in TAPES.items()}


def test_not_ready_until_it_has_looked(library: Library) -> None:
    library.changer.offline()
    assert library.refused(TUR) == (2, 4, 3)
    library.changer.insert(library.shelf)
    assert library.refused(TUR) == (2, 4, 1)
    library.lane.drain()
    library.good(TUR)


def test_the_inventory_is_taken_up_again(library: Library) -> None:
    library.good(library.move(1000, 500))
    library.changer.offline()
    library.bays[500].inside = None
    library.changer.insert(library.shelf)
    library.lane.drain()
    assert library.holds()[500] == "A00000L8"
    assert library.bays[500].said[-1] == "accept A00000L8"


def test_a_nexus_that_goes_takes_its_wishes_along(library: Library) -> None:
    second = library.connect("b")
    library.ready(nexus=second)
    library.good(bytes.fromhex("1e0000000100"), nexus=second)
    library.target.disconnect(second)
    assert not library.changer.preventing
    library.good(bytes.fromhex("1e0000000100"))
    library.changer.reset(None)
    assert not library.changer.preventing
