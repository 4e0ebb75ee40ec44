"""Tables of libraries, and the drives that they name."""

from __future__ import annotations

import pytest

from tests.config.tree import Tree
from tgtd.config.model import Library

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
    assert target.luns[0].library == Library((1,), 4, 2, "generic", ("A00001L8",), True, 1_000_000_000)
    assert target.luns[1].library is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changer("drives = [2]") + DRIVE, "no lun 2"),
        (changer("drives = [0]") + DRIVE, "a changer as lun 0"),
        (changer("drives = [1]") + DRIVE.replace('"tape" }', '"tape", path = "/srv/a.tape" }'), "cartridge of its own"),
        (changer("drives = [1]") + changer("drives = [1]", 2, "/srv/others") + DRIVE, "drive of lun 0 already"),
        (changer("drives = [1]") + changer("drives = [3]", 2) + DRIVE, "another lun is on /srv/tapes"),
        (changer('drives = [1], slots = 1, ports = 0, cartridges = ["a", "b", "c"]') + DRIVE, "do not fit"),
        (changer('drives = [1], cartridges = ["a", "a"]') + DRIVE, "a"),
        (changer('drives = [1], cartridges = ["a/b"]') + DRIVE, "a barcode"),
        (changer("drives = [1], create = true") + DRIVE, "cartridges"),
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
