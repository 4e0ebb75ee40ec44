"""tgtctl medium."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


@pytest.mark.parametrize(
    ("words", "force", "told"),
    [(["eject"], False, "ejected"), (["eject", "--force"], True, "ejected"), (["load"], False, "loaded")],
)
def test_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], force: bool, told: str) -> None:
    with desk(tmp_path) as it:
        it.answer({"medium": told})
        assert cli.main(["medium", *words, "iqn.t", "1", "--run", str(tmp_path)]) == 0
    assert it.asked[0]["command"] == "medium"
    assert it.asked[0]["arguments"] == {"what": words[0], "target": "iqn.t", "lun": 1, "force": force}
    assert capsys.readouterr().out == f"iqn.t LUN 1: {told}\n"


@pytest.mark.parametrize(
    "words", [[], ["eject"], ["eject", "iqn.t"], ["eject", "iqn.t", "one"], ["stop", "iqn.t", "1"]]
)
def test_incomplete(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["medium", *words, "--run", str(tmp_path)])
