"""PERSISTENT RESERVE IN and OUT: their rows, and how a change reaches the logical unit (SPC-5 6.16, 6.17)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from tgtd.scsi.command import Command
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.reservation.actions import ACTIONS, Action, Decision, cleared
from tgtd.scsi.reservation.parameters import MOST_PARAMETERS, CommandOrigin, PersistentReserveOut, decode, decode_move
from tgtd.scsi.reservation.reports import REPORTS, Report
from tgtd.scsi.reservation.state import State
from tgtd.scsi.reservation.transportid import describe
from tgtd.scsi.sense import (
    GOOD,
    INVALID_RELEASE,
    PARAMETER_LIST_LENGTH_ERROR,
    RESERVATION_CONFLICT,
    RESERVATIONS_RELEASED,
    CheckCondition,
    Refused,
)
from tgtd.scsi.task import PENDING, WORKING, Task

log = logging.getLogger(__name__)


def _reserve_in(report: Report, unit: LogicalUnit, task: Task) -> int:
    _demand(unit)
    task.data_in = report.build(unit.reservations.state)[: int.from_bytes(task.cdb[7:9], "big")]
    return GOOD


def _demand(unit: LogicalUnit, replacing: bool = False) -> None:
    """SPC-2 5.5.1: while RESERVE reserves, PERSISTENT RESERVE IN and OUT conflict, whoever sends them. SPC-5
    5.14.11.3: only what was lost can be replaced."""
    if unit.reservations.reserved:
        raise Refused(RESERVATION_CONFLICT)
    unit.reservations.demand(unit.obstacle, replacing)
    if replacing and unit.reservations.lost is None:
        raise CheckCondition(INVALID_RELEASE)


def _wanted(unit: LogicalUnit, cdb: bytes) -> int:
    length = int.from_bytes(cdb[5:9], "big")
    if length > MOST_PARAMETERS:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return length


def _reserve_out(action: Action, unit: LogicalUnit, task: Task) -> int:
    _demand(unit, action.replaces)
    data = bytes(task.data_out or b"")
    origin = _origin(task.itl)
    if action.moves:
        request = decode_move(task.cdb, data, origin)
    else:
        request = decode(task.cdb, data, origin, action.flags)
    order = _Order(action, unit, task, request)
    task.busy = WORKING
    unit.reservations.change(order)
    order.late = True
    return order.status


def _origin(itl: LunNexus) -> CommandOrigin:
    access = itl.lu.access

    def known(initiator: str) -> list[bytes]:
        found = (nexus for home in access.homes for nexus in home.nexuses if nexus.initiator == initiator)
        return list(dict.fromkeys(nexus.transport_id for nexus in found))

    return CommandOrigin(itl.nexus.registrant, access.ports, known)


class _Order:
    """One PERSISTENT RESERVE OUT on its way. status: how it ended, or PENDING; late: its handler has returned."""

    def __init__(self, action: Action, unit: LogicalUnit, task: Task, request: PersistentReserveOut) -> None:
        self.status = PENDING
        self.late = False
        self._action = action
        self._unit = unit
        self._task = task
        self._request = request

    def decide(self, state: State) -> Decision | None:
        if self._task.aborted:
            self._lay_down()
            return None
        _demand(self._unit, self._action.replaces)  # once more: it may have waited for its turn
        outcome = self._action.perform(state, self._request)
        return replace(outcome, told={}) if self._action.quiet and self._unit.quiet_release else outcome

    def done(self, outcome: Decision | None, error: BaseException | None) -> None:
        """Commands that were preempted are aborted, and GOOD is said when none of them can write any more: whoever
        preempts in order to fence another off relies on it."""
        if outcome is not None:
            begin(self._unit, outcome)
            self._note(outcome)
            if self._action.aborts:
                victims = self._abort(outcome)
                self._unit.when_laid_down(victims, partial(self._finish, GOOD))
                return
        self._finish(GOOD if error is None else self._unit.refuse(self._task, error))

    def _note(self, outcome: Decision) -> None:
        """In a cluster's post-mortem, who put whom out is the first question."""
        lost = sorted(who for who, sense in outcome.told.items() if sense is not RESERVATIONS_RELEASED)
        if lost:
            log.info(
                "%s: %s by %s ended the registration of %s",
                self._unit.describe(),
                self._action.name,
                self._task.itl.nexus.port,
                ", ".join(describe(who.initiator) for who in lost[:4])
                + (f" and {len(lost) - 4} more" if len(lost) > 4 else ""),
            )

    def _abort(self, outcome: Decision) -> list[Task]:
        unit, own = self._unit, self._task
        victims = [t for t in unit.tasks if t.itl.nexus.registrant in outcome.preempted and t is not own]
        unit.tasks.abort(victims, own.itl.nexus, unit.report_aborts)
        for itl in unit.nexuses:
            if itl.nexus.registrant in outcome.preempted:
                unit.preempted(itl)
        return victims

    def _finish(self, status: int) -> None:
        if self._task.aborted:
            self._lay_down()
            return
        self._task.busy = False
        if self.late:
            self._unit.finish(self._task, status)
        else:
            self.status = status

    def _lay_down(self) -> None:
        self._task.busy = False
        self._unit.laid_down(self._task)


def begin(unit: LogicalUnit, outcome: Decision) -> None:
    """A new state is in force: gates open or close, and whom it concerns is told."""
    unit.regate_all()
    if outcome.told:
        for itl in unit.nexuses:
            sense = outcome.told.get(itl.nexus.registrant)
            if sense is not None:
                itl.attend(sense)


class Clearing:
    """The administrator's wish that nothing be reserved and nobody registered; `then(error)` is called once."""

    def __init__(self, unit: LogicalUnit, then: Callable[[BaseException | None], None]) -> None:
        self._unit = unit
        self._then = then

    def decide(self, state: State) -> Decision:
        return cleared(state, None)

    def done(self, outcome: Decision | None, error: BaseException | None) -> None:
        if outcome is not None:
            self._unit.reservations.release()
            begin(self._unit, outcome)
        self._then(error)


def _in_rows() -> Iterable[Command]:
    for report in REPORTS:
        yield Command(
            0x5E,
            f"PERSISTENT RESERVE IN ({report.name})",
            partial(_reserve_in, report),
            bytes.fromhex(f"5E {report.code:02X} 0000000000 FFFF 04"),
            action=report.code,
            reservation="own",
        )


def _out_rows() -> Iterable[Command]:
    """SCOPE and TYPE may be anything where they are ignored, and are checked by the service action where not."""
    for action in ACTIONS:
        yield Command(
            0x5F,
            f"PERSISTENT RESERVE OUT ({action.name})",
            partial(_reserve_out, action),
            bytes.fromhex(f"5F {action.code:02X} FF 0000 FFFFFFFF 04"),
            action=action.code,
            data_out=_wanted,
            reservation="own",
        )


PERSISTENT = (*_in_rows(), *_out_rows())
