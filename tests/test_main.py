"""The command line of tgtd, and what it says when it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.tree import HEAD
from tgtd import __main__, __version__
from tgtd.premises import Claim


def place(tmp_path: Path, text: str = HEAD) -> list[str]:
    """A configuration, and the options that name it."""
    (tmp_path / "etc" / "targets.d").mkdir(parents=True)
    (tmp_path / "etc" / "targets.d" / "a.toml").write_text(text)
    return [f"--{name}={tmp_path / directory}" for name, directory in _DIRECTORIES]


_DIRECTORIES = (("config", "etc"), ("state", "state"), ("run", "run"))


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        __main__.main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"tgtd {__version__}\n"


def test_a_wrong_configuration_is_told_completely(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = place(tmp_path, '[[target]]\nnam = "x"\n[[target]]\nname = "iqn.2026-11.com.example:b"\nfoo = 1\n')
    assert __main__.main(options) == 1
    told = capsys.readouterr().err
    assert "a.toml:2:" in told
    assert "a.toml:5:" in told
    assert "Traceback" not in told


def test_a_place_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = place(tmp_path)
    claim = Claim(tmp_path / "run", "--run")
    assert __main__.main(options) == 1
    claim.close()
    assert "another tgtd" in capsys.readouterr().err


def test_a_configuration_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = place(tmp_path)
    options[0] = f"--config={tmp_path / 'nowhere'}"
    assert __main__.main(options) == 1
    assert "not a directory" in capsys.readouterr().err
