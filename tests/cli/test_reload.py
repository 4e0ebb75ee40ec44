"""tgtctl reload."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.desk import desk
from tgtd import cli


def answer(result: str, steps: list[str], errors: list[str], warnings: list[str]) -> dict[str, object]:
    return {"result": result, "steps": steps, "errors": errors, "warnings": warnings, "generation": 7, "by": "tgtctl"}


@pytest.mark.parametrize(
    ("row", "status", "words"),
    [
        (answer("applied", ["add lun 2"], [], []), 0, "applied 1 change (generation 7):\n  add lun 2\n"),
        (answer("applied", ["a", "b"], [], ["w"]), 0, "  note: w\n"),
        (answer("nothing", [], [], []), 0, "nothing to do (generation 7)\n"),
        (answer("refused", [], ["a.toml:1:1: no", "b"], []), 1, "as before:\n  a.toml:1:1: no\n  b\n"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_came_of_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    row: dict[str, object],
    status: int,
    words: str,
    as_json: bool,
) -> None:
    with desk(tmp_path) as it:
        it.answer(row)
        assert cli.main(["reload", "--run", str(tmp_path), *(["--json"] if as_json else [])]) == status
    told = capsys.readouterr()
    if as_json:
        assert json.loads(told.out) == row
    else:
        assert words in told.out + told.err
