"""A look at each unit from time to time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inside import inside
from tgtd import rounds
from tgtd.rounds import Rounds
from tgtd.units import UnitState


def test_what_is_missing_is_found_when_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "TICK", 0.01)
    with inside(tmp_path) as site:
        site.write(site.lun(1, size=None))
        site.start()
        assert site.unit(1).state is UnitState.PENDING
        walk = Rounds(site.loop, site.tree)
        walk.start()
        (site.media / "1.img").write_bytes(bytes(1 << 20))
        site.turn_until(lambda: site.unit(1).state is UnitState.ONLINE)
        walk.stop()


def test_of_many_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_PER_TICK", 3)
    units = list(range(7))
    seen = [rounds._slice(units, number) for number in range(7)]  # type: ignore[arg-type]
    assert all(len(some) == 3 for some in seen)
    assert {unit for some in seen for unit in some} == set(units)  # type: ignore[comparison-overlap]
    assert rounds._slice(units[:3], 5) == [0, 1, 2]  # type: ignore[arg-type,comparison-overlap]
