"""Carries a plan out on the running tree: all of it, or none.

What can fail comes first: refusals, then listeners, then opening the media of new units, which takes place in workers
while everything runs on. Then all steps become visible within one turn of the loop, unit attentions follow, and what
was removed drains. A medium that cannot be opened is no failure: its unit is pending.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgtd import translate
from tgtd.config import model
from tgtd.config.plan import Plan, refusals
from tgtd.config.size import show_size
from tgtd.config.steps import (
    AddLun,
    AddPortal,
    AddTarget,
    ChangeDaemon,
    ChangeLun,
    ChangeTarget,
    GrowLun,
    LunStep,
    RemoveLun,
    RemovePortal,
    RemoveTarget,
    ReplaceMedium,
    ShrinkLun,
    Step,
)
from tgtd.loop import Timer
from tgtd.net.iscsi.node import Endpoint
from tgtd.opening import Opening
from tgtd.scsi.layer import bottom
from tgtd.scsi.lun import Identity
from tgtd.tree import LiveTarget, Tree, advice
from tgtd.units import Unit, UnitState

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds to wait for media to open; what takes longer goes on in the background while its unit is pending."""

_FAULT = "internal error; the log has the details"

UnitKey = tuple[str, int]
"""Target and LUN."""

Whereabouts = tuple[str, str | None]
"""Type and path of a medium."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """errors: why nothing was done; empty when everything was. warnings: what the administrator should know besides."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Concert:
    """What a transaction has to do with those of other processes, all of which together carry out one plan.

    ready: called once when all that can fail is done; `commit` or `cancel` is to follow. leaving: media that another
    process lets go of. released: called when all media that this plan takes away are closed.
    """

    ready: Callable[[], None]
    leaving: frozenset[Whereabouts] = frozenset()
    released: Callable[[], None] = lambda: None


