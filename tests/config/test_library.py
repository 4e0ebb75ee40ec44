"""Tables of libraries, and the drives that they name."""

from __future__ import annotations

import pytest

from tests.config.tree import Tree
from tgtd.config.librarymodels import MODELS, Addresses
from tgtd.config.model import BarcodeRule, DriveName, Library

HEAD = '[[target]]\nname = "iqn.2026-11.org.test:a"\naccess = { anyone = true }\n'
DRIVE = '[[target.lun]]\nnumber = 1\ndevice = "tape"\nmedium = { type = "tape" }\n'


def changer(library: str, number: int = 0, path: str = "/srv/tapes") -> str:
    return (
        f'[[target.lun]]\nnumber = {number}\ndevice = "changer"\nmedium = {{ type = "library", path = "{path}" }}\n'
        f"library = {{ {library} }}\n"
    )


def test_what_it_says(tree: Tree) -> None:
    target = tree.target(
        HEAD + DRIVE + changer('drives = [1], slots = 4, cartridges = ["A00001L8"], create = true, size = "1 GB"')
    )
    assert target.luns[0].library == Library(
        (DriveName(1),), 4, 2, "generic", MODELS["generic"].addresses, ("A00001L8",), True, 1_000_000_000
    )
    assert target.luns[1].library is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changer('drives = [1], slots = 1, ports = 0, cartridges = ["a", "b", "c"]') + DRIVE, "do not fit"),
        (changer('drives = [1], cartridges = ["a", "a"]') + DRIVE, "a"),
        (changer('drives = [1], cartridges = ["a/b"]') + DRIVE, "a barcode"),
        (changer("drives = [1], create = true") + DRIVE, "cartridges"),
        (changer('drives = [1], cartridges = ["a1", "A1"]') + DRIVE, "upper and lower case"),
        (changer("drives = [1], slot_address = 500") + DRIVE, "element 500 would be the first slot"),
        (changer("drives = [1], drive_address = 500, port_address = 499") + DRIVE, "are ports"),
        (changer("drives = [1], slot_address = 65530") + DRIVE, "65535 is the last address"),
        (changer('drives = [1], model = "hp-msl6000", slots = 417') + DRIVE, "elements up to 448 are slots"),
        (changer('drives = [1], barcodes = [{ type = "worm" }]') + DRIVE, "fits every barcode"),
        (changer('drives = [1], barcodes = [{ suffix = "D", type = "gold" }]') + DRIVE, "gold"),
        (changer('drives = [1], barcodes = [{ suffix = "D", size = "1 B" }]') + DRIVE, "1 B"),
        (changer("drives = []") + DRIVE, "drives"),
        (changer("slots = 2") + DRIVE, "drives"),
        (DRIVE.replace("number = 1", "number = 1\nlibrary = { drives = [1] }"), "not for tape drives"),
        (
            '[[target.lun]]\nnumber = 0\ndevice = "changer"\nmedium = { type = "library", path = "/t" }\n',
            "needs a table library",
        ),
    ],
)
def test_what_cannot_be(tree: Tree, text: str, why: str) -> None:
    complaints = tree.complaints(HEAD + text)
    assert any(why in complaint for complaint in complaints), complaints


def test_addresses_and_rules(tree: Tree) -> None:
    text = (
        'drives = [1], model = "ibm-ts3200", slot_address = 100, '
        'barcodes = [{ suffix = "W", type = "worm", generation = 7, size = "1 GB" }, { prefix = "SCR" }]'
    )
    library = tree.target(HEAD + DRIVE + changer(text)).luns[0].library
    assert library is not None
    assert library.addresses == Addresses(robot=1, ports=16, drives=256, slots=100)
    assert library.rules == (BarcodeRule("", "W", "worm", 7, 1_000_000_000), BarcodeRule("SCR", ""))
