from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.tree import HEAD, LUN, Tree
from tgtd.cli import main

SECRET = "long enough it is"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_values_with_origins(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    path = tree.write(HEAD + LUN)
    tree.write("stop_timeout = 5\n", "tgtd.toml")
    assert main(["--config", str(tree.root), "cat-config"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"# {tree.root}/tgtd.toml", f"stop_timeout = 5  # {tree.root}/tgtd.toml:1:16"]
    assert f"number = 1  # {path}:6:10" in lines
    assert f"[[target.lun]]  # {path}:5:1" in lines
    assert "write_cache = true  # default" in lines


def test_it_can_be_read_again(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write(HEAD + LUN)
    before = tree.load().targets
    main(["--config", str(tree.root), "cat-config"])
    daemon, _, targets = capsys.readouterr().out.partition(f"# {tree.root}/targets.d")
    tree.write("#" + targets)
    tree.write(daemon, "tgtd.toml")
    assert tree.load().targets == before


def test_masks_are_told(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write(HEAD)
    (tree.root / "targets.d/b.toml").symlink_to("/dev/null")
    assert main(["--config", str(tree.root), "cat-config"]) == 0
    assert f"# masks: {tree.root}/targets.d/b.toml" in capsys.readouterr().out


def test_inline_secrets_stay_inside(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write(HEAD.replace("anyone = true", f'chap = [{{ user = "u", secret = "{SECRET}" }}]'), mode=0o600)
    for more in ([], ["--json"]):
        assert main(["--config", str(tree.root), "cat-config", *more]) == 0
        out = capsys.readouterr().out
        assert SECRET not in out
        assert "(inline secret)" in out


def test_json(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    path = tree.write(HEAD)
    assert main(["--config", str(tree.root), "cat-config", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [entry["file"] for entry in told["files"]] == ["tgtd.toml (there is none)", str(path)]
    name = told["files"][1]["values"][0]
    assert (name["path"], name["origin"]) == (["target", 0, "name"], f"{path}:2:8")


def test_errors(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write("x\n")
    assert main(["--config", str(tree.root), "cat-config"]) == 1
    assert "is not TOML" in capsys.readouterr().err
