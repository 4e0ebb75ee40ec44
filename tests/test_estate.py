"""What runs in one process, as reloads and requests see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.inside import IQN, inside
from tgtd.control import Unanswerable
from tgtd.estate import Guest


def test_alone(tmp_path: Path) -> None:
    with inside(tmp_path) as site:
        site.write(site.lun(1))
        site.start()
        answers: list[object] = []
        estate = site.estate
        estate.status(site.health, answers.append)
        estate.sessions(site.health, answers.append)
        estate.reservations(site.health, answers.append)
        status, sessions, reservations = (json.loads("".join(each)) for each in answers)  # type: ignore[arg-type]
        assert (status["targets"][0]["name"], status["targets"][0]["worker"], status["workers"]) == (IQN, None, [])
        assert status["counters"]["luns"] == estate.census().luns == 1
        assert sessions == {"sessions": []}
        assert reservations == {"reservations": []}
        assert estate.moves(site.loader.load()) == {}
        guests: list[dict[str, list[Guest]]] = []
        estate.guests(guests.append)  # type: ignore[arg-type]
        assert guests == [{IQN: []}]
        with pytest.raises(Unanswerable, match="has no LUN 2"):
            estate.clear_reservations(IQN, 2, answers.append)
        stopped: list[None] = []
        estate.stop(1, lambda: stopped.append(None))
        assert stopped == [None], "there is nobody to wait for"
        assert not estate.lost
