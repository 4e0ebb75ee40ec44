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


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["--help"], ["--help", "status"]):
        with pytest.raises(SystemExit):
            cli.main(line)
        told = capsys.readouterr().out
        assert [name for name in cli.COMMANDS if f"\n    {name}" not in told] == []


def test_an_unknown_command_is_told_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["stats"], ["show", "sessions"], ["--run=/a", "--config", "status", "show", "check"]):
        with pytest.raises(SystemExit):
            cli.main(line)
        told = capsys.readouterr().err
        assert [name for name in cli.COMMANDS if repr(name) not in told] == [], line


def test_a_directory_may_have_the_name_of_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--run", "check", "status"]) == 1
    assert "tgtd is not running" in capsys.readouterr().err


def test_what_is_asked_of_the_daemon_does_not_wait_for_what_reads_configurations() -> None:
    code = "import sys; from tgtd import cli; cli.main(['--run', '/nowhere', 'status']); print(*sys.modules)"
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(run, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]).stdout
    assert "tgtd.cli.status" in loaded.split()
    assert {"tgtd.config.load", "tgtd.media", "jsonschema"}.isdisjoint(loaded.split())


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

    monkeypatch.setattr(cli.command("status"), "run", fail)
    assert cli.main(["status"]) == status
    assert words in capsys.readouterr().err


def test_a_reader_that_has_seen_enough() -> None:
    code = (
        "import sys; from tgtd import cli\n"
        "cli.command('status').run = lambda arguments: print('x' * 1000000) or 0\n"
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
