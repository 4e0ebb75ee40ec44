"""Tape drives with formats of one's own."""

from __future__ import annotations

import pytest

from tests.config.test_library import HEAD
from tests.config.tree import Tree
from tgtd.config.model import TapeFormat

LUN = '[[target.lun]]\nnumber = 1\ndevice = "tape"\nmedium = { type = "tape" }\n'


def test_what_is_given_and_what_is_not(tree: Tree) -> None:
    lun = tree.target(
        HEAD + LUN + 'partitions = 2\nformats = [{ code = 0x51, name = "A", capacity = "300 GB" }, '
        '{ code = 0x52, name = "B", capacity = 1000000, write = false, tracks = 9 }]\n',
    ).luns[1]
    assert lun.partitions == 2
    assert lun.formats == (
        TapeFormat(0x51, "A", 300 * 10**9, True, True, "", "", 0, 127, 0, 0),
        TapeFormat(0x52, "B", 10**6, False, True, "", "", 0, 127, 9, 0),
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('formats = [{ code = 1, name = "A" }]', "capacity"),
        ('formats = [{ code = 0, name = "A", capacity = "1 GB" }]', "code"),
        ('formats = [{ code = 1, name = "ABCDEFGHI", capacity = "1 GB" }]', "name"),
        ('formats = [{ code = 1, name = "A", capacity = "1 kB" }]', "1 kB"),
        ("formats = []", "formats"),
        ("partitions = 5", "partitions"),
        (
            'formats = [{ code = 1, name = "A", capacity = "1 GB" }, { code = 1, name = "B", capacity = "1 GB" }]',
            "B and A have one code",
        ),
    ],
)
def test_mistakes(tree: Tree, more: str, words: str) -> None:
    assert any(words in complaint for complaint in tree.complaints(HEAD + LUN + more + "\n"))


def test_disks_have_none(tree: Tree) -> None:
    disk = '[[target.lun]]\nnumber = 1\nmedium = { type = "ram", size = "1 MiB" }\npartitions = 2\n'
    assert any("is not for disks" in complaint for complaint in tree.complaints(HEAD + disk))
