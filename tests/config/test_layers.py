from __future__ import annotations

import os
from pathlib import Path

import pytest

from tgtd.config.layers import Layers, find, read, unreadable


@pytest.fixture
def three(tmp_path: Path) -> Layers:
    layers = tuple(tmp_path / name for name in ("usr", "etc", "run"))
    for layer in layers:
        (layer / "targets.d").mkdir(parents=True)
    return Layers(layers)


def _put(layers: Layers, layer: int, name: str, text: str = "x = 1\n") -> str:
    path = layers.directories[layer] / name
    path.write_text(text)
    return str(path)


def test_where_an_installed_daemon_looks() -> None:
    assert [str(path) for path in Layers.system().directories] == ["/usr/lib/tgtd", "/etc/tgtd", "/run/tgtd"]


def test_etc_masks_usr_and_run_masks_both(three: Layers) -> None:
    vendor = [_put(three, 0, f"targets.d/{name}.toml") for name in "abc"]
    admin = [_put(three, 1, f"targets.d/{name}.toml") for name in "bcd"]
    runtime = _put(three, 2, "targets.d/c.toml")
    found = find(three)
    assert found.targets == [vendor[0], admin[0], runtime, admin[2]]
    assert found.masked == [vendor[1], vendor[2], admin[1]]


def test_the_daemons_file_is_that_of_the_highest_layer(three: Layers) -> None:
    vendor = _put(three, 0, "tgtd.toml")
    admin = _put(three, 1, "tgtd.toml")
    found = find(three)
    assert (found.daemon, found.masked) == (admin, [vendor])


def test_only_toml_files_count(three: Layers) -> None:
    for name in ("a.toml.example", ".a.toml", ".a.toml.swp", "a.toml~", "README"):
        _put(three, 1, f"targets.d/{name}")
    assert find(three).targets == []


def test_no_directory_is_no_problem(tmp_path: Path) -> None:
    found = find(Layers.single(tmp_path / "nothing"))
    assert (found.daemon, found.targets, found.problems) == (None, [], [])


def test_a_file_where_a_directory_belongs(tmp_path: Path) -> None:
    (tmp_path / "targets.d").touch()
    (problem,) = find(Layers.single(tmp_path)).problems
    assert str(problem) == (
        f"{tmp_path}/targets.d: cannot be read: Not a directory; make it a directory, with the files of targets in it"
    )


def test_what_a_person_points_at(tmp_path: Path) -> None:
    (tmp_path / "whole/targets.d").mkdir(parents=True)
    target = tmp_path / "whole/targets.d/a.toml"
    target.touch()
    assert find(Layers.at(tmp_path / "whole")).targets == [str(target)]
    assert find(Layers.at(tmp_path / "whole/targets.d")).targets == [str(target)]
    assert find(Layers.at(target)).targets == [str(target)]
    daemon = tmp_path / "tgtd.toml"
    daemon.touch()
    assert find(Layers.at(daemon)).daemon == str(daemon)
    assert find(Layers.at(tmp_path)).daemon == str(daemon)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Layers.at(tmp_path / "nothing")


def test_a_link_to_null_is_empty(tmp_path: Path) -> None:
    (tmp_path / "a.toml").symlink_to("/dev/null")
    assert read(tmp_path / "a.toml").data == b""


def test_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"x" * 100_000)
    path.chmod(0o640)
    assert (read(path).data, read(path).mode) == (b"x" * 100_000, 0o640)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "a.toml")
    with pytest.raises(OSError, match="regular file"):
        read(tmp_path / "a.toml")


def test_a_file_of_absurd_size(tmp_path: Path) -> None:
    with (tmp_path / "a.toml").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(OSError, match="larger than 64 MiB"):
        read(tmp_path / "a.toml")


def test_unreadable() -> None:
    denied = PermissionError(13, "Permission denied")
    assert str(unreadable("/x/a.toml", denied)) == (
        "/x/a.toml: cannot be read: Permission denied; let the daemon's user read it: check the owner and "
        "mode of /x/a.toml"
    )
    assert "link to nothing" in unreadable("/x/a.toml", FileNotFoundError(2, "No such file")).fix
