"""What the operator does by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.scsi.smc.library import SETTINGS, Library
from tests.scsi.workbench import IDENTITY, TUR
from tgtd.scsi.smc import operator
from tgtd.scsi.smc.inventory import Resting


def do(library: Library, deed: Callable[..., None], *words: Any) -> BaseException | None:
    answers: list[BaseException | None] = []
    deed(library.changer, *words, answers.append)
    library.lane.drain()
    assert len(answers) == 1
    return answers[0]


def test_into_a_drive_and_back(library: Library) -> None:
    assert do(library, operator.load, "A00001L8", "2") is None
    assert library.holds()[501] == "A00001L8"
    assert library.refused(TUR) == (6, 0x28, 0)
    assert do(library, operator.unload, "2") is None
    assert library.holds()[1001] == "A00001L8"


def test_back_to_a_slot_that_was_taken_meanwhile(library: Library) -> None:
    do(library, operator.load, "A00001L8", "2")
    assert do(library, operator.move, 1002, 1001) is None
    assert do(library, operator.unload, "2") is None
    assert library.holds()[1002] == "A00001L8"


def test_out_and_in(library: Library) -> None:
    do(library, operator.load, "A00000L8", "1")
    assert do(library, operator.export, "A00000L8") is None
    assert "A00000L8" not in library.holds().values()
    assert library.bays[500].said[-1] == "release"
    library.changer.looked_at()
    library.lane.drain()
    assert "A00000L8" not in library.holds().values()
    library.ready()
    assert do(library, operator.bring, "A00000L8") is None
    assert library.changer.inventory.at(10) == Resting("A00000L8", None, imported=True)
    assert library.refused(TUR) == (6, 0x28, 1)
    assert do(library, operator.export, "A00000L8") is None
    assert library.refused(TUR) == (6, 0x28, 1)


@pytest.mark.parametrize(
    ("deed", "words", "why"),
    [
        (operator.move, (1, 1000), "address 1;"),
        (operator.move, (1000, 7), "address 7;"),
        (operator.load, ("Z", "1"), "no Z in"),
        (operator.load, ("A00000L8", "9"), "LUN 9"),
        (operator.unload, ("1",), "nothing in the drive"),
        (operator.export, ("Z",), "no Z in"),
        (operator.bring, ("A00000L8",), "already"),
        (operator.bring, ("Z",), "directory"),
        (operator.bring, ("Z" * 33,), "no barcode"),
    ],
)
def test_what_cannot_be(library: Library, deed: Callable[..., None], words: tuple[Any, ...], why: str) -> None:
    before = library.holds()
    with pytest.raises(ValueError, match=why):
        deed(library.changer, *words, lambda _: None)
    assert library.holds() == before


def test_what_the_list_does_not_have(library: Library) -> None:
    library.changer.change(SETTINGS.__class__(SETTINGS.layout, SETTINGS.drives, cartridges=("A00000L8",)), IDENTITY)
    library.lane.drain()
    with pytest.raises(ValueError, match="to that list"):
        operator.bring(library.changer, "A00001L8", lambda _: None)


def test_what_comes_too_late(library: Library) -> None:
    answer = do(library, operator.move, 1003, 1004)
    assert str(answer) == "no cartridge is there any more"
    library.bays[500].locked = True
    do(library, operator.load, "A00000L8", "1")
    assert "prevents its removal" in str(do(library, operator.unload, "1"))
    library.bays[500].locked, library.bays[500].unwritable = False, True
    assert "it stays in the drive" in str(do(library, operator.unload, "1"))
    assert "it stays in the drive" in str(do(library, operator.export, "A00000L8"))
    assert library.holds()[500] == "A00000L8"
    assert "move that one away first" in str(do(library, operator.load, "A00001L8", "1"))
    library.bays[501].usable = False
    assert "the drive cannot be used" in str(do(library, operator.load, "A00001L8", "2"))


def test_rows(library: Library) -> None:
    do(library, operator.load, "A00001L8", "2")
    library.shelf.barcodes.remove("A00001L8")
    library.changer.looked_at()
    library.lane.drain()
    rows = {row["address"]: row for row in operator.rows(library.changer)}
    assert rows[501] == {
        "address": 501,
        "kind": "drive",
        "target": None,
        "lun": 2,
        "barcode": "A00001L8",
        "source": 1001,
        "imported": False,
        "trouble": "no such file",
    }
    assert (rows[1]["kind"], rows[10]["kind"], rows[1001]["barcode"]) == ("robot", "import/export", None)


def test_brought_in_twice_at_once(library: Library) -> None:
    do(library, operator.export, "A00000L8")
    answers: list[BaseException | None] = []
    bay = library.bays[500]
    bay.slow = True
    operator.load(library.changer, "A00001L8", "1", answers.append)
    operator.bring(library.changer, "A00000L8", answers.append)
    operator.move(library.changer, 10, 1003, answers.append)
    operator.bring(library.changer, "A00000L8", answers.append)
    bay.waiting.pop(0)(None)
    assert answers[:3] == [None, None, None]
    assert "already" in str(answers[3])
    assert list(library.holds().values()).count("A00000L8") == 1


def test_locked_ports(library: Library) -> None:
    """The operator gets nothing out of them or into them; slots are behind a door that nobody locks."""
    do(library, operator.move, 1000, 10)
    do(library, operator.export, "A00001L8")
    library.ready()
    library.good(bytes.fromhex("1e0000000100"))
    for deed, barcode in ((operator.export, "A00000L8"), (operator.bring, "A00001L8")):
        assert "locked by iqn.2026-11.com.example:a" in str(do(library, deed, barcode))
    assert library.holds() == {10: "A00000L8", 1002: "A00002L8"}
    assert do(library, operator.export, "A00002L8") is None
    library.ready()
    library.good(bytes.fromhex("1e0000000000"))
    assert do(library, operator.export, "A00000L8") is None
    assert do(library, operator.bring, "A00001L8") is None


def test_a_cartridge_that_others_move_first(library: Library) -> None:
    """It is the one that was named that comes into the drive, not what lies where it was."""
    answers: list[BaseException | None] = []
    bay = library.bays[500]
    bay.slow = True
    operator.load(library.changer, "A00000L8", "1", answers.append)
    operator.move(library.changer, 1001, 1003, answers.append)
    operator.move(library.changer, 1002, 1001, answers.append)
    operator.load(library.changer, "A00001L8", "2", answers.append)
    operator.export(library.changer, "A00002L8", answers.append)
    operator.load(library.changer, "A00002L8", "2", answers.append)
    bay.waiting.pop(0)(None)
    assert answers[:5] == [None] * 5
    assert str(answers[5]) == "there is no A00002L8 in the library"
    assert library.holds() == {500: "A00000L8", 501: "A00001L8"}


def test_a_drive_that_others_empty_first(library: Library) -> None:
    do(library, operator.load, "A00001L8", "2")
    answers: list[BaseException | None] = []
    bay = library.bays[500]
    bay.slow = True
    operator.load(library.changer, "A00000L8", "1", answers.append)
    operator.move(library.changer, 1002, 1001, answers.append)
    operator.unload(library.changer, "2", answers.append)
    operator.load(library.changer, "A00001L8", "2", answers.append)
    operator.move(library.changer, 501, 1005, answers.append)
    operator.unload(library.changer, "2", answers.append)
    bay.waiting.pop(0)(None)
    assert answers[:5] == [None] * 5
    assert "nothing in the drive" in str(answers[5])
    assert library.holds() == {500: "A00000L8", 1001: "A00002L8", 1005: "A00001L8"}