class Transaction:
    """One plan on its way; `then(outcome)` is called once, from the loop. Only one may be under way at a time."""

    def __init__(
        self,
        tree: Tree,
        plan: Plan,
        daemon_changed: Callable[[model.Daemon], None],
        then: Callable[[Outcome], None],
        concert: Concert | None = None,
    ) -> None:
        self._tree = tree
        self._plan = plan
        self._daemon_changed = daemon_changed
        self._then = then
        self._concert = concert or Concert(self.commit)
        self._loop = tree.shop.workers.loop
        self._openings: dict[UnitKey, Opening] = {}
        self._missing = 0
        self._timer: Timer | None = None
        self._prepared = False  # what can fail is done
        self._over = False  # it is refused, or it is visible and goes on to its end
        self._undo: list[Callable[[], None]] = []
        self._announce: dict[LiveTarget, None] = {}
        self._recheck: dict[LiveTarget, None] = {}
        self._touched: dict[Unit, None] = {}
        self._waiting: dict[Unit, None] = {}  # units whose media this plan takes from others
        self._closing = 0  # media that are still to be closed
        self._warnings: list[str] = []
        self._steps: Mapping[type[Step], Callable[[Any], None]] = {
            AddTarget: self._add_target,
            RemoveTarget: self._remove_target,
            ChangeTarget: self._change_target,
            AddLun: self._add_lun,
            RemoveLun: self._remove_lun,
            ChangeLun: self._change_lun,
            GrowLun: self._resize_lun,
            ShrinkLun: self._resize_lun,
            ReplaceMedium: self._replace_medium,
            ChangeDaemon: self._change_daemon,
        }

    def start(self) -> None:
        """Check, listen, and begin to open media."""
        try:
            self._begin()
        except Exception:
            log.exception("a plan could not be begun")
            self.cancel(_FAULT)

    def cancel(self, why: str) -> None:
        """Refuse it, unless it is visible already: then it goes on to its end."""
        if not self._over:
            self._refuse([why])

    def _begin(self) -> None:
        errors = [str(problem) for problem in refusals(self._plan)] + list(self._hidden_shrinking())
        if errors:
            self._refuse(errors)
            return
        try:
            self._open_portals()
        except OSError as trouble:
            self._refuse([str(trouble)])
            return
        self._open_media()
        if self._missing:
            self._timer = self._loop.call_later(PATIENCE, self._ready)
        else:
            self._ready()

    def _refuse(self, errors: list[str]) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        for undo in reversed(self._undo):
            try:
                undo()
            except Exception as trouble:
                log.warning("on the way back", exc_info=trouble)
                errors.append(f"and then, on the way back: {trouble}")
        self._tree.service.accept()  # at portals that were closed and are open again
        for opening in self._openings.values():
            opening.abandon()
        self._then(Outcome(tuple(errors)))

    def _hidden_shrinking(self) -> Iterator[str]:
        """A size is declared now where none was, and is less than what initiators know."""
        for step in self._plan:
            if not isinstance(step, ReplaceMedium) or step.elsewhere or step.new.allow_shrink:
                continue
            known, size = self._unit(step).size, step.new.medium.size
            if known is not None and size is not None and size < known:
                yield (
                    f'{step.new.origin}: target "{step.target}" lun {step.lun}: medium.size: {show_size(size)} is less '
                    f"than the {show_size(known)} that initiators know: what lies beyond would be lost; "
                    f'write size = "{show_size(known)}", or allow_shrink = true if that is meant'
                )

    def _open_portals(self) -> None:
        """In the plan's order: those that are in the way of new ones close first. Raises OSError with advice."""
        service = self._tree.service
        rest = [step for step in self._plan if isinstance(step, AddPortal)]
        for step in self._plan:
            if isinstance(step, AddPortal):
                try:
                    self._listen(endpoint(step.portal))
                except OSError as trouble:
                    raise OSError(f"{self._wanted_by(step.portal)}{trouble}") from trouble
                rest.pop()
            elif isinstance(step, RemovePortal) and rest and endpoint(step.portal) in service.portals:
                service.close_portal(*endpoint(step.portal))
                self._undo.append(partial(self._listen, endpoint(step.portal)))

    def _wanted_by(self, portal: model.Portal) -> str:
        """Where the files ask for a portal, as errors begin."""
        for step in self._plan:
            if isinstance(step, AddTarget | ChangeTarget) and portal in step.new.portals:
                return f'{step.new.origin}: target "{step.target}": portals: '
        return ""

    def _listen(self, where: Endpoint) -> None:
        try:
            self._tree.open_portal(where)
        except OSError as trouble:
            raise OSError(advice(where, trouble, self._tree.inherited.addresses())) from trouble
        self._undo.append(partial(self._tree.service.close_portal, *where))

    def _open_media(self) -> None:
        leaving = {whereabouts(old) for old in letting_go(self._plan)} | self._concert.leaving
        ending = set(self._ending())
        for place, wish in self._wanting():
            wwid = self._tree.identity(place[0], wish).wwid
            if whereabouts(wish) not in leaving and wwid not in ending:
                self._openings[place] = Opening(self._tree.shop, wish, wwid)
        self._missing = len(self._openings)
        for opening in list(self._openings.values()):
            opening.then(self._opened)

    def _ending(self) -> Iterator[bytes]:
        """WWIDs of units that end: another unit with one of them may read its reservations only then."""
        for step in self._plan:
            if isinstance(step, RemoveTarget):
                yield from (self._tree.identity(step.target, wish).wwid for wish in step.old.luns.values())
            elif isinstance(step, RemoveLun):
                yield self._tree.identity(step.target, step.old).wwid

    def _wanting(self) -> Iterator[tuple[UnitKey, model.Lun]]:
        for step in self._plan:
            if isinstance(step, AddTarget):
                yield from (((step.target, lun.number), lun) for lun in step.new.luns.values() if lun.online)
            elif isinstance(step, AddLun) or (isinstance(step, ReplaceMedium) and step.elsewhere):
                if step.new.online:
                    yield (step.target, step.lun), step.new
            elif isinstance(step, ChangeLun) and step.new.online and not step.old.online:
                yield (step.target, step.lun), step.new

    def _opened(self) -> None:
        self._missing -= 1
        if not self._missing:
            if self._timer is not None:
                self._timer.cancel()
            self._loop.call_soon(self._ready)

    def _ready(self) -> None:
        if not (self._over or self._prepared):
            self._prepared = True
            self._concert.ready()

    # From here on within one turn of the loop.

    def commit(self) -> None:
        """Make it visible. Nothing happens when it was refused meanwhile."""
        if self._over:
            return
        self._over = True
        done: list[Step] = []
        try:
            for step in self._plan:
                handler = self._steps.get(type(step))
                if handler is not None:
                    done.append(step)
                    handler(step)
            self._announce.update(dict.fromkeys(self._tree.link()))
        except Exception:
            log.exception("a step failed; going back")
            self._go_back(done)
            self._refuse([_FAULT])
            return
        self._close_portals()
        self._tree.service.accept()
        self._tell()
        for opening in self._openings.values():
            opening.abandon()
        if not self._closing:
            self._concert.released()
        self._settle(self._loop.time() + PATIENCE)

    def _settle(self, deadline: float) -> None:
        """Answer when media that exist have been resized or opened anew, or when that takes too long."""
        settling = [unit.settling for unit in self._touched] + [one.side.settling for one in self._concerned()]
        moving = (self._waiting and self._closing) or any(settling)
        if moving and self._loop.time() < deadline:
            self._loop.call_later(0.005, partial(self._settle, deadline))
            return
        self._warnings += [
            f"{unit.wish.origin}: {unit.place}: {unit.cause}" for unit in self._touched if unit.cause is not None
        ]
        self._warnings += [
            f"{target.wish.origin}: {target.wish.name}: {target.side.cause}"
            for target in self._concerned()
            if target.side.cause is not None
        ]
        self._then(Outcome(warnings=tuple(self._warnings)))

    def _concerned(self) -> list[LiveTarget]:
        """The targets there are of which the plan speaks."""
        names = dict.fromkeys(getattr(step, "target", "") for step in self._plan)
        return [self._tree.targets[name] for name in names if name in self._tree.targets]

    def _go_back(self, done: list[Step]) -> None:
        for step in reversed(done):
            back = inverse(step)
            try:
                self._steps[type(back)](back)
            except Exception:
                log.exception("cannot undo: %s", step.describe())
        self._tree.link()
        self._tell()

    def _close_portals(self) -> None:
        for step in self._plan:
            if isinstance(step, RemovePortal) and endpoint(step.portal) in self._tree.service.portals:
                self._tree.service.close_portal(*endpoint(step.portal))

    def _tell(self) -> None:
        """Log out who may no longer be there, then unit attentions for the rest."""
        for target in self._recheck:
            self._warnings += [f"logged out: {who}" for who in target.side.recheck()]
        for target in self._announce:
            target.scsi.announce()
        for target in self._tree.targets.values():
            target.side.refresh()

    def _target(self, name: str) -> LiveTarget:
        return self._tree.targets[name]

    def _unit(self, step: LunStep) -> Unit:
        return self._tree.targets[step.target].units[step.lun]

    def _touch(self, step: LunStep) -> Unit:
        unit = self._unit(step)
        self._touched[unit] = None
        return unit

    def _add_target(self, step: AddTarget) -> None:
        target = self._tree.make_target(step.new)
        for wish in step.new.luns.values():
            self._put_lun(target, wish)
        target.side.show()
        self._tree.targets[step.target] = target

    def _remove_target(self, step: RemoveTarget) -> None:
        target = self._tree.targets.pop(step.target)
        target.side.hide()
        self._tree.withdraw(target, list(target.scsi.luns))
        for number in list(target.units):
            self._take_lun(target, number)
        self._announce.pop(target, None)
        self._recheck.pop(target, None)

    def _change_target(self, step: ChangeTarget) -> None:
        target = self._target(step.target)
        wish, target.wish = step.new, step.new
        if "groups" in step.fields:
            target.scsi.regroup(translate.port_groups(wish))
        if "transport" in step.fields:
            target.side.hide()
            target.side = self._tree.make_side(wish, target.scsi)
            target.side.show()
        else:
            target.side.change(wish)
        if "shared" in step.fields:
            self._tree.withdraw(
                target, [number for number, share in step.old.shared.items() if wish.shared.get(number) != share]
            )
            self._announce[target] = None
        if {"access", "views", "online", "groups"}.intersection(step.fields):
            self._recheck[target] = None
        if "views" in step.fields:
            self._announce[target] = None

    def _add_lun(self, step: AddLun) -> None:
        target = self._target(step.target)
        self._put_lun(target, step.new)
        self._announce[target] = None

    def _remove_lun(self, step: RemoveLun) -> None:
        target = self._target(step.target)
        self._take_lun(target, step.lun)
        self._announce[target] = None

    def _put_lun(self, target: LiveTarget, wish: model.Lun) -> None:
        unit = self._tree.make_unit(target.wish.name, wish)
        opening = self._openings.pop((target.wish.name, wish.number), None)
        if opening is not None:
            unit.adopt(opening)
        elif wish.online:
            unit.await_release()
            self._waiting[unit] = None
        self._touched[unit] = None
        target.scsi.add_lun(wish.number, unit.device)
        target.units[wish.number] = unit

    def _take_lun(self, target: LiveTarget, number: int) -> None:
        unit = target.units.pop(number)
        for home in list(unit.device.access.homes):
            home.remove_lun(next(at for at, device in home.luns.items() if device is unit.device))
            if home.name in self._tree.targets:
                self._announce[self._tree.targets[home.name]] = None
        self._closing += 1
        unit.close(self._released)

    def _change_lun(self, step: ChangeLun) -> None:
        unit, wish = self._touch(step), step.new
        if unit.wish == wish:
            return  # done together with its medium
        identity = self._tree.identity(step.target, wish)
        medium = unit.device.medium
        if not wish.online or not step.old.online:
            self._swap(step, unit, identity)
        elif (
            medium is None
            or (not wish.read_only and not bottom(medium).writable)
            or identity.wwid != unit.device.identity.wwid  # whose reservations are others
        ):
            unit.reopen(wish, identity)
        else:
            unit.change(wish, identity)

    def _swap(self, step: ChangeLun | ReplaceMedium, unit: Unit, identity: Identity) -> None:
        opening = self._openings.pop((step.target, step.lun), None)
        self._closing += unit.device.medium is not None
        unit.swap(step.new, identity, opening, self._released)
        if opening is None and step.new.online:
            self._waiting[unit] = None

    def _released(self) -> None:
        self._closing -= 1
        if not self._closing:
            self._concert.released()
        self.released()

    def released(self) -> None:
        """A medium was closed, here or elsewhere: whoever waits for one may try."""
        for unit in list(self._waiting):
            if unit.state is UnitState.PENDING:
                unit.retry()
            else:
                del self._waiting[unit]

    def _resize_lun(self, step: GrowLun | ShrinkLun) -> None:
        self._touch(step).resize(step.new)

    def _replace_medium(self, step: ReplaceMedium) -> None:
        unit, wish = self._touch(step), step.new
        identity = self._tree.identity(step.target, wish)
        if step.elsewhere:
            self._swap(step, unit, identity)
        elif (step.reprotected or step.old.medium.way != wish.medium.way) and wish.online:
            unit.reopen(wish, identity)
        elif step.reprotected:
            unit.change(wish, identity)
        else:
            unit.resize(wish)

    def _change_daemon(self, step: ChangeDaemon) -> None:
        self._daemon_changed(step.new)


