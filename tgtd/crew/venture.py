"""One plan carried out by the whole crew: all prepare, then all commit, or none does.

The main process's part (portals, who may log in) is a transaction of its own. It listens first, then the workers
open media and refuse what they must; when all are ready everything becomes visible. A worker that ends meanwhile is
started again with whatever holds then, so it keeps nobody from going on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from tgtd.apply import PATIENCE, Concert, Outcome, Transaction
from tgtd.config import model
from tgtd.config.plan import Plan, refusals
from tgtd.crew.member import Member
from tgtd.crew.parts import Parts
from tgtd.loop import Loop, Timer
from tgtd.tree import Tree

log = logging.getLogger(__name__)

_PREPARED = 6 * PATIENCE
"""Seconds in which workers have to be ready; media get PATIENCE."""
_ENDED = 3 * PATIENCE


class Venture:
    """`adopt()` makes the new configuration the crew's, and returns workers that have to begin with it anew.

    members: those that serve, by number. warnings: what is to be told besides. `then(outcome)` once.
    """

    def __init__(
        self,
        loop: Loop,
        tree: Tree,
        plan: Plan,
        parts: Parts,
        members: Mapping[int, Member],
        daemon_changed: Callable[[model.Daemon], None],
        adopt: Callable[[], Iterable[Member]],
        warnings: Iterable[str],
        then: Callable[[Outcome], None],
    ) -> None:
        self._loop = loop
        self._plan = plan
        self._parts = parts
        self._members = {number: members[number] for number in parts.workers if number in members}
        self._adopt = adopt
        self._then = then
        self._warnings = list(warnings)
        self._errors: list[str] = []
        self._preparing: set[int] = set()
        self._given: set[int] = set()  # who has something to commit or to cancel
        self._awaited: set[int] = set()
        self._committed = False
        self._over = False
        self._main_outcome: Outcome | None = None
        self._timer: Timer | None = None
        concert = Concert(self._prepare)
        self._main = Transaction(tree, parts.main, daemon_changed, self._main_ended, concert)

    def start(self) -> None:
        errors = [str(problem) for problem in refusals(self._plan)]
        if errors:
            self._finish(Outcome(tuple(errors)))
        else:
            self._main.start()

    def cancel(self, why: str) -> None:
        """Refuse it, unless it is visible already."""
        if not self._committed:
            self._main.cancel(why)

    def _main_ended(self, outcome: Outcome) -> None:
        """Refused, as long as nothing is committed; else as good as done."""
        if not outcome.errors:
            self._main_outcome = outcome
            self._look()
            return
        for number in self._given:
            self._members[number].cancel()
        self._given.clear()
        self._finish(Outcome(tuple(self._errors) or outcome.errors))

    # Prepare

    def _prepare(self) -> None:
        self._preparing = set(self._members)
        self._timer = self._loop.call_later(_PREPARED, self._late)
        for number, member in self._members.items():
            self._given.add(number)
            member.prepare(
                self._parts.workers[number],
                self._parts.leaving(number),
                partial(self._prepared, number),
                partial(self._done, number),
                partial(self._lost, number),
                partial(self._released, number),
            )
        self._all_prepared()

    def _prepared(self, number: int, errors: list[str]) -> None:
        if errors:
            self._given.discard(number)  # it has undone its part
        self._errors += errors
        self._preparing.discard(number)
        self._all_prepared()

    def _late(self) -> None:
        self._errors += [f"worker {number} does not get ready for it" for number in sorted(self._preparing)]
        self._preparing.clear()
        self._all_prepared()

    def _all_prepared(self) -> None:
        if self._preparing or self._committed:
            return
        if self._errors:
            self._main.cancel(self._errors[0])
        else:
            self._commit()

    # Commit

    def _commit(self) -> None:
        """Ours first: should that fail, nobody else has done anything yet."""
        self._stop_waiting()
        self._main.commit()
        if self._over:
            return
        self._committed = True
        for member in self._adopt():
            member.renew()
        self._awaited = set(self._given)
        self._timer = self._loop.call_later(_ENDED, self._give_up)
        for number in sorted(self._given):
            self._members[number].commit()
        self._look()

    def _done(self, number: int, warnings: list[str]) -> None:
        self._warnings += warnings
        self._awaited.discard(number)
        self._look()

    def _lost(self, number: int) -> None:
        """It has ended: it is started again, with what is running by then."""
        self._preparing.discard(number)
        self._given.discard(number)
        self._awaited.discard(number)
        if self._committed:
            self._look()
        elif not self._over and self._timer is not None:
            self._all_prepared()

    def _released(self, number: int) -> None:
        """Media are free that another worker may be waiting for."""
        for other, member in self._members.items():
            if other != number:
                member.send("released")

    def _give_up(self) -> None:
        self._warnings += [f"worker {number} is not done with its part yet" for number in sorted(self._awaited)]
        self._awaited.clear()
        self._look()

    def _look(self) -> None:
        """Is all of it done?"""
        outcome = self._main_outcome
        if self._committed and outcome is not None and not self._awaited:
            self._finish(Outcome(warnings=(*outcome.warnings, *self._warnings)))

    def _finish(self, outcome: Outcome) -> None:
        if not self._over:
            self._over = True
            self._stop_waiting()
            self._then(outcome)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
