"""CI must not pass because a test did not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "in_test": "import pytest\ndef test_it():\n    pytest.skip('no tool')\n",
    "by_mark": "import pytest\n@pytest.mark.skip(reason='no tool')\ndef test_it():\n    pass\n",
    "in_module": "import pytest\npytest.skip('no tool', allow_module_level=True)\n",
}
WORKERS = ("-n", "2", "--dist", "loadfile")


def run(directory: Path, ci: str, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest over these files, and one more that has a test that passes."""
    shutil.copy(Path(__file__).with_name("conftest.py"), directory / "conftest.py")
    for name, text in {**files, "other": "def test_other():\n    pass\n"}.items():
        (directory / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-ra", *options, str(directory)]
    return subprocess.run(
        command, env={**os.environ, "CI": ci}, cwd=directory, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("options", [(), WORKERS], ids=["alone", "side by side"])
def test_a_skip_fails_in_ci(tmp_path: Path, options: tuple[str, ...]) -> None:
    kinds = {name: text for name, text in SKIPS.items() if name != "in_module"}
    ran = run(tmp_path, "true", *options, **kinds)
    assert ran.returncode == 1, ran.stdout
    assert ran.stdout.count("skipped, which CI does not allow: ") >= 2
    assert "1 failed, 1 passed, 1 error" in ran.stdout


@pytest.mark.parametrize("options", [(), WORKERS], ids=["alone", "side by side"])
def test_a_skipped_module_fails_in_ci(tmp_path: Path, options: tuple[str, ...]) -> None:
    ran = run(tmp_path, "true", *options, in_module=SKIPS["in_module"])
    assert ran.returncode not in (0, 5), ran.stdout
    assert "skipped, which CI does not allow: " in ran.stdout
    assert "no tool" in ran.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    ran = run(tmp_path, "", **SKIPS)
    assert ran.returncode == 0, ran.stdout
    assert "1 passed, 3 skipped" in ran.stdout


def test_expected_failures_stay_what_they_are(tmp_path: Path) -> None:
    ran = run(tmp_path, "true", xfail="import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n")
    assert ran.returncode == 0, ran.stdout