def endpoint(portal: model.Portal) -> Endpoint:
    return portal.address, portal.port


def whereabouts(lun: model.Lun) -> Whereabouts:
    return lun.medium.type, lun.medium.path


def letting_go(plan: Plan) -> Iterator[model.Lun]:
    """LUNs whose media are closed by a plan: a file that goes from one LUN to another can be had only then."""
    for step in plan:
        if isinstance(step, RemoveTarget):
            yield from step.old.luns.values()
        elif isinstance(step, RemoveLun) or (isinstance(step, ReplaceMedium) and step.elsewhere):
            yield step.old


def inverse(step: Step) -> Step:
    """The step that takes another one back."""
    match step:
        case AddTarget():
            return RemoveTarget(step.new)
        case RemoveTarget():
            return AddTarget(step.old)
        case AddLun():
            return RemoveLun(step.target, step.new)
        case RemoveLun():
            return AddLun(step.target, step.old)
        case ChangeTarget():
            return ChangeTarget(step.new, step.old, step.fields)
        case ChangeLun():
            return ChangeLun(step.target, step.new, step.old, step.fields)
        case GrowLun() | ShrinkLun():
            return GrowLun(step.target, step.new, step.old)
        case ReplaceMedium():
            return ReplaceMedium(step.target, step.new, step.old)
        case ChangeDaemon():
            return ChangeDaemon(step.new, step.old, step.fields)
    raise TypeError(f"{type(step).__name__} has no inverse")
