"""What runs, be it in this process alone or in several: what reloads change, and requests ask about."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tgtd.apply import Outcome, Transaction
from tgtd.config import model
from tgtd.config.plan import Plan
from tgtd.control import Result, Unanswerable
from tgtd.net.iscsi.session import Session
from tgtd.opening import reason
from tgtd.scsi.smc import operator
from tgtd.scsi.smc.changer import Changer
from tgtd.status import (
    Census,
    Health,
    framed,
    pieces,
    reservation_row,
    reservation_rows,
    session_rows,
)
from tgtd.tree import Tree
from tgtd.units import Unit, UnitState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Guest:
    """A session as far as plans concern it. address: where it comes from, all of its connections."""

    initiator: str
    address: str
    target: str

    @classmethod
    def of(cls, session: Session) -> Guest:
        peers = [phase.connection.peer[0] for phase in session.connections.values()]
        return cls(session.initiator, ", ".join(peers), session.target.name if session.target is not None else "")


Guests = Mapping[str, list[Guest]]
"""By the name of their target."""


def guests(tree: Tree) -> Guests:
    """Of what runs in this process."""
    return {name: [Guest.of(session) for session in target.side.sessions] for name, target in tree.targets.items()}


def clear_reservations(tree: Tree, target: object, lun: object, reply: Callable[[Result], None]) -> None:
    """End the reservation and the registrations of a LUN that runs in this process. Raises Unanswerable."""
    unit = _unit(tree, target, lun)
    if not unit.device.reservations.known:
        raise Unanswerable(
            f"{unit.place} is {unit.state.value}, and its reservations are not loaded"
            + (f": {unit.cause}" if unit.cause else "")
            + "; see to that first"
        )
    before = reservation_row(unit)

    def answer(error: BaseException | None) -> None:
        done = error is None
        if done:
            log.warning("%s: its reservations were cleared by tgtctl: %s", unit.place, before)
        reply({"cleared": done, "before": before})

    unit.clear_reservations(answer)


def fault(tree: Tree, target: object, lun: object, hang: bool, reply: Callable[[Result], None]) -> None:
    """Have the filters of type "stalled" of a LUN that runs in this process hang, or go on. Raises Unanswerable."""
    unit = _unit(tree, target, lun)
    if not unit.faults.gates():
        raise Unanswerable(
            f"{unit.place} is {unit.state.value} and has no filter that could hang; "
            'give its medium one: filters = [{ type = "stalled" }]'
        )
    (unit.faults.hang if hang else unit.faults.release)()
    log.warning("%s: its medium %s, as tgtctl wants it", unit.place, "hangs" if hang else "goes on")
    reply({"hanging": hang})


def move_medium(
    tree: Tree, target: object, lun: object, eject: bool, force: bool, reply: Callable[[Result], None]
) -> None:
    """Eject the medium of a LUN that runs in this process, or load it. Raises Unanswerable."""
    unit = _unit(tree, target, lun)
    if unit.state is not UnitState.ONLINE:
        raise Unanswerable(f"{unit.place} is {unit.state.value}" + (f": {unit.cause}" if unit.cause else ""))
    try:
        if eject:
            unit.device.eject(force)
        else:
            unit.device.load()
    except ValueError as trouble:
        raise Unanswerable(f"{unit.place}: {trouble}") from trouble
    log.warning("%s: its medium was %s by tgtctl", unit.place, "ejected" if eject else "loaded")
    reply({"medium": "ejected" if eject else "loaded"})


def library(
    tree: Tree, target: object, lun: object, what: str, words: Sequence[object], reply: Callable[[Result], None]
) -> None:
    """Show a library that runs in this process, or do in it what its operator does. words: barcodes, LUNs of drives or
    element addresses. Raises Unanswerable."""
    unit = _unit(tree, target, lun)
    changer = unit.device
    if not isinstance(changer, Changer):
        raise Unanswerable(f"{unit.place} is a {unit.wish.device}; name the LUN of a changer")
    if unit.state is not UnitState.ONLINE:
        raise Unanswerable(f"{unit.place} is {unit.state.value}" + (f": {unit.cause}" if unit.cause else ""))
    if what == "show":
        reply({"elements": operator.rows(changer), "homeless": list(changer.homeless)})
        return

    def then(error: BaseException | None) -> None:
        if error is None:
            log.warning("%s: %s %s by tgtctl", unit.place, what, " ".join(map(str, words)))
        reply({"done": error is None, "cause": None if error is None else reason(error)})

    deeds: Mapping[str, Callable[..., None]] = {
        "move": operator.move,
        "load": operator.load,
        "unload": operator.unload,
        "export": operator.export,
        "import": operator.bring,
    }
    try:
        deeds[what](changer, *words, then)
    except ValueError as trouble:
        raise Unanswerable(f"{unit.place}: {trouble}") from trouble


def _unit(tree: Tree, target: object, lun: object) -> Unit:
    found = tree.targets.get(str(target))
    if found is None:
        raise Unanswerable(f"there is no target {target}; tgtctl status lists them")
    if not isinstance(lun, int) or lun not in found.units:
        raise Unanswerable(f"{target} has no LUN {lun}; tgtctl status lists them")
    return found.units[lun]


class Undertaking(Protocol):
    """A plan on its way, see apply.Transaction."""

    def start(self) -> None: ...

    def cancel(self, why: str) -> None: ...


class Estate(Protocol):
    """Answers come by a call, now or later, from the loop."""

    def transaction(self, config: model.Config, plan: Plan, then: Callable[[Outcome], None]) -> Undertaking:
        """Carry out the plan, which leads to config; `then(outcome)` once."""

    def moves(self, config: model.Config) -> Mapping[str, str]:
        """Targets that would go to another process, with the reason."""

    def census(self) -> Census: ...

    def guests(self, then: Callable[[Guests], None]) -> None: ...

    def status(self, health: Health, reply: Callable[[Result], None]) -> None: ...

    def sessions(self, health: Health, reply: Callable[[Result], None]) -> None: ...

    def reservations(self, health: Health, reply: Callable[[Result], None]) -> None: ...

    def clear_reservations(self, target: object, lun: object, reply: Callable[[Result], None]) -> None:
        """Raises Unanswerable."""

    def fault(self, target: object, lun: object, hang: bool, reply: Callable[[Result], None]) -> None:
        """See `fault`."""

    def move_medium(
        self, target: object, lun: object, eject: bool, force: bool, reply: Callable[[Result], None]
    ) -> None:
        """See `move_medium`."""

    def library(
        self, target: object, lun: object, what: str, words: Sequence[object], reply: Callable[[Result], None]
    ) -> None:
        """See `library`."""

    def log_level(self, level: str) -> None:
        """Other processes shall log as this one does."""

    def stop(self, timeout: float, done: Callable[[], None]) -> None:
        """End the other processes; `done()` once. timeout: seconds for initiators to log out."""

    def hasten(self) -> None:
        """Wait less for what `stop` began."""

    def close(self) -> None:
        """End at once what is left."""

    @property
    def lost(self) -> bool:
        """Whether media of another process could not be flushed and closed."""


class Alone:
    """All of it in this process."""

    lost = False

    def __init__(self, tree: Tree, daemon_changed: Callable[[model.Daemon], None]) -> None:
        self._tree = tree
        self._daemon_changed = daemon_changed

    def transaction(self, config: model.Config, plan: Plan, then: Callable[[Outcome], None]) -> Undertaking:
        return Transaction(self._tree, plan, self._daemon_changed, then)

    def moves(self, config: model.Config) -> Mapping[str, str]:
        return {}

    def census(self) -> Census:
        return Census.take(self._tree)

    def guests(self, then: Callable[[Guests], None]) -> None:
        then(guests(self._tree))

    def status(self, health: Health, reply: Callable[[Result], None]) -> None:
        reply(pieces(self._tree, health))

    def sessions(self, health: Health, reply: Callable[[Result], None]) -> None:
        reply(framed({}, "sessions", session_rows(self._tree, health)))

    def reservations(self, health: Health, reply: Callable[[Result], None]) -> None:
        reply(framed({}, "reservations", reservation_rows(self._tree, health)))

    def clear_reservations(self, target: object, lun: object, reply: Callable[[Result], None]) -> None:
        clear_reservations(self._tree, target, lun, reply)

    def fault(self, target: object, lun: object, hang: bool, reply: Callable[[Result], None]) -> None:
        fault(self._tree, target, lun, hang, reply)

    def move_medium(
        self, target: object, lun: object, eject: bool, force: bool, reply: Callable[[Result], None]
    ) -> None:
        move_medium(self._tree, target, lun, eject, force, reply)

    def library(
        self, target: object, lun: object, what: str, words: Sequence[object], reply: Callable[[Result], None]
    ) -> None:
        library(self._tree, target, lun, what, words, reply)

    def log_level(self, level: str) -> None:
        """There is nobody else."""

    def stop(self, timeout: float, done: Callable[[], None]) -> None:
        done()

    def hasten(self) -> None:
        """There is nobody to wait for."""

    def close(self) -> None:
        """There is nobody to end."""
