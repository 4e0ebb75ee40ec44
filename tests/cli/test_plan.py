"""tgtctl plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli

STEP = {"step": "AddLun", "does": "add lun 2", "effects": ["unit attention: reported LUNs data has changed"]}
QUIET = {"step": "AddPortal", "does": "listen on [::]:3260", "effects": ["none"]}
SESSION = {"initiator": "iqn.i", "address": "10.0.0.1", "target": "iqn.t", "effects": ["x"]}


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"steps": [], "sessions": [], "errors": []}, 0, "nothing to do"),
        ({"steps": [QUIET], "sessions": [], "errors": []}, 2, "no live session"),
        ({"steps": [STEP], "sessions": [SESSION], "errors": []}, 2, "1 live session touched"),
        ({"steps": [STEP], "sessions": [], "errors": ["a.toml:1:1: no"]}, 1, "a.toml:1:1: no"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_reload_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: object, status: int, words: str, as_json: bool
) -> None:
    with desk(tmp_path) as it:
        it.answer(answer)
        assert cli.main(["plan", "--run", str(tmp_path), *(["--json"] if as_json else [])]) == status
        assert it.asked[0]["command"] == "plan"
    told = capsys.readouterr()
    if as_json:
        assert json.loads(told.out) == answer
    else:
        assert words in told.out + told.err


def test_steps_name_what_initiators_notice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"steps": [STEP, QUIET], "sessions": [], "errors": []})
        cli.main(["plan", "--run", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:4] == [
        "  add lun 2",
        "    initiators: unit attention: reported LUNs data has changed",
        "  listen on [::]:3260",
    ]


def test_without_a_daemon_there_is_nothing_to_compare_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", "--run", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "not running" in told
    assert "tgtctl check" in told
