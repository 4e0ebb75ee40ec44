"""tgtd.scsi.sbc.removal: starting, stopping, loading, ejecting, preventing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scsi.sbc.test_write import Noting
from tests.scsi.workbench import TUR, Bench, cdb10, pointer_of
from tgtd.scsi.sense import (
    GOOD,
    INITIALIZING_COMMAND_REQUIRED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_NOT_PRESENT,
    MEDIUM_REMOVAL_PREVENTED,
)
from tgtd.scsi.target import TaskManagement, encode_lun


def start_stop(what: int, immediate: int = 0) -> bytes:
    return bytes((0x1B, immediate, 0, 0, what, 0))


def prevent(on: int) -> bytes:
    return bytes((0x1E, 0, 0, 0, on, 0))


STOP, START, EJECT, LOAD, NO_FLUSH = 0, 1, 2, 3, 4


def make(removable: bool = True) -> tuple[Bench, Noting]:
    bench = Bench()
    medium = Noting()
    bench.disk(medium, removable=removable)
    bench.ready()
    return bench, medium


def test_stop_flushes_and_start_brings_back() -> None:
    bench, medium = make(removable=False)
    bench.good(start_stop(STOP))
    assert medium.log == ["flush"]
    assert bench.refused(TUR) == INITIALIZING_COMMAND_REQUIRED[:3]
    bench.good(start_stop(START))
    bench.good(TUR)


@pytest.mark.parametrize(("what", "immediate", "log"), [(STOP, 1, ["flush"]), (STOP | NO_FLUSH, 0, [])])
def test_stop_without_waiting(what: int, immediate: int, log: list[str]) -> None:
    bench, medium = make()
    assert bench.start(start_stop(what, immediate)).status == GOOD
    bench.lane.drain()
    assert medium.log == log


def test_stop_waits_for_what_is_under_way() -> None:
    bench, medium = make()
    write = bench.start(cdb10(0x2A, 0, 1), bytes(512))
    stop = bench.start(start_stop(STOP))
    bench.lane.drain()
    assert bench.done == [write, stop]
    assert medium.log == ["cached", "flush"]


def test_a_fixed_disk_cannot_be_ejected() -> None:
    bench, _ = make(removable=False)
    assert pointer_of(bench.run(start_stop(EJECT))) == (True, 4, 1)
    bench.good(TUR)


def test_eject_and_load() -> None:
    bench, _ = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.good(start_stop(EJECT))
    assert bench.refused(TUR) == MEDIUM_NOT_PRESENT[:3]
    bench.good(start_stop(START))
    assert bench.refused(TUR) == MEDIUM_NOT_PRESENT[:3], "starting does not load"
    bench.good(start_stop(LOAD))
    bench.good(TUR)
    assert bench.refused(TUR, nexus=other) == MEDIUM_MAY_HAVE_CHANGED[:3]


def test_what_is_prevented_is_loading_too() -> None:
    bench, _ = make()
    bench.good(start_stop(EJECT))
    bench.good(prevent(1))
    assert bench.refused(start_stop(LOAD)) == MEDIUM_REMOVAL_PREVENTED[:3]
    bench.good(prevent(0))
    bench.good(start_stop(LOAD))
    bench.good(prevent(1))
    bench.good(start_stop(LOAD))


def test_without_a_medium_there_is_nothing_to_start() -> None:
    bench, _ = make(removable=False)
    bench.itl().lu.offline()  # type: ignore[attr-defined]
    assert bench.refused(start_stop(START)) == MANUAL_INTERVENTION_REQUIRED[:3]


def test_removal_is_prevented_as_long_as_anyone_does() -> None:
    bench, _ = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    bench.good(prevent(1))
    bench.good(prevent(1), nexus=other)
    bench.good(prevent(0))
    assert bench.refused(start_stop(EJECT)) == MEDIUM_REMOVAL_PREVENTED[:3]
    bench.target.disconnect(other)
    bench.good(start_stop(EJECT))


@pytest.mark.parametrize(
    "function", [TaskManagement.LOGICAL_UNIT_RESET, TaskManagement.TARGET_RESET, TaskManagement.I_T_NEXUS_RESET]
)
def test_resets_allow_removal(function: TaskManagement) -> None:
    bench, _ = make()
    bench.good(prevent(1))
    bench.target.manage(function, bench.nexus, encode_lun(0))
    bench.ready()
    bench.good(start_stop(EJECT))


def test_a_fixed_disk_has_nothing_to_prevent() -> None:
    bench, _ = make(removable=False)
    assert bench.refused(prevent(1)) == (5, 0x20, 0)


def test_the_administrator_ejects_and_loads() -> None:
    bench, medium = make()
    disk: Any = bench.itl().lu
    disk.eject(False)
    bench.lane.drain()
    assert medium.log == ["flush"]
    assert bench.refused(TUR) == MEDIUM_NOT_PRESENT[:3]
    with pytest.raises(ValueError, match="ejected already"):
        disk.eject(False)
    disk.load()
    assert bench.refused(TUR) == MEDIUM_MAY_HAVE_CHANGED[:3]
    assert bench.run(TUR).status == GOOD
    with pytest.raises(ValueError, match="not ejected"):
        disk.load()


def test_the_administrator_is_told_who_uses_it() -> None:
    bench, _ = make()
    disk: Any = bench.itl().lu
    bench.good(prevent(1))
    with pytest.raises(ValueError, match=r"in use by iqn\.2026-11\.com\.example:a"):
        disk.eject(False)
    disk.eject(True)
    assert bench.refused(TUR) == MEDIUM_NOT_PRESENT[:3]


def test_what_is_not_removable_stays() -> None:
    bench, _ = make(removable=False)
    disk: Any = bench.itl().lu
    with pytest.raises(ValueError, match="no removable disk"):
        disk.eject(True)
