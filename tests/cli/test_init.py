"""tgtctl's frame: options before and after the sub-command, trouble in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tgtd import __version__, cli


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([name, "--help"])
    assert done.value.code == 0
    assert "--config DIR" in capsys.readouterr().out


def test_directories_before_or_after_the_command() -> None:
    for line in (["--run", "/a", "--config", "/c", "status"], ["status", "--run", "/a", "--config", "/c"]):
        parsed = cli.parser().parse_args(line)
        assert (parsed.run_directory, parsed.config, parsed.state) == (Path("/a"), Path("/c"), Path("/var/lib/tgtd"))
    parsed = cli.parser().parse_args(["--run", "/a", "status", "--run", "/b"])
    assert parsed.run_directory == Path("/b")
    assert cli.parser().parse_args(["status"]).config is None


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"tgtctl {__version__}\n"


def test_trouble_is_one_line_and_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--run", str(tmp_path), "status"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("tgtctl: tgtd is not running")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied"),
        (KeyError("x"), 1, "internal error"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_no_traceback_ever(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, status: int, words: str
) -> None:
    def fail(arguments: object) -> int:
        raise raised

    monkeypatch.setattr(cli.status, "run", fail)
    assert cli.main(["status"]) == status
    assert words in capsys.readouterr().err


def test_a_reader_that_has_seen_enough() -> None:
    code = (
        "import sys; from tgtd import cli\n"
        "cli.status.run = lambda arguments: print('x' * 1000000) or 0\n"
        "sys.exit(cli.main(['status']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    told = process.stderr.read()
    process.stderr.close()
    assert process.wait(20) == 1
    assert told == b""
