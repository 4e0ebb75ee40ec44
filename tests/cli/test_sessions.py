"""tgtctl sessions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import desk
from tests.cli.test_status import SESSION
from tgtd import cli

DISCOVERY = {**SESSION, "target": None, "addresses": []}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ["no sessions"]),
        ([SESSION], ["iqn.i", "10.0.0.1:5", "iqn.t", "1 MiB", "0 B"]),
        ([DISCOVERY], ["(discovery)", " -  "]),
    ],
)
def test_who_is_logged_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[object], words: list[str]
) -> None:
    with desk(tmp_path) as it:
        it.answer({"sessions": rows})
        assert cli.main(["sessions", "--run", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in words)


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"sessions": [SESSION]})
        assert cli.main(["sessions", "--json", "--run", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"sessions": [SESSION]}
