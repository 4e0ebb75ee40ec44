"""What make does around the code: system packages, `make install`, and what a wheel carries."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import tgtd

ROOT = Path(__file__).parents[1]

TOOLS = {
    "dpkg-query": """case "$4" in
        here*) printf "install ok installed" ;;
        gone) printf "deinstall ok config-files" ;;
        *) exit 1 ;;
    esac""",
    "apt-get": 'echo "$*" >>"$CALLS"; exit ${APT_STATUS:-0}',
    "id": 'echo "${FAKE_UID}"',
}


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Stand-ins for dpkg-query, apt-get and id."""
    for name, text in TOOLS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def need(tools: Path, *packages: str, uid: int, **more: str) -> tuple[subprocess.CompletedProcess[str], str]:
    """Runs the script; also returns the calls of apt-get."""
    calls = tools / "calls"
    environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin", "CALLS": str(calls), "FAKE_UID": str(uid), **more}
    ran = subprocess.run(
        [ROOT / "tools" / "system-packages", *packages],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ran, calls.read_text() if calls.exists() else ""


def test_nothing_missing_asks_nobody(tools: Path) -> None:
    ran, calls = need(tools, "here1", "here2", uid=0)
    assert (ran.returncode, ran.stdout, ran.stderr, calls) == (0, "", "", "")


def test_root_gets_what_is_missing_and_no_more(tools: Path) -> None:
    ran, calls = need(tools, "here", "gone", "never", uid=0)
    assert ran.returncode == 0, ran.stderr
    assert [line.split()[0] for line in calls.splitlines()] == ["update", "install"]
    assert calls.endswith(" --no-install-recommends gone never\n")


def test_others_are_told_what_to_install(tools: Path) -> None:
    ran, calls = need(tools, "here", "gone", "never", uid=1000)
    assert ran.returncode == 1
    assert calls == ""
    assert ran.stderr == (
        "error: packages are missing; install them and run make again: "
        "sudo apt-get install --no-install-recommends gone never\n"
    )


def test_a_failing_installation_fails(tools: Path) -> None:
    ran, _ = need(tools, "never", uid=0, APT_STATUS="100")
    assert ran.returncode == 1
    assert ran.stderr.endswith("error: apt-get could not install: never\n")


def test_install_puts_everything_in_place(tmp_path: Path) -> None:
    for _ in range(2):
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tmp_path}"], check=True, timeout=60)
    assert not (tmp_path / "usr/share/doc/tgtd/examples/etc").exists(), "an update is no second copy"
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "usr/lib/systemd/system/tgtd.service",
        "usr/lib/systemd/system/tgtd.socket",
        "usr/lib/sysusers.d/tgtd.conf",
        "usr/lib/tmpfiles.d/tgtd.conf",
        "usr/share/doc/tgtd/examples/systemd/tgtd.service.d/fabrics.conf",
        "usr/share/man/man1/tgtctl.1",
        "usr/share/man/man5/tgtd-tape.5",
        "usr/share/man/man5/tgtd-targets.5",
        "usr/share/man/man5/tgtd.toml.5",
        "usr/share/man/man8/tgtd.8",
        "usr/share/tgtd/schema/targets.schema.json",
        "usr/share/tgtd/schema/tgtd.schema.json",
    } <= files
    assert [name for name in files if re.fullmatch(r"usr/share/doc/tgtd/examples/targets\.d/.+\.toml\.example", name)]
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()], "links would lead back into the source"
    assert all(name.startswith("usr/") for name in files), "nothing below /etc: that is the administrator's"


def test_a_source_archive_has_all_that_the_makefile_needs() -> None:
    named = {word for line in (ROOT / "MANIFEST.in").read_text().splitlines() for word in line.split()[1:]}
    makefile = (ROOT / "Makefile").read_text()
    needed = {word for word in re.findall(r"[\w.]+", makefile) if (ROOT / word).exists() and not word.startswith(".")}
    automatic = {"README.md", "pyproject.toml", "tgtd"}
    made = {"build", "demo", "dist", "python", "python3", "tgtd.egg"}
    assert {"Makefile", "etc", "man", "systemd", "tests", "tools", "bench"} <= named
    assert needed - automatic - made <= named


def test_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## {re.escape(tgtd.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_project_file_names_what_there_is() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for script in project["project"]["scripts"].values():
        module, _, function = script.partition(":")
        path = ROOT / module.replace(".", "/")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert f"\ndef {function}(" in source.read_text()
    for pattern in project["tool"]["setuptools"]["package-data"]["tgtd"]:
        assert list((ROOT / "tgtd").glob(pattern))
