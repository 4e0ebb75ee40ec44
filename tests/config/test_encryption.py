"""tgtd.config.encryption: keys by reference, where the header is, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.tree import HEAD, Tree
from tgtd.config.steps import MEDIUM_CHANGED, ReplaceMedium


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A reference to a secret that is there."""
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text("0123456789abcdef\n")
    return f'{{ file = "{file}" }}'


def lun(kind: str, encryption: str, more: str = "") -> str:
    where = {
        "file": 'path = "/srv/a.img", size = "1 MiB"',
        "block": 'path = "/dev/a"',
        "null": 'size = "1 MiB"',
        "ram": 'size = "1 MiB"',
    }[kind]
    return f'medium = {{ type = "{kind}", {where}, encryption = {{ {encryption} }} }}\n{more}'


@pytest.mark.parametrize(
    ("kind", "more", "header"),
    [
        ("file", "", "/srv/a.img.header"),
        ("file", ', header = "/keys/a"', "/keys/a"),
        ("block", ', header = "/keys/a"', "/keys/a"),
        ("ram", "", None),
    ],
)
def test_where_it_is_kept(tree: Tree, key: str, kind: str, more: str, header: str | None) -> None:
    found = tree.lun(lun(kind, f"key = {key}{more}")).medium.encryption
    assert found is not None
    assert (found.header, found.key.value, found.old_key) == (header, b"0123456789abcdef", None)
    assert "0123456789abcdef" not in repr(found)


def test_the_key_of_before(tree: Tree, key: str) -> None:
    found = tree.lun(lun("file", f"key = {key}, old_key = {key}")).medium.encryption
    assert found is not None
    assert found.old_key == found.key
    assert tree.lun('medium = { type = "ram", size = "1 MiB" }').medium.encryption is None


@pytest.mark.parametrize(
    ("kind", "encryption", "more", "said"),
    [
        ("null", "key = KEY", "", "medium.encryption: a medium of type null cannot be encrypted"),
        ("block", "key = KEY", "", "medium.encryption: a block device has no room for the header; say which file"),
        ("ram", 'key = KEY, header = "/a"', "", "header: a ram medium keeps its header in memory"),
        ("file", "key = KEY", "protection = 1", "checksums of the data would stand beside them in the clear"),
        ("file", 'header = "/a"', "", "medium.encryption.key: is missing"),
        ("file", 'key = KEY, header = "a"', "", 'header: "a" is not'),
        ("file", 'key = { file = "/nowhere/key" }', "", "file /nowhere/key cannot be read"),
        ("file", 'key = KEY, header = "/srv/a.img"', "", "/srv/a.img is in use by a lun"),
    ],
)
def test_what_does_not_fit(tree: Tree, key: str, kind: str, encryption: str, more: str, said: str) -> None:
    complaints = tree.complaints(f"{HEAD}[[target.lun]]\nnumber = 1\n{lun(kind, encryption.replace('KEY', key), more)}")
    assert len(complaints) == 1
    assert said in complaints[0]


def test_an_edit_opens_it_anew(tree: Tree, key: str) -> None:
    plain = tree.lun('medium = { type = "file", path = "/srv/a.img", size = "1 MiB" }')
    encrypted = tree.lun(lun("file", f"key = {key}"))
    step = ReplaceMedium("a", plain, encrypted)
    assert step.effects == (MEDIUM_CHANGED,)
    assert "(1 MiB, encrypted), with the key in file" in step.describe()
    assert "without encryption" in ReplaceMedium("a", encrypted, plain).describe()
    assert "0123456789abcdef" not in str(step.as_dict()) + repr(step)
