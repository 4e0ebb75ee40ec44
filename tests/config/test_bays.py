"""Libraries, and the drives and cartridges that others could have too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.test_library import DRIVE, HEAD, changer
from tests.config.tree import Tree
from tgtd.config.model import DriveName

OTHER = HEAD.replace(":a", ":b") + DRIVE
THERE = 'target = "iqn.2026-11.org.test:b"'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (changer("drives = [2]") + DRIVE, "no lun 2"),
        (changer("drives = [0]") + DRIVE, "a changer as lun 0"),
        (changer("drives = [1]") + DRIVE.replace('"tape" }', '"tape", path = "/srv/a.tape" }'), "cartridge of its own"),
        (changer("drives = [1]") + changer("drives = [1]", 2, "/srv/others") + DRIVE, "drive of lun 0 already"),
        (changer("drives = [1]") + changer("drives = [3]", 2) + DRIVE, "another lun is on /srv/tapes"),
        (changer(f"drives = [], other_drives = [{{ {THERE}, lun = 1 }}]"), 'no target "iqn.2026-11.org.test:b"'),
        (changer(f"drives = [], other_drives = [{{ {THERE}, lun = 2 }}]") + OTHER, "test:b has no lun 2"),
        (
            changer('drives = [], other_drives = [{ target = "iqn.2026-11.org.test:a", lun = 1 }]') + DRIVE,
            "the target itself",
        ),
        (changer("other_drives = [{ lun = 1 }]") + DRIVE, "target"),
        (
            changer(f"drives = [], other_drives = [{{ {THERE}, lun = 1 }}]")
            + OTHER
            + changer("drives = [1]", path="/srv/x"),
            "is a drive of lun 0 already",
        ),
        (
            changer("drives = [1]")
            + DRIVE
            + DRIVE.replace("number = 1", "number = 3").replace(
                '"tape" }', '"tape", path = "/srv/../srv/tapes/A.tape" }'
            ),
            "is a cartridge of the library",
        ),
    ],
)
def test_what_cannot_be(tree: Tree, text: str, why: str) -> None:
    complaints = tree.complaints(HEAD + text)
    assert any(why in complaint for complaint in complaints), complaints


def test_drives_of_another_target(tree: Tree) -> None:
    tree.write(HEAD + DRIVE + changer(f"drives = [1], other_drives = [{{ {THERE}, lun = 1 }}]") + OTHER)
    found = tree.load().targets["iqn.2026-11.org.test:a"].luns[0].library
    assert found is not None
    assert found.drives == (DriveName(1), DriveName(1, "iqn.2026-11.org.test:b"))


def test_links(tree: Tree, tmp_path: Path) -> None:
    """A library's directory by another name, and a link to one of its cartridges."""
    shelf = tmp_path / "tapes"
    shelf.mkdir()
    (tmp_path / "alias").symlink_to("tapes")
    (tmp_path / "mine.tape").symlink_to("alias/A.tape")
    first = changer("drives = [1]", path=str(shelf)) + DRIVE
    second = changer("drives = [3]", 2, str(tmp_path / "alias")) + DRIVE.replace("number = 1", "number = 3")
    told = tree.complaints(HEAD + first + second)
    assert [f"another lun is on {tmp_path}/alias" in one and f"which calls it {shelf}" in one for one in told] == [True]
    mine = DRIVE.replace("number = 1", "number = 3").replace('"tape" }', f'"tape", path = "{tmp_path}/mine.tape" }}')
    told = tree.complaints(HEAD + first + mine)
    assert [f"{tmp_path}/mine.tape is a cartridge of the library" in one for one in told] == [True]
