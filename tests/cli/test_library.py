"""tgtctl library."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["move", "iqn.t", "0", "1000", "500"], [1000, 500]),
        (["load", "iqn.t", "0", "A00001L8", "1"], ["A00001L8", "1"]),
        (["unload", "iqn.t", "0", "iqn.u/1"], ["iqn.u/1"]),
        (["export", "iqn.t", "0", "A00001L8"], ["A00001L8"]),
    ],
)
def test_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: list[str | int]) -> None:
    with desk(tmp_path) as it:
        it.answer({"done": True, "cause": None})
        assert cli.main(["library", *words, "--run", str(tmp_path)]) == 0
        it.answer({"done": False, "cause": "a cartridge is there already"})
        assert cli.main(["library", *words, "--run", str(tmp_path)]) == 1
    assert it.asked[0]["arguments"] == {"what": words[0], "target": "iqn.t", "lun": 0, "words": told}
    out = capsys.readouterr()
    assert out.out == "iqn.t LUN 0: done\n"
    assert out.err == "tgtctl: iqn.t LUN 0: a cartridge is there already\n"


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def element(address: int, kind: str, **more: object) -> dict[str, object]:
        plain = {"target": None, "lun": None, "barcode": None, "source": None, "imported": False, "trouble": None}
        return {"address": address, "kind": kind, **plain, **more}

    rows = [
        element(1, "robot"),
        element(10, "import/export", barcode="A", imported=True),
        element(500, "drive", lun=1, barcode="B", source=1000, trouble="no such file"),
        element(501, "drive", target="iqn.u", lun=3),
        element(1000, "slot"),
    ]
    with desk(tmp_path) as it:
        it.answer({"elements": rows, "homeless": ["C"]})
        assert cli.main(["library", "show", "iqn.t", "0", "--run", str(tmp_path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        ["1", "robot", "-", "-", "-"],
        ["10", "import/export", "A", "hand", "-"],
        ["500", "drive", "(LUN", "1)", "B", "1000", "no", "such", "file"],
        ["501", "drive", "(LUN", "iqn.u/3)", "-", "-", "-"],
        ["no", "free", "slot", "for:", "C"],
    ]


@pytest.mark.parametrize("words", [[], ["move", "iqn.t", "0", "1000"], ["load", "iqn.t", "0", "A"], ["show"]])
def test_incomplete(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["library", *words, "--run", str(tmp_path)])
