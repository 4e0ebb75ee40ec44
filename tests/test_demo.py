"""The demonstration's files are good ones, and a second start leaves the user's edits alone."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.daemon import daemon, eventually, free_port
from tgtd.demo import LIBRARY, PORTAL, TARGET, lay_out, lay_out_library

ROOT = Path(__file__).parents[1]


def run(place: Path, *what: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tgtd.demo", str(place), *what]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_config_describes_the_disk(tmp_path: Path) -> None:
    (target,) = tomllib.loads(lay_out(tmp_path).read_text())["target"]
    assert (target["name"], target["portals"], target["access"]) == (TARGET, [PORTAL], {"anyone": True})
    (lun,) = target["lun"]
    assert lun["medium"] == {"type": "file", "path": str(tmp_path / "disk.img"), "size": "1 GiB", "create": True}


def test_odd_names_of_directories(tmp_path: Path) -> None:
    place = tmp_path / 'a "quoted\\ {name}'
    (target,) = tomllib.loads(lay_out(place).read_text())["target"]
    assert target["lun"][0]["medium"]["path"] == str(place / "disk.img")


def test_edits_survive(tmp_path: Path) -> None:
    config = lay_out(tmp_path)
    config.write_text("# mine\n")
    assert lay_out(tmp_path).read_text() == "# mine\n"


def test_the_library_is_the_example(tmp_path: Path) -> None:
    place = tmp_path / 'a "quoted'
    (target,) = tomllib.loads(lay_out_library(place).read_text())["target"]
    assert (target["name"], target["portals"], target["access"]) == (LIBRARY, [PORTAL], {"anyone": True})
    assert target["lun"][0]["medium"]["path"] == str(place / "tapes")
    assert (place / "tapes").is_dir()
    assert [lun["device"] for lun in target["lun"]] == ["changer", "tape", "tape"]


def test_which_of_the_two(tmp_path: Path) -> None:
    assert run(tmp_path, "disk").returncode == 2
    assert "mtx load 1 0" in run(tmp_path, "library").stdout


def test_tells_what_to_try(tmp_path: Path) -> None:
    ran = run(tmp_path)
    assert ran.returncode == 0
    for line in (f"iscsi-ls -s iscsi://{PORTAL}/", "qemu-img convert", f"tgtctl --run {tmp_path}/run status"):
        assert line in ran.stdout


def test_a_place_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = run(tmp_path / "file")
    assert ran.returncode == 1
    assert ran.stderr.startswith("cannot make the demonstration in ")
    assert "Traceback" not in ran.stderr


def test_the_config_passes_the_check(tmp_path: Path) -> None:
    lay_out(tmp_path)
    command = [
        sys.executable,
        "-c",
        "from tgtd.cli import main; raise SystemExit(main())",
        "check",
        str(tmp_path / "etc"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.wire
def test_what_it_tells_of_the_library_works(tmp_path: Path) -> None:
    """What tgtctl is for; the rest is tried in the guest."""
    said = run(tmp_path, "library").stdout
    commands = [line.strip() for line in said.splitlines() if line.startswith(("     .venv", "     sed"))]
    assert len(commands) == 5
    config = lay_out_library(tmp_path)
    config.write_text(config.read_text().replace(PORTAL, f"127.0.0.1:{free_port()}"))

    def carry_out(command: str) -> str:
        line = command.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        ran = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    with daemon(tmp_path):
        assert eventually(lambda: "A00004L8" in carry_out(commands[0]))
        carry_out(commands[1])
        assert "drive (LUN 2)  A00004L8" in carry_out(commands[0])
        for command in commands[2:4]:
            carry_out(command)
        assert eventually(lambda: "A00005L8" in carry_out(commands[4]))


@pytest.mark.wire
def test_what_it_tells_to_try_works(tmp_path: Path) -> None:
    """The printed commands, as they are, but for the port and the place of tgtctl."""
    commands = [line.strip() for line in run(tmp_path).stdout.splitlines() if line.startswith("     ")]
    assert len(commands) == 6
    portal = f"127.0.0.1:{free_port()}"
    config = lay_out(tmp_path)
    config.write_text(config.read_text().replace(PORTAL, portal))

    def carry_out(command: str) -> str:
        line = command.replace(PORTAL, portal).replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        ran = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    with daemon(tmp_path):
        listed, *_, compared, _, _ = [carry_out(command) for command in commands]
        assert f"Target:{TARGET}" in listed
        assert "Images are identical" in compared
        assert eventually(lambda: "2 GiB" in carry_out(commands[-1]))
