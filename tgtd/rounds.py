"""A look at every unit now and then: pending ones try again, those of no declared size may have grown, and pools may
have become full. And at the targets on fabrics of the kernel: pending ones try again."""

from __future__ import annotations

from tgtd.loop import Loop, Timer
from tgtd.tree import Tree
from tgtd.units import Unit, UnitState

TICK = 2.0
"""Seconds between looks at pending media and at the size of those whose size was not declared."""

_PER_TICK = 200


class Rounds:
    """Goes its rounds from `start` to `stop`."""

    def __init__(self, loop: Loop, tree: Tree) -> None:
        self._loop = loop
        self._tree = tree
        self._number = 0
        self._timer: Timer | None = None

    def start(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self.start()
        if self._tree.fabrics is not None:
            self._tree.fabrics.look()
        for unit in _slice([unit for _, unit in self._tree.units()], self._number):
            unit.note_errors()
            unit.device.looked_at()
            unit.recover_reservations()
            if unit.state is UnitState.PENDING:
                unit.retry()
            else:
                unit.probe()
                unit.look_for_room()
        self._number += 1


def _slice(units: list[Unit], number: int) -> list[Unit]:
    """The units to look at this time: all of a few, of many some after the other."""
    if len(units) <= _PER_TICK:
        return units
    first = number * _PER_TICK % len(units)
    return (units + units)[first : first + _PER_TICK]
