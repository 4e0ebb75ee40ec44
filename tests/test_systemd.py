"""The units, users and directories are what systemd understands, and the sandbox is tight."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[1] / "systemd"
EXPOSURE = 2.0
EXPOSURE_WITH_FABRICS = 2.1


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with commands that exist on this machine; everything else as it is shipped."""
    for unit in ("tgtd.service", "tgtd.socket"):
        text = (UNITS / unit).read_text()
        (tmp_path / unit).write_text(re.sub(r"/usr/bin/(tgtd|tgtctl)\b", "/bin/true", text))
    return tmp_path


@pytest.mark.parametrize("unit", ["tgtd.service", "tgtd.socket"])
def test_verify_says_nothing(units: Path, unit: str) -> None:
    ran = run("systemd-analyze", "verify", "--man=no", units / unit)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_verify_would_notice_a_wrong_key(units: Path) -> None:
    service = units / "tgtd.service"
    service.write_text(service.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in run("systemd-analyze", "verify", "--man=no", service).stderr


@pytest.mark.parametrize(("drop_in", "most"), [(False, EXPOSURE), (True, EXPOSURE_WITH_FABRICS)])
def test_exposure(tmp_path: Path, drop_in: bool, most: float) -> None:
    """The unit by itself, and with the drop-in for fabrics of the kernel beside it."""
    shutil.copy(UNITS / "tgtd.service", tmp_path)
    if drop_in:
        shutil.copytree(UNITS / "tgtd.service.d", tmp_path / "tgtd.service.d")
    ran = run("systemd-analyze", "security", "--offline=true", "--no-pager", tmp_path / "tgtd.service")
    level = re.search(r"Overall exposure level for tgtd\.service: ([0-9.]+)", ran.stdout)
    assert level is not None, ran.stdout + ran.stderr
    assert float(level[1]) <= most
    assert ("char-uio" in ran.stdout) is drop_in


def test_verify_with_fabrics(units: Path) -> None:
    (units / "tgtd.service.d").mkdir()
    shutil.copy(UNITS / "tgtd.service.d/fabrics.conf", units / "tgtd.service.d")
    ran = run("systemd-analyze", "verify", "--man=no", units / "tgtd.service")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_fabrics_are_no_default() -> None:
    text = (UNITS / "tgtd.service").read_text()
    assert "CapabilityBoundingSet=\n" in text
    assert "uio" not in text
    assert "configfs" not in text


def calls(group: str) -> set[str]:
    """The system calls of a group of systemd's, and of the groups in it."""
    names = run("systemd-analyze", "syscall-filter", group).stdout.split("\n")[1:]
    found = {name.strip() for name in names if name.strip() and not name.strip().startswith("#")}
    return found.union(*(calls(name) for name in found if name.startswith("@")))


def test_the_sandbox_lets_io_uring_through() -> None:
    permitted, forbidden = re.findall(r"^SystemCallFilter=(.*)", (UNITS / "tgtd.service").read_text(), re.MULTILINE)
    needed = {"io_uring_setup", "io_uring_enter", "io_uring_register"}
    assert needed <= calls(permitted)
    assert not any(needed & calls(group) for group in forbidden.removeprefix("~").split())


def test_commands_are_the_ones_that_are_installed() -> None:
    """ExecStart and friends name console scripts of the project."""
    commands = re.findall(r"^Exec\w+=(\S+)", (UNITS / "tgtd.service").read_text(), re.MULTILINE)
    assert sorted(set(commands)) == ["/usr/bin/tgtctl", "/usr/bin/tgtd"]


def test_users(tmp_path: Path) -> None:
    """systemd-sysusers takes the file as it is, in an empty root."""
    (tmp_path / "usr/lib/sysusers.d").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    shutil.copy(UNITS / "sysusers.d/tgtd.conf", tmp_path / "usr/lib/sysusers.d")
    ran = run("systemd-sysusers", f"--root={tmp_path}", "tgtd.conf")
    assert ran.returncode == 0, ran.stderr
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("tgtd:"))
    assert user.split(":")[5] == "/var/lib/tgtd"
    assert "tgtd:" in (tmp_path / "etc/group").read_text()


def test_directories_are_the_ones_of_the_service(tmp_path: Path) -> None:
    """systemd-tmpfiles makes them, and secrets are closed to others."""
    users = (UNITS / "tmpfiles.d/tgtd.conf").read_text()
    mine = tmp_path / "tgtd.conf"
    mine.write_text(re.sub(r"\b(root|tgtd)( +)(root|tgtd)$", r"-\2-", users, flags=re.MULTILINE))
    ran = run("systemd-tmpfiles", f"--root={tmp_path}", "--create", mine)
    assert (ran.returncode, ran.stderr) == (0, "")
    modes = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o7777 for path in tmp_path.glob("*/**/")}
    assert modes["etc/tgtd/secrets"] == 0o750
    assert modes["etc/tgtd/targets.d"] == modes["run/tgtd/targets.d"] == 0o755
    assert modes["var/lib/tgtd"] == 0o750
