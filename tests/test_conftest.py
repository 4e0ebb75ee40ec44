"""CI must not pass because a test did not run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "in_test": "import pytest\ndef test_it():\n    pytest.skip('no tool')\n",
    "by_mark": "import pytest\n@pytest.mark.skip(reason='no tool')\ndef test_it():\n    pass\n",
    "in_module": "import pytest\npytest.skip('no tool', allow_module_level=True)\n",
}


def run(directory: Path, text: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), directory / "conftest.py")
    (directory / "test_it.py").write_text(text + "\ndef test_other():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(directory)]
    return subprocess.run(
        command, env={**os.environ, "CI": ci}, cwd=directory, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("case", CASES)
def test_a_skip_fails_in_ci(case: str, tmp_path: Path) -> None:
    ran = run(tmp_path, CASES[case], "true")
    assert ran.returncode != 0, ran.stdout
    assert "skipped, which CI does not allow: " in ran.stdout
    assert "no tool" in ran.stdout


def test_a_skip_is_a_skip_elsewhere(tmp_path: Path) -> None:
    ran = run(tmp_path, CASES["in_test"], "")
    assert ran.returncode == 0, ran.stdout
    assert "1 passed, 1 skipped" in ran.stdout


def test_expected_failures_stay_what_they_are(tmp_path: Path) -> None:
    ran = run(tmp_path, "import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False\n", "true")
    assert ran.returncode == 0, ran.stdout
