"""What tgtctl can ask."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import Inside, inside
from tgtd.config import model
from tgtd.control import Unanswerable
from tgtd.requests import Requests


class FakeDaemon:
    def __init__(self, settings: model.Daemon) -> None:
        self.settings = settings
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        it.write(it.lun(1))
        it.start()
        yield it


class Desk:
    def __init__(self, site: Inside) -> None:
        self.site = site
        self.daemon = FakeDaemon(site.loader.load().daemon)
        self.table = Requests(site.tree, site.reloader, site.health, self.daemon).table()

    def ask(self, command: str, **arguments: object) -> Any:
        answers: list[Any] = []
        self.table[command](arguments, answers.append)
        self.site.turn_until(lambda: bool(answers))
        return answers[0]


@pytest.fixture
def desk(site: Inside) -> Desk:
    return Desk(site)


def test_status_and_sessions(desk: Desk) -> None:
    assert '"number": 1' in "".join(desk.ask("status"))
    assert desk.ask("sessions") == {"sessions": []}


def test_plan_then_reload(desk: Desk) -> None:
    desk.site.write(desk.site.lun(1), desk.site.lun(2))
    assert len(desk.ask("plan")["steps"]) == 1
    answer = desk.ask("reload")
    assert (answer["result"], answer["generation"], len(answer["steps"])) == ("applied", 2, 1)
    assert desk.ask("plan")["steps"] == []
    assert desk.ask("reload")["result"] == "nothing"


@pytest.mark.parametrize("command", ["plan", "reload"])
def test_a_daemon_that_stops_changes_no_more(desk: Desk, command: str) -> None:
    desk.site.health.state = "stopping"
    with pytest.raises(Unanswerable, match="stopping"):
        desk.ask(command)


def test_the_log_level(desk: Desk) -> None:
    logger = logging.getLogger("tgtd")
    before = logger.level
    try:
        assert desk.ask("log-level", level="debug") == {"level": "debug"}
        assert logger.level == logging.DEBUG
        assert desk.ask("log-level") == {"level": "debug"}
        with pytest.raises(Unanswerable, match="warning"):
            desk.ask("log-level", level="loud")
    finally:
        logger.setLevel(before)


def test_stop_is_passed_on_once(desk: Desk) -> None:
    answer = desk.ask("stop")
    assert answer == {"pid": os.getpid(), "timeout": desk.daemon.settings.stop_timeout}
    desk.site.health.state = "stopping"
    desk.ask("stop")
    assert desk.daemon.stops == 1
