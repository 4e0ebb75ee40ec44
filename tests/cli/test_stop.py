"""tgtctl stop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


def test_stopping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"pid": 7, "timeout": 30.0})
        assert cli.main(["stop", "--run", str(tmp_path)]) == 0
        assert it.asked[0]["command"] == "stop"
    assert capsys.readouterr().out == "stopping (process 7, at most 30 s)\n"
