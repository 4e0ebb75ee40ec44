"""Carries a plan out on the running tree: all of it, or none.

What can fail comes first: refusals, then listeners, then opening the media of new units, which takes place in workers
while everything runs on. Then all steps become visible within one turn of the loop, unit attentions follow, and what
was removed drains. A medium that cannot be opened is no failure: its unit is pending.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tgtd.config import model
from tgtd.config.plan import Plan, refusals
from tgtd.config.size import show_size
from tgtd.config.steps import (
    AddLun,
    AddPortal,
    AddTarget,
    ChangeLun,
    ChangeTarget,
    RemoveLun,
    RemovePortal,
    RemoveTarget,
    ReplaceMedium,
)
from tgtd.loop import Timer
from tgtd.net.iscsi.node import Endpoint
from tgtd.opening import Opening
from tgtd.stepping import Stepping, UnitKey
from tgtd.tree import LiveTarget, Tree, advice

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds to wait for media to open; what takes longer goes on in the background while its unit is pending."""

_FAULT = "internal error; the log has the details"

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
        self._then = then
        self._concert = concert or Concert(self.commit)
        self._loop = tree.shop.workers.loop
        self._openings: dict[UnitKey, Opening] = {}
        self._missing = 0
        self._timer: Timer | None = None
        self._prepared = False  # what can fail is done
        self._over = False  # it is refused, or it is visible and goes on to its end
        self._undo: list[Callable[[], None]] = []
        self._warnings: list[str] = []
        self._stepping = Stepping(tree, self._openings, daemon_changed, self._concert.released)

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
            known, size = self._tree.targets[step.target].units[step.lun].size, step.new.medium.size
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
        try:
            self._stepping.carry_out(self._plan)
        except Exception:
            self._refuse([_FAULT])
            return
        self._close_portals()
        self._tree.service.accept()
        self._warnings += self._stepping.tell()
        for opening in self._openings.values():
            opening.abandon()
        if not self._stepping.closing:
            self._concert.released()
        self._settle(self._loop.time() + PATIENCE)

    def _settle(self, deadline: float) -> None:
        """Answer when media that exist have been resized or opened anew, or when that takes too long."""
        moving = self._stepping.settling or any(one.side.settling for one in self._concerned())
        if moving and self._loop.time() < deadline:
            self._loop.call_later(0.005, partial(self._settle, deadline))
            return
        self._warnings += self._stepping.causes()
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

    def released(self) -> None:
        """A medium was closed, here or elsewhere: whoever waits for one may try."""
        self._stepping.released()

    def _close_portals(self) -> None:
        for step in self._plan:
            if isinstance(step, RemovePortal) and endpoint(step.portal) in self._tree.service.portals:
                self._tree.service.close_portal(*endpoint(step.portal))


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
