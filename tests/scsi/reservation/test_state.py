"""tgtd.scsi.reservation.state: who holds, who passes, what is barred, for every type."""

from __future__ import annotations

import pytest

from tgtd.scsi.reservation.state import Registrant, State
from tgtd.scsi.reservation.types import NOTHING, READS_AND_WRITES, TYPES, WRITES, Type

A, B, C = (Registrant(name, 1) for name in (b"a", b"b", b"c"))


def state(kind: Type) -> State:
    return State(keys={A: 1, B: 2}, type=kind, holder=None if kind.everyone else A)


@pytest.mark.parametrize("kind", TYPES.values(), ids=lambda kind: str(kind.name))
def test_holders(kind: Type) -> None:
    it = state(kind)
    assert [it.holds(who) for who in (A, B, C)] == [True, kind.everyone, False]
    assert [it.passes(who) for who in (A, B, C)] == [True, kind.registrants, False]


@pytest.mark.parametrize(
    ("code", "bars"),
    [(1, WRITES), (3, READS_AND_WRITES), (5, WRITES), (6, READS_AND_WRITES), (7, WRITES), (8, READS_AND_WRITES)],
)
def test_what_is_barred(code: int, bars: frozenset[str]) -> None:
    it = state(TYPES[code])
    assert it.bars(A) == NOTHING
    assert it.bars(B) == (NOTHING if code >= 5 else bars)
    assert it.bars(C) == bars


def test_nothing_reserved() -> None:
    it = State(keys={A: 1})
    assert not it.holds(A)
    assert not it.passes(A)
    assert it.bars(B) == NOTHING


def test_another_port_is_another_nexus() -> None:
    assert state(TYPES[5]).bars(Registrant(b"b", 2)) == WRITES
