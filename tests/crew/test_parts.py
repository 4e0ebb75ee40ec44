"""A plan is shared out: nothing is lost, and nobody gets what is not his."""

from __future__ import annotations

from pathlib import Path

from tests.crew.fakes import config, iqn
from tgtd.config.plan import diff
from tgtd.config.steps import AddLun, AddPortal, AddTarget, ChangeDaemon, RemoveTarget
from tgtd.crew.parts import outset, share

A, B, C = iqn("a"), iqn("b"), iqn("c")


def test_the_first_plan(tmp_path: Path) -> None:
    """The main process has portals, and targets without LUNs."""
    wanted = config(tmp_path, ("a", ["1"]), ("b", ["2", "3"]))
    shares = share(diff(None, wanted), None, wanted, {}, {A: 1, B: 2}, (1, 2))
    bare = [step.new for step in shares.main if isinstance(step, AddTarget)]
    assert [(target.name, dict(target.luns)) for target in bare] == [(A, {}), (B, {})]
    assert [type(step) for step in shares.main if not isinstance(step, AddTarget)] == [AddPortal]
    (mine,) = (step for step in shares.workers[2] if isinstance(step, AddTarget))
    assert (mine.new.name, list(mine.new.luns)) == (B, [1, 2])


def test_what_a_new_process_begins_with(tmp_path: Path) -> None:
    wanted = config(tmp_path, ("a", ["1"]), ("b", ["2"]))
    steps = list(outset(wanted, {A: 1, B: 2}, 2))
    assert [step.new.name for step in steps if isinstance(step, AddTarget)] == [B]
    assert not [step for step in steps if isinstance(step, AddPortal)]


def test_a_lun_more_concerns_its_worker_alone(tmp_path: Path) -> None:
    running = config(tmp_path, ("a", ["1"]), ("b", ["2"]))
    wanted = config(tmp_path, ("a", ["1", "9"]), ("b", ["2"]))
    places = {A: 1, B: 2}
    shares = share(diff(running, wanted), running, wanted, places, places, (1, 2))
    assert list(shares.main) == []
    assert list(shares.workers) == [1]
    assert [type(step) for step in shares.workers[1]] == [AddLun]


def test_settings_of_the_daemon_are_everybodys(tmp_path: Path) -> None:
    running = config(tmp_path, ("a", ["1"]))
    wanted = config(tmp_path, ("a", ["1"]), head="stop_timeout = 5\n")
    shares = share(diff(running, wanted), running, wanted, {A: 1}, {A: 1}, (1, 2))
    assert all([type(step) for step in plan] == [ChangeDaemon] for plan in (shares.main, *shares.workers.values()))
    assert sorted(shares.workers) == [1, 2]


def test_a_move(tmp_path: Path) -> None:
    """Out of one, into the other, which knows that the files are about to be free."""
    running = config(tmp_path, ("a", ["1"]), ("b", ["2"]))
    shares = share(diff(running, running), running, running, {A: 1, B: 2}, {A: 2, B: 2}, (1, 2))
    assert [type(step) for step in shares.workers[1]] == [RemoveTarget]
    assert [type(step) for step in shares.workers[2]] == [AddTarget]
    assert shares.leaving(2) == {("file", f"{tmp_path}/1")}
    assert shares.leaving(1) == frozenset()
