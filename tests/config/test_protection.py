"""tgtd.config.protection: where it is kept, and what does not fit."""

from __future__ import annotations

import pytest

from tests.config.tree import HEAD, Tree

FILE = 'medium = { type = "file", path = "/srv/a.img", size = "1 MiB" }\n'
BLOCK = 'medium = { type = "block", path = "/dev/a" }\n'
RAM = 'medium = { type = "ram", size = "1 MiB" }\n'


@pytest.mark.parametrize(
    ("text", "protection", "path"),
    [
        (FILE, None, None),
        (FILE + "protection = 0\n", 0, "/srv/a.img.pi"),
        (FILE + 'protection = 3\nprotection_path = "/fast/a"\n', 3, "/fast/a"),
        (BLOCK + 'protection = 1\nprotection_path = "/srv/a.pi"\n', 1, "/srv/a.pi"),
        (RAM + "protection = 2\n", 2, None),
    ],
)
def test_where_it_is_kept(tree: Tree, text: str, protection: int | None, path: str | None) -> None:
    lun = tree.lun(text)
    assert (lun.protection, lun.protection_path) == (protection, path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            FILE + 'protection_path = "/a"\n',
            "protection_path: the LUN has no protection information; add",
        ),
        (RAM + 'protection = 1\nprotection_path = "/a"\n', "protection_path: a ram medium keeps"),
        (BLOCK + "protection = 1\n", "protection: a block device has no room for protection information; say which"),
        (FILE + "protection = 4\n", "protection: 4 is not possible here; write one of 0, 1, 2, 3"),
        (FILE + 'protection = 1\nprotection_path = "a"\n', 'protection_path: "a" is not'),
    ],
)
def test_what_does_not_fit(tree: Tree, text: str, said: str) -> None:
    (complaint,) = tree.complaints(f"{HEAD}[[target.lun]]\nnumber = 1\n{text}")
    assert said in complaint


def test_two_in_one_file(tree: Tree) -> None:
    """A file of protection information is nothing else."""
    second = FILE.replace("a.img", "b.img")
    for key in ('protection_path = "/srv/a.img"', 'protection_path = "/srv/a.img.pi"'):
        text = f"{HEAD}[[target.lun]]\nnumber = 1\n{FILE}protection = 1\n[[target.lun]]\nnumber = 2\n{second}"
        (complaint,) = tree.complaints(f"{text}protection = 1\n{key}\n")
        assert "protection_path: " in complaint
        assert "is in use by a lun" in complaint
