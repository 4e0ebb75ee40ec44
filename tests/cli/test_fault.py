"""tgtctl fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


@pytest.mark.parametrize(("what", "hanging", "told"), [("hang", True, "hangs"), ("release", False, "goes on")])
def test_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, hanging: bool, told: str) -> None:
    with desk(tmp_path) as it:
        it.answer({"hanging": hanging})
        assert cli.main(["fault", what, "iqn.t", "1", "--run", str(tmp_path)]) == 0
    assert it.asked[0]["command"] == "fault"
    assert it.asked[0]["arguments"] == {"what": what, "target": "iqn.t", "lun": 1}
    assert capsys.readouterr().out == f"iqn.t LUN 1 {told}\n"


@pytest.mark.parametrize("words", [[], ["hang"], ["hang", "iqn.t"], ["hang", "iqn.t", "one"], ["stop", "iqn.t", "1"]])
def test_incomplete(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["fault", *words, "--run", str(tmp_path)])
