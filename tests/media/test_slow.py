"""tgtd.media.slow."""

from __future__ import annotations

import random
import statistics
import time

import pytest

from tgtd.media.ram import RamMedium
from tgtd.media.slow import DISTRIBUTIONS, SlowMedium


@pytest.mark.parametrize(
    ("name", "mean", "low", "high"),
    [("uniform", 10.0, 8.0, 12.0), ("normal", 10.0, 0.0, 20.0), ("exponential", 12.0, 10.0, 60.0)],
)
def test_distributions(name: str, mean: float, low: float, high: float) -> None:
    random.seed(7)
    drawn = [DISTRIBUTIONS[name](10.0, 2.0) for _ in range(4000)]
    assert abs(statistics.fmean(drawn) - mean) < 0.2
    assert low <= min(drawn) <= max(drawn) <= high


def test_no_spread_is_always_the_same() -> None:
    assert {draw(0.5, 0.0) for draw in DISTRIBUTIONS.values()} == {0.5}


def test_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    medium = SlowMedium(RamMedium(1 << 20), ("read",), 0.25, 0.0, "uniform")
    medium.read(0, memoryview(bytearray(512)))
    medium.write(0, bytes(512), False)
    assert slept == [0.25]
    SlowMedium(RamMedium(1 << 20), (), -1.0, 0.0, "normal").flush()
    assert slept == [0.25, 0.0], "never less than nothing"
