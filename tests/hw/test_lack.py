from __future__ import annotations

from tgtd.hw.lack import Lack


def test_cause_and_cure_in_one_line() -> None:
    assert str(Lack("no port", "make one")) == "no port; make one"
