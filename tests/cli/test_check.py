from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.config.tree import HEAD, LUN, NAME, Tree
from tgtd.cli import main
from tgtd.config.layers import Layers

ROOT = Path(__file__).parents[2]
WARNS = HEAD.replace("anyone = true", 'chap = [{ user = "u", secret = { file = "/nowhere/s" } }]')


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_good(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    path = tree.write(HEAD + LUN)
    for argument in (tree.root, path.parent, path):
        assert main(["check", str(argument)]) == 0
        assert capsys.readouterr().out == "ok: 1 file, 1 target, 1 lun\n"
    assert main(["--config", str(tree.root), "check"]) == 0


def test_a_place_that_may_not_be_looked_at(
    tree: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> Layers:
        raise PermissionError(13, "Permission denied", str(path / "tgtd.toml"))

    monkeypatch.setattr(Layers, "at", refuse)
    assert main(["check", "--json", str(tree.root)]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["problem"]) == (str(tree.root), "cannot be read: Permission denied")


def test_bad(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    path = tree.write(HEAD + LUN + "thick = true\n")
    assert main(["check", str(tree.root)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f'{path}:8:1: target "{NAME}" lun 1: thick: is not a known key; ')
    assert last == "1 problem found"


def test_missing_secrets_are_warnings_unless_strict(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write(WARNS)
    assert main(["check", str(tree.root)]) == 0
    assert ": warning: target" in capsys.readouterr().out
    assert main(["check", "--strict", str(tree.root)]) == 1


def test_json(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.write(WARNS)
    assert main(["check", "--json", str(tree.root)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["ok"], told["files"], told["targets"], told["luns"]) == (1, True, 1, 1, 0)
    assert [(row["severity"], row["key"]) for row in told["problems"]] == [("warning", "access.chap[0].secret")]


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "nothing")]) == 1
    assert "does not exist" in capsys.readouterr().out
    assert main(["check", str(tmp_path)]) == 0
    assert "warning: no configuration file found" in capsys.readouterr().out


def test_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "etc")]) == 0
    assert capsys.readouterr().out == "ok: 1 file, 0 targets, 0 luns\n"
    examples = sorted((ROOT / "etc/targets.d").iterdir())
    assert [path.name for path in examples] == [
        "disk.toml.example",
        "everything.toml.example",
        "library.toml.example",
        "tape.toml.example",
    ]
    for path in examples:
        assert main(["check", str(path)]) == 0


def _taplo(directory: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("taplo", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]))
    assert program, "taplo is one of the development tools: make setup"
    command = [program, "lint", "tgtd.toml", "targets.d/*.toml"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


def test_an_editor_accepts_the_examples_by_the_schema_they_name(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "etc", tmp_path / "etc")
    for path in (tmp_path / "etc/targets.d").iterdir():
        path.rename(path.with_suffix(""))
    good = _taplo(tmp_path / "etc")
    assert good.returncode == 0, good.stderr
    assert "total=5 excluded=0" in good.stderr
    disk = tmp_path / "etc/targets.d/disk.toml"
    disk.write_text(disk.read_text() + "thick = true\n")
    assert "thick" in _taplo(tmp_path / "etc").stderr


def test_cartridges_that_are_missing_or_damaged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They do not keep a library from being used."""
    (tmp_path / "tapes").mkdir()
    (tmp_path / "tapes" / "BAD.tape").write_bytes(b"x")
    file = tmp_path / "a.toml"
    file.write_text(
        '[[target]]\nname = "iqn.2026-11.org.test:a"\naccess = { anyone = true }\n[[target.lun]]\nnumber = 0\n'
        f'device = "changer"\nmedium = {{ type = "library", path = "{tmp_path}/tapes" }}\n'
        'library = { drives = [1], cartridges = ["BAD", "GONE"] }\n'
        '[[target.lun]]\nnumber = 1\ndevice = "tape"\nmedium = { type = "tape" }\n'
    )
    assert main(["check", str(file)]) == 0
    said = capsys.readouterr().out
    assert "a.toml:4:1: warning: target" in said
    assert "cartridge GONE is missing; restore" in said
    assert "cartridge BAD cannot be used: it is no cartridge: it is too short" in said


def test_cartridges_that_drives_cannot_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged one, one that is missing, one of another generation; those that can be made are no trouble."""
    (tmp_path / "bad").write_bytes(b"x")
    assert main(["medium", "create", "tape", str(tmp_path / "A00001L5"), "--size", "1 MiB"]) == 0
    head = '[[target]]\nname = "iqn.2026-11.org.test:a"\naccess = { anyone = true }\n'
    lun = '[[target.lun]]\nnumber = {}\ndevice = "tape"\nmedium = {{ type = "tape", path = "{}/{}"{} }}\n'
    rows = [(0, "bad", ""), (1, "gone", ""), (2, "new", ", create = true"), (3, "A00001L5", "")]
    file = tmp_path / "a.toml"
    file.write_text(head + "".join(lun.format(number, tmp_path, name, more) for number, name, more in rows))
    assert main(["check", str(file)]) == 0
    said = capsys.readouterr().out
    assert f"cartridge {tmp_path}/bad cannot be used: it is no cartridge: it is too short" in said
    assert f"cartridge {tmp_path}/gone cannot be used: it cannot be read: No such file" in said
    assert "A00001L5 cannot be used: its density (58h) is none that the drive reads" in said
    assert said.count("warning") == 3
    file.write_text(file.read_text() + 'personality = "lto-7"\n')
    assert main(["check", str(file)]) == 0
    assert "density" not in capsys.readouterr().out


def libraries(tmp_path: Path, *directories: str, alone: str = "") -> Path:
    """A file with a library in each directory, and a drive with a cartridge of its own."""
    file = tmp_path / "a.toml"
    tables = [
        f'[[target]]\nname = "iqn.2026-11.org.test:{number}"\naccess = {{ anyone = true }}\n'
        '[[target.lun]]\nnumber = 0\ndevice = "changer"\nlibrary = { drives = [1] }\n'
        f'medium = {{ type = "library", path = "{tmp_path}/{name}" }}\n'
        '[[target.lun]]\nnumber = 1\ndevice = "tape"\nmedium = { type = "tape" }\n'
        for number, name in enumerate(directories)
    ]
    if alone:
        tables.append(
            '[[target.lun]]\nnumber = 2\ndevice = "tape"\npersonality = "lto-8"\n'
            f'medium = {{ type = "tape", path = "{tmp_path}/{alone}" }}\n'
        )
    file.write_text("".join(tables))
    return file


def tape(tmp_path: Path, name: str) -> Path:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    assert main(["medium", "create", "tape", str(file), "--size", "1 MiB"]) == 0
    return file


@pytest.mark.parametrize("soft", [False, True])
def test_one_cartridge_in_two_libraries(tmp_path: Path, soft: bool, capsys: pytest.CaptureFixture[str]) -> None:
    first = tape(tmp_path, "one/A00001L8.tape")
    (tmp_path / "two").mkdir()
    second = tmp_path / "two/A00001L8.tape"
    if soft:
        second.symlink_to(first)
    else:
        second.hardlink_to(first)
    assert main(["check", str(libraries(tmp_path, "one", "two"))]) == 1
    said = capsys.readouterr().out
    assert 'a.toml:16:1: target "iqn.2026-11.org.test:1" lun 0: library.cartridges: ' in said
    other = f'target "iqn.2026-11.org.test:0" lun 0 ({tmp_path}/a.toml:4:1)'
    assert f"{second} is one file with {first} of {other}; " in said
    assert "are barcodes of" not in said


def test_one_cartridge_under_two_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one directory; and in a drive that has it by itself."""
    first = tape(tmp_path, "one/A00001L8.tape")
    (tmp_path / "one/A00002L8.tape").hardlink_to(first)
    assert main(["check", str(libraries(tmp_path, "one"))]) == 1
    said = capsys.readouterr().out
    assert f"{tmp_path}/one/A00002L8.tape is one file with {first} of" in said
    assert "A00002L8 cannot be used: its label says that it is A00001L8" in said
    (tmp_path / "one/A00002L8.tape").unlink()
    (tmp_path / "mine").hardlink_to(first)
    assert main(["check", str(libraries(tmp_path, "one", alone="mine"))]) == 1
    assert (
        f'{first} is one file with {tmp_path}/mine of target "iqn.2026-11.org.test:0" lun 2' in capsys.readouterr().out
    )


def test_one_barcode_in_two_libraries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They may be used by people who know nothing of each other: a warning, one for each two libraries."""
    for number in range(5):
        tape(tmp_path, f"one/A0000{number}L8.tape")
        tape(tmp_path, f"two/A0000{number}L8.tape")
    tape(tmp_path, "two/B00001L8.tape")
    assert main(["check", str(libraries(tmp_path, "one", "two"))]) == 0
    said = capsys.readouterr().out
    assert "warning: target" in said
    assert "A00000L8, A00001L8, A00002L8 and 2 more are barcodes of target" in said
    assert said.count("are barcodes of") == 1
