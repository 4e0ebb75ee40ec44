"""tgtctl reservations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import desk
from tgtd import cli

PORT = "iqn.i:a,i,0x00023d000001"
ROW: dict[str, Any] = {
    "target": "iqn.t",
    "lun": 1,
    "known": True,
    "lost": None,
    "type": "Write Exclusive - Registrants Only",
    "generation": 7,
    "persist_through_power_loss": True,
    "registrations": [
        {"initiator": PORT, "port": 1, "key": "0x0000000000000abc", "holder": True},
        {"initiator": "iqn.i:b,i,0x1", "port": 1, "key": "0x0000000000000abd", "holder": False},
    ],
    "legacy": None,
    "elements": [],
}
NOTHING = {**ROW, "type": None, "registrations": [], "persist_through_power_loss": False}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], ["no reservations"]),
        (
            [ROW],
            [
                "iqn.t LUN 1: Write Exclusive - Registrants Only (generation 7, kept through power loss)",
                f"  {PORT}  1            0x0000000000000abc  yes",
                "  iqn.i:b,i,0x1             1            0x0000000000000abd  -",
            ],
        ),
        ([{**NOTHING, "legacy": PORT}], [f"iqn.t LUN 1: RESERVE by {PORT} (generation 7)"]),
        (
            [{**NOTHING, "elements": [{"port": PORT, "identification": 9, "count": n} for n in (1, 2)]}],
            [
                "iqn.t LUN 1: not reserved (generation 7)",
                f"  RESERVE ELEMENT 9 by {PORT}: 1 element",
                f"  RESERVE ELEMENT 9 by {PORT}: 2 elements",
            ],
        ),
        ([{**NOTHING, "lost": "x.json: damaged"}], ["not reserved", "  LOST: x.json: damaged"]),
    ],
)
def test_list(tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: list[object], words: list[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"reservations": rows})
        assert cli.main(["reservations", "--run", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert [word for word in words if word not in told] == [], told


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"reservations": [ROW]})
        assert cli.main(["reservations", "--json", "--run", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {"reservations": [ROW]}


@pytest.mark.parametrize(("row", "told"), [(ROW, "2 registrations ended"), (NOTHING, "0 registrations ended")])
def test_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str], row: object, told: str) -> None:
    with desk(tmp_path) as it:
        it.answer({"cleared": True, "before": row})
        assert cli.main(["reservations", "clear", "iqn.t", "1", "--run", str(tmp_path)]) == 0
    assert it.asked[0]["command"] == "clear-reservations"
    assert it.asked[0]["arguments"] == {"target": "iqn.t", "lun": 1}
    assert capsys.readouterr().out == f"iqn.t LUN 1: {told}\n"


def test_clear_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"cleared": True, "before": ROW})
        assert cli.main(["reservations", "clear", "iqn.t", "1", "--json", "--run", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["before"] == ROW


def test_could_not_be_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with desk(tmp_path) as it:
        it.answer({"cleared": False, "before": ROW})
        assert cli.main(["reservations", "clear", "iqn.t", "1", "--run", str(tmp_path)]) == 1
    assert "nothing changed" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["clear"], ["clear", "iqn.t"], ["clear", "iqn.t", "one"], ["end", "iqn.t", "1"]])
def test_incomplete(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["reservations", *words, "--run", str(tmp_path)])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err
