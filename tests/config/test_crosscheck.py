from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.tree import HEAD, NAME, Tree, said

OTHER = HEAD.replace("disks", "other")


def lun(number: int, path: object = None, more: str = "") -> str:
    medium = f'{{ type = "file", path = "{path}" }}' if path else '{ type = "null", size = 512 }'
    return f"[[target.lun]]\nnumber = {number}\nmedium = {medium}\n{more}"


def test_two_targets_of_one_name(tree: Tree) -> None:
    tree.write(HEAD, "targets.d/b.toml")
    assert tree.complaints(HEAD) == [
        (
            f'b.toml:2:8: target "{NAME}": name: another target has this name, at a.toml:1:1; '
            "choose another name, or remove one of the two"
        )
    ]


def test_two_luns_of_one_number(tree: Tree) -> None:
    assert tree.complaints(HEAD + lun(1) + lun(2) + lun(1)) == [
        (
            f'a.toml:12:10: target "{NAME}" lun 1: number: the target has another lun 1, at a.toml:5:1; '
            "choose a free number, such as 3"
        )
    ]


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("serial", "S1", "serial number"),
        ("wwid", "naa.6001405aabbccddeeff0011223344556", "world wide id"),
    ],
)
def test_two_luns_of_one_identity(tree: Tree, key: str, value: str, what: str) -> None:
    tree.write(OTHER + lun(1, more=f'{key} = "{value}"\n'), "targets.d/b.toml")
    assert tree.complaints(HEAD + lun(1, more=f'{key} = "{value}"\n')) == [
        (
            f'b.toml:8:{len(key) + 4}: target "iqn.2026-11.com.example:other" lun 1: {key}: another lun has this '
            f"{what}, at a.toml:5:1; "
            "give each its own, or leave it out to have one derived"
        )
    ]


def _on_one_file(tree: Tree, first: Path, second: Path) -> list[str]:
    return tree.complaints(HEAD + lun(1, first) + lun(2, second))


def _told(path: Path, alias: str = "") -> list[str]:
    return [
        (
            f'a.toml:10:34: target "{NAME}" lun 2: medium.path: another lun is on {path}, at a.toml:5:1{alias}; '
            "give each lun its own (or make both read_only): two writers destroy each other's data"
        )
    ]


def test_two_luns_on_one_file(tree: Tree, tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    assert _on_one_file(tree, path, path) == _told(path)
    path.touch()
    assert _on_one_file(tree, path, path) == _told(path)


@pytest.mark.parametrize("exists", [False, True])
def test_two_names_of_one_file(tree: Tree, tmp_path: Path, exists: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file-link").symlink_to("link/disk.img")
    real = tmp_path / "real/disk.img"
    if exists:
        real.touch()
    for name in (tmp_path / "link/disk.img", tmp_path / "file-link", tmp_path / "real/../real/disk.img"):
        assert _on_one_file(tree, real, name) == _told(name, f", which calls it {real}")
    assert _on_one_file(tree, real, tmp_path / "real/other.img") == []


def test_hard_links(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert _on_one_file(tree, tmp_path / "a", tmp_path / "b") == _told(tmp_path / "b", f", which calls it {tmp_path}/a")


def test_readers_may_share(tree: Tree) -> None:
    both = [lun(number, "/x", "read_only = true\n") for number in (1, 2)]
    assert tree.complaints(HEAD + "".join(both)) == []
    assert len(tree.complaints(HEAD + both[0] + lun(2, "/x"))) == 1


def _portals(*targets: tuple[str, str]) -> str:
    return "".join(
        HEAD.replace("disks", name).replace("[target.access]", f"portals = [{portals}]\n[target.access]")
        for name, portals in targets
    )


def test_targets_may_share_a_portal(tree: Tree) -> None:
    assert tree.complaints(_portals(("one", '"10.0.0.1:3260"'), ("two", '"10.0.0.1:3260", "10.0.0.2"'))) == []


def test_a_wildcard_and_what_it_covers(tree: Tree) -> None:
    assert tree.complaints(_portals(("one", '"10.0.0.9", "10.0.0.1"'), ("two", '"0.0.0.0"'))) == [
        f'a.toml:3:{column}: target "iqn.2026-11.com.example:one": portals[{index}]: {portal}:3260 is covered '
        f"by 0.0.0.0:3260 of target "
        '"iqn.2026-11.com.example:two", so only one could listen; write 0.0.0.0:3260 here too, or particular '
        "addresses there"
        for index, column, portal in ((0, 12, "10.0.0.9"), (1, 24, "10.0.0.1"))
    ]


def test_ports_and_families_do_not_clash(tree: Tree) -> None:
    assert (
        tree.complaints(_portals(("one", '"10.0.0.1:3261", "[fd00::1]:3261"'), ("two", '"0.0.0.0", "[::]:3260"'))) == []
    )


def test_a_mended_clash_is_forgotten(tree: Tree) -> None:
    tree.write(HEAD)
    tree.write(HEAD, "targets.d/b.toml")
    loader = tree.loader()
    assert len(said(loader, tree.root)) == 1
    tree.write(OTHER, "targets.d/b.toml")
    assert said(loader, tree.root) == []
