"""The reservations of one logical unit while it runs: the state in force, and changes to it, one after the other.

A change is in force, and is answered, only when the store has it. Commands that come meanwhile go by the state before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tgtd.scsi.reservation.state import EMPTY, State
from tgtd.scsi.reservation.types import ALL_BUT_ALWAYS, NOTHING
from tgtd.scsi.sense import (
    BECOMING_READY,
    INTERNAL_TARGET_FAILURE,
    PERSISTENT_RESERVATION_INFORMATION_LOST,
    CheckCondition,
    Sense,
)

if TYPE_CHECKING:
    from tgtd.scsi.command import Command
    from tgtd.scsi.nexus import LunNexus
    from tgtd.scsi.reservation.actions import Decision

_WHILE_LOST = frozenset({0x4D, 0x3C, 0x3B})
"""LOG SENSE, READ BUFFER, WRITE BUFFER: allowed although the reservations are not known (SPC-5 5.14.5.2)."""
_START_STOP_UNIT = 0x1B
_REPORT_TARGET_PORT_GROUPS = (0xA3, 0x0A)


class ReservationStore(Protocol):
    """Keeps a state beyond the process's end."""

    def save(self, state: State, done: Callable[[BaseException | None], None]) -> None:
        """Have `state` on stable storage, then call `done(None)` in the loop thread. With an error, which is the
        store's to tell people of, what was kept before still is."""


class ReservationChange(Protocol):
    """A wish to change the state."""

    def decide(self, state: State) -> Decision | None:
        """What becomes of the state in force. None: it is given up. Raises Refused."""

    def done(self, outcome: Decision | None, error: BaseException | None) -> None:
        """The outcome is in force; or it is not, for a reason."""


class Reservations:
    """store: None keeps nothing. known: false until the unit's owner has loaded what the store has.

    lost: why nobody knows what was reserved (SPC-5 5.14.5.3), for people; None as a rule.
    legacy: who holds the reservation of RESERVE. changing: a change is on its way to the store.
    """

    def __init__(self) -> None:
        self.state = EMPTY
        self.store: ReservationStore | None = None
        self.known = True
        self.lost: str | None = None
        self.legacy: LunNexus | None = None
        self.elements: dict[tuple[LunNexus, int], int] = {}
        """What RESERVE ELEMENT reserves of a media changer (smc/reservations.py): by who holds it and the reservation
        identification, element addresses as bits."""
        self._changes: list[ReservationChange] = []
        self.changing = False

    def adopt(self, state: State, store: ReservationStore | None, lost: str | None = None) -> None:
        """Begin with what was kept. The caller regates the unit's nexuses."""
        self.state, self.store, self.lost, self.known = state, store, lost, True

    def forget(self) -> None:
        """Another identity is about to be loaded."""
        self.state, self.store, self.lost, self.known = EMPTY, None, None, False
        self.release()

    @property
    def worth_telling(self) -> bool:
        """Somebody is registered, something is reserved, or nobody knows."""
        return bool(self.state.keys) or self.reserved or self.lost is not None

    @property
    def reserved(self) -> bool:
        """Whether RESERVE has reserved the unit, or elements of it."""
        return self.legacy is not None or bool(self.elements)

    def others_elements(self, itl: LunNexus) -> int:
        """The elements that other I_T nexuses have reserved."""
        found = 0
        for (holder, _), elements in self.elements.items():
            if holder.nexus is not itl.nexus:
                found |= elements
        return found

    def release(self, itl: LunNexus | None = None) -> bool:
        """End what RESERVE has reserved, for this nexus or for all. Whether the unit itself was: then the caller
        regates its nexuses."""
        self.elements = {key: one for key, one in self.elements.items() if itl is not None and key[0] is not itl}
        if self.legacy is None or itl not in (None, self.legacy):
            return False
        self.legacy = None
        return True

    def bars(self, itl: LunNexus) -> frozenset[str]:
        """The classes of commands that this nexus may not do."""
        if self.legacy is not None:
            return NOTHING if itl.nexus is self.legacy.nexus else ALL_BUT_ALWAYS
        return NOTHING if self.state.type is None else self.state.bars(itl.nexus.registrant)

    def demand_known(self, row: Command, kind: str) -> None:
        """Raises PERSISTENT RESERVATION INFORMATION LOST, but for the commands that SPC-5 5.14.5.2 lets through."""
        if self.lost is None or kind in ("always", "own") or row.opcode in _WHILE_LOST:
            return
        if (row.opcode, row.action) == _REPORT_TARGET_PORT_GROUPS or (
            row.opcode == _START_STOP_UNIT and kind == "allowed"
        ):
            return
        raise CheckCondition(PERSISTENT_RESERVATION_INFORMATION_LOST)

    def demand(self, obstacle: Sense | None, replacing: bool = False) -> None:
        """For the commands about reservations themselves: raises what stands against all of them.

        obstacle: why the unit is not ready, which is why nothing is known yet. replacing: what was lost.
        """
        if not self.known:
            raise CheckCondition(obstacle or BECOMING_READY)
        if self.lost is not None and not replacing:
            raise CheckCondition(PERSISTENT_RESERVATION_INFORMATION_LOST)

    def change(self, change: ReservationChange) -> None:
        """Carry a change out: now, or after those before it. `change.done` is called once, maybe before this returns;
        never if `decide` gave it up."""
        self._changes.append(change)
        if not self.changing:
            self._advance()

    def _advance(self) -> None:
        while self._changes and not self.changing:
            change = self._changes.pop(0)
            try:
                outcome = change.decide(self.state)
            except Exception as trouble:
                change.done(None, trouble)
                continue
            if outcome is None:
                continue
            if self.store is None or outcome.state is self.state:
                self._adopt(outcome.state, change, outcome)
                continue
            self.changing = True
            self.store.save(outcome.state, partial(self._saved, self.store, change, outcome))

    def _saved(
        self, store: ReservationStore, change: ReservationChange, outcome: Decision, error: BaseException | None
    ) -> None:
        self.changing = False
        if error is not None:
            change.done(None, CheckCondition(INTERNAL_TARGET_FAILURE))
        elif store is not self.store:  # the unit has become another one meanwhile
            change.done(None, CheckCondition(BECOMING_READY))
        else:
            self._adopt(outcome.state, change, outcome)
        self._advance()

    def _adopt(self, state: State, change: ReservationChange, outcome: Decision) -> None:
        if state is not self.state:
            self.lost = None
        self.state = state
        change.done(outcome, None)
