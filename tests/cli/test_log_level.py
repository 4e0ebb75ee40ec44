"""tgtctl log-level."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


@pytest.mark.parametrize(("words", "arguments"), [([], {}), (["debug"], {"level": "debug"})])
def test_show_and_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], arguments: dict[str, str]
) -> None:
    with desk(tmp_path) as it:
        it.answer({"level": "debug"})
        assert cli.main(["log-level", *words, "--run", str(tmp_path)]) == 0
        assert it.asked[0]["arguments"] == arguments
    assert capsys.readouterr().out == "debug\n"


def test_a_level_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["log-level", "loud"])
    assert "invalid choice" in capsys.readouterr().err
