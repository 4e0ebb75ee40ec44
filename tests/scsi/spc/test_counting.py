"""tgtd.scsi.spc.counting: counts begin anew at a reset, for each page by itself."""

from __future__ import annotations

from types import SimpleNamespace

from tgtd.scsi.spc.counting import error_page, reset, since_reset


def test_counts_since_the_reset() -> None:
    unit = SimpleNamespace(tally=SimpleNamespace(resets={}), done=7)

    def counts(unit: SimpleNamespace) -> tuple[int, int]:
        return unit.done, 1

    assert since_reset(unit, 2, counts) == [7, 1]
    assert reset(2, counts, unit, {}) == {}
    unit.done = 9
    assert since_reset(unit, 2, counts) == [2, 0]
    assert since_reset(unit, 3, counts) == [9, 1]


def test_error_page() -> None:
    unit = SimpleNamespace(tally=SimpleNamespace(resets={}))
    page = error_page(2, "write error counters", lambda unit: (5, 3))
    assert [(p.code, int.from_bytes(p.value, "big")) for p in page.parameters(unit)] == [(3, 0), (5, 5), (6, 3)]
    assert page.store is not None
    page.store(unit, {})
    assert [int.from_bytes(p.value, "big") for p in page.parameters(unit)] == [0, 0, 0]
