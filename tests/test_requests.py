"""What tgtctl can ask."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import IQN, Inside, attached, inside
from tgtd.config import model
from tgtd.control import Unanswerable
from tgtd.requests import Requests
from tgtd.scsi.reservation.state import State
from tgtd.scsi.reservation.types import TYPES


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
        self.table = Requests(site.estate, site.reloader, site.health, self.daemon).table()

    def ask(self, command: str, **arguments: object) -> Any:
        answers: list[Any] = []
        self.table[command](arguments, answers.append)
        self.site.turn_until(lambda: bool(answers))
        return answers[0]

    def reservations(self) -> Any:
        return json.loads("".join(self.ask("reservations")))["reservations"]


@pytest.fixture
def desk(site: Inside) -> Desk:
    return Desk(site)


def test_status_and_sessions(desk: Desk) -> None:
    assert '"number": 1' in "".join(desk.ask("status"))
    assert json.loads("".join(desk.ask("sessions"))) == {"sessions": []}


def test_reservations(desk: Desk) -> None:
    assert desk.reservations() == []
    disk = desk.site.unit(1).device
    nexus = desk.site.nexus()
    who = nexus.registrant
    disk.reservations.adopt(State(3, {who: 0xAB}, TYPES[7]), disk.reservations.store)
    attached(nexus, 1).regate()
    (row,) = desk.reservations()
    assert (row["target"], row["lun"], row["type"], row["generation"]) == (
        IQN,
        1,
        "Write Exclusive - All Registrants",
        3,
    )
    assert row["registrations"] == [{"initiator": "", "port": 1, "key": "0x00000000000000ab", "holder": True}]
    assert desk.ask("clear-reservations", target=IQN, lun=1) == {"cleared": True, "before": row}
    assert desk.reservations() == []
    assert attached(nexus, 1).gate is None


def test_reserve_is_shown_and_cleared(desk: Desk) -> None:
    disk = desk.site.unit(1).device
    disk.reservations.legacy = attached(desk.site.nexus(), 1)
    (row,) = desk.reservations()
    assert row["legacy"] == "iqn.2026-11.org.test:i,i,0x000000000001"
    desk.ask("clear-reservations", target=IQN, lun=1)
    assert disk.reservations.legacy is None


def test_reservations_that_cannot_be_written(desk: Desk) -> None:
    disk = desk.site.unit(1).device
    disk.reservations.adopt(State(3, {desk.site.nexus().registrant: 1}), disk.reservations.store)
    (desk.site.place / "state").rmdir()
    assert desk.ask("clear-reservations", target=IQN, lun=1)["cleared"] is False
    assert len(disk.reservations.state.keys) == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"target": "iqn.none", "lun": 1}, "there is no target iqn.none"),
        ({"target": IQN, "lun": 7}, "has no LUN 7"),
        ({"target": IQN}, "has no LUN None"),
        ({}, "there is no target None"),
    ],
)
def test_reservations_of_what_is_not_there(desk: Desk, arguments: dict[str, object], why: str) -> None:
    with pytest.raises(Unanswerable, match=why):
        desk.ask("clear-reservations", **arguments)


def test_reservations_that_are_not_loaded(desk: Desk) -> None:
    desk.site.unit(1).device.reservations.forget()
    with pytest.raises(Unanswerable, match="are not loaded"):
        desk.ask("clear-reservations", target=IQN, lun=1)


def test_a_medium_is_ejected_and_loaded(desk: Desk) -> None:
    desk.site.write(desk.site.lun(1, more="removable = true"))
    desk.ask("reload")
    disk: Any = desk.site.unit(1).device
    disk.preventing[attached(desk.site.nexus(), 1)] = None
    with pytest.raises(Unanswerable, match="LUN 1: it is in use by"):
        desk.ask("medium", what="eject", target=IQN, lun=1)
    assert desk.ask("medium", what="eject", target=IQN, lun=1, force=True) == {"medium": "ejected"}
    assert disk.ejected
    assert "ejected" in json.loads("".join(desk.ask("status")))["targets"][0]["luns"][0]["flags"]
    assert desk.ask("medium", what="load", target=IQN, lun=1) == {"medium": "loaded"}
    assert not disk.ejected


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"what": "shake", "target": IQN, "lun": 1}, "eject, or load"),
        ({"what": "eject", "target": IQN, "lun": 7}, "has no LUN 7"),
        ({"what": "eject", "target": IQN, "lun": 1}, "no removable disk"),
        ({"what": "load", "target": IQN, "lun": 1}, "not ejected"),
    ],
)
def test_media_that_stay(desk: Desk, arguments: dict[str, object], why: str) -> None:
    with pytest.raises(Unanswerable, match=why):
        desk.ask("medium", **arguments)


def test_the_medium_of_a_unit_that_is_offline(desk: Desk) -> None:
    desk.site.write(desk.site.lun(1, more="removable = true\nonline = false"))
    desk.ask("reload")
    with pytest.raises(Unanswerable, match="is offline"):
        desk.ask("medium", what="load", target=IQN, lun=1)


def test_a_library_is_shown_and_moved_in(desk: Desk) -> None:
    """A real one: its cartridge is made, goes into the drive, and is where it was after the edit of another key."""
    site = desk.site
    robot = (
        f'[[target.lun]]\nnumber = 0\ndevice = "changer"\nmedium = {{ type = "library", path = "{site.media}" }}\n'
        'library = { drives = [2], slots = 3, cartridges = ["A00001L8"], create = true, size = "8 MiB" }\n'
    )
    drive = '[[target.lun]]\nnumber = 2\ndevice = "tape"\nmedium = { type = "tape" }\n'
    site.write(site.lun(1), robot, drive)
    assert desk.ask("reload")["result"] == "applied"
    device: Any = site.unit(0).device
    site.turn_until(lambda: device.obstacle is None and site.unit(2).device.medium is not None)
    assert desk.ask("library", what="load", target=IQN, lun=0, words=["A00001L8", "2"])["done"]
    assert site.unit(2).device.medium.cartridge.barcode == "A00001L8"
    site.write(site.lun(1), robot.replace("slots = 3", "slots = 4, ports = 0"), drive)
    assert "library" in desk.ask("plan")["steps"][0]["fields"]
    desk.ask("reload")
    rows = {row["address"]: row for row in desk.ask("library", what="show", target=IQN, lun=0, words=[])["elements"]}
    assert (rows[500]["barcode"], rows[500]["lun"]) == ("A00001L8", 2)
    assert sorted(rows) == [1, 500, 1000, 1001, 1002, 1003]
    said = desk.ask("library", what="move", target=IQN, lun=0, words=[1000, 1001])
    assert said == {"done": False, "cause": "no cartridge is there any more"}
    with pytest.raises(Unanswerable, match="LUN 0: there is no Z"):
        desk.ask("library", what="export", target=IQN, lun=0, words=["Z"])


def test_a_drive_of_another_target(desk: Desk) -> None:
    """The robot fills it, and takes its cartridge out when the library has it no longer."""
    site = desk.site
    other = f"{IQN}-drives"
    robot = (
        f'[[target.lun]]\nnumber = 0\ndevice = "changer"\nmedium = {{ type = "library", path = "{site.media}" }}\n'
        f'library = {{ drives = [2], other_drives = [{{ target = "{other}", lun = 7 }}], slots = 3, '
        'barcodes = [{ suffix = "W", type = "worm", generation = 7 }], '
        'cartridges = ["TAPE1W", "TAPE2"], create = true, size = "8 MiB" }\n'
    )
    drive = '[[target.lun]]\nnumber = 2\ndevice = "tape"\nmedium = { type = "tape" }\n'
    site.write(drive.replace("= 2", "= 7"), name=other, file="b.toml")
    site.write(robot, drive)
    assert desk.ask("reload")["result"] == "applied"
    device: Any = site.unit(0).device
    site.turn_until(lambda: device.obstacle is None and site.unit(7, other).device.medium is not None)
    assert desk.ask("library", what="load", target=IQN, lun=0, words=["TAPE1W", f"{other}/7"])["done"]
    cartridge = site.unit(7, other).device.medium.cartridge
    assert (cartridge.barcode, cartridge.kind) == ("TAPE1W", "worm")
    rows = {row["address"]: row for row in desk.ask("library", what="show", target=IQN, lun=0, words=[])["elements"]}
    assert (rows[501]["target"], rows[501]["lun"], rows[501]["barcode"]) == (other, 7, "TAPE1W")
    with pytest.raises(Unanswerable, match=f"its drives are 2, {other}/7"):
        desk.ask("library", what="unload", target=IQN, lun=0, words=["7"])
    site.write(robot.replace(f'{{ target = "{other}", lun = 7 }}', ""), drive)
    assert desk.ask("reload")["result"] == "applied"
    site.turn_until(lambda: site.unit(7, other).device.medium.cartridge is None)


@pytest.mark.parametrize(
    ("what", "words", "why"),
    [
        ("shake", [], "one of show, move"),
        ("move", [1000, "x"], "move wants to know: int, int"),
        ("export", "A", "wants to know"),
        ("show", [], "is a disk"),
    ],
)
def test_libraries_that_are_none(desk: Desk, what: str, words: object, why: str) -> None:
    with pytest.raises(Unanswerable, match=why):
        desk.ask("library", what=what, target=IQN, lun=1, words=words)


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
