"""Reloads: load, compare, apply, tell; one at a time, whoever asks. Nothing changes unless all of it can."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tgtd.apply import Outcome
from tgtd.config import model
from tgtd.config.load import ConfigErrors, Loader
from tgtd.config.plan import Plan, diff, refusals
from tgtd.config.steps import LOGOUT
from tgtd.estate import Estate, Guest, Guests, Undertaking
from tgtd.notify import Notifier
from tgtd.status import Health, Reload
from tgtd.workers import Lane

log = logging.getLogger(__name__)

MOST_LOGGED = 100
"""Errors of one reload; a directory of three thousand bad files shall not fill a disk with each look at it."""

WhenReloaded = Callable[[Reload], None]
Asked = tuple[str, WhenReloaded | None]
"""Who asked for a reload, and where the answer goes."""


class Reloader:
    """Takes the running tree from one configuration to the next.

    running: the configuration in force, None before the first. Files are read in a worker: a directory that hangs holds
    up the reload, not the daemon.
    """

    def __init__(self, estate: Estate, loader: Loader, lane: Lane, health: Health, notifier: Notifier) -> None:
        self.running: model.Config | None = None
        self.on_loaded: Callable[[list[Path]], None] | None = None
        """Called with the files of secrets that the configuration names."""
        self._estate = estate
        self._loader = loader
        self._lane = lane
        self._health = health
        self._notifier = notifier
        self._busy = False
        self._stopped = False
        self._transaction: Undertaking | None = None
        self._asked: list[Asked] = []

    def start(self, config: model.Config, then: Callable[[Outcome], None]) -> None:
        """Apply the first configuration."""
        self._busy = True
        self._transact(config, diff(None, config), partial(self._started, then))

    def _started(self, then: Callable[[Outcome], None], outcome: Outcome) -> None:
        self._busy = False
        then(outcome)
        self._next()

    def request(self, by: str, reply: WhenReloaded | None = None) -> None:
        """Reload. What is asked for while a reload runs is answered by one more, which begins after it."""
        self._asked.append((by, reply))
        if not self._busy:
            self._next()

    def stop(self) -> None:
        """Change nothing from now on: what is not visible yet is given up, and whoever asked is told."""
        self._stopped = True
        if self._transaction is not None:
            self._transaction.cancel(_STOPPING)

    def preview(self, reply: Callable[[dict[str, object]], None]) -> None:
        """What a reload would do: {"steps", "sessions", "errors"}."""
        box: list[Any] = []

        def loaded(error: BaseException | None) -> None:
            if error is None:
                self._estate.guests(lambda guests: reply(self._preview(box[0], box[2], guests)))
            else:
                reply({"steps": [], "sessions": [], "errors": list(_complaints(error))})

        self._lane.submit(partial(self._load, box), loaded)

    def _load(self, box: list[Any]) -> None:
        """In a worker: the wanted configuration, and the way there from what ran when it began."""
        running = self.running
        config = self._loader.load()
        box[:] = (config, running, diff(running, config))

    def _preview(self, config: model.Config, plan: Plan, guests: Guests) -> dict[str, object]:
        moves = self._estate.moves(config)
        touched = [(guest, effects) for guest, effects in plan.disturbs(guests) if guest.target not in moves]
        touched += [(guest, (LOGOUT,)) for name in moves for guest in guests.get(name, ())]
        return {
            "steps": [*(step.as_dict() for step in plan), *(_move(name, why) for name, why in moves.items())],
            "sessions": [_touched(*row) for row in touched],
            "errors": [str(problem) for problem in refusals(plan)],
        }

    def _next(self) -> None:
        if not self._asked:
            return
        asked, self._asked = self._asked, []
        self._busy = True
        if self._stopped:
            self._end(asked, _refused(asked, (_STOPPING,)))
            return
        self._notifier.reloading()
        box: list[Any] = []
        self._lane.submit(partial(self._load, box), partial(self._loaded, asked, box))

    def _loaded(self, asked: list[Asked], box: list[Any], error: BaseException | None) -> None:
        if self._stopped:
            self._end(asked, _refused(asked, (_STOPPING,)))
            return
        if self.on_loaded is not None:
            self.on_loaded(self.secret_files())
        if error is not None:
            self._end(asked, _refused(asked, tuple(_complaints(error))))
            return
        config: model.Config = box[0]
        plan: Plan = box[2] if box[1] is self.running else diff(self.running, config)
        if not plan:
            self.running = config
            self._end(asked, Reload("nothing", _by(asked), time.time(), warnings=tuple(map(str, config.warnings))))
            return
        self._transact(config, plan, partial(self._applied, asked, config, plan))

    def _transact(self, config: model.Config, plan: Plan, then: Callable[[Outcome], None]) -> None:
        def ended(outcome: Outcome) -> None:
            self._transaction = None
            if not outcome.errors:
                self.running = config
                self._health.generation += 1
            then(outcome)

        self._transaction = self._estate.transaction(config, plan, ended)
        self._transaction.start()

    def _applied(
        self,
        asked: list[Asked],
        config: model.Config,
        plan: Plan,
        outcome: Outcome,
    ) -> None:
        if outcome.errors:
            self._end(asked, _refused(asked, outcome.errors))
            return
        for warning in config.warnings:
            log.warning("%s", warning)
        steps = tuple(step.describe() for step in plan)
        warnings = (*map(str, config.warnings), *outcome.warnings)
        self._end(asked, Reload("applied", _by(asked), time.time(), steps=steps, warnings=warnings))

    def _end(self, asked: list[Asked], reload: Reload) -> None:
        self._busy = False
        self._record(reload)
        if not self._stopped:
            self._notifier.ready(self.summary())
        for _, reply in asked:
            if reply is not None:
                try:
                    reply(reload)
                except Exception:
                    log.exception("cannot answer who asked for a reload")
        self._next()

    def _record(self, reload: Reload) -> None:
        """Log and remember. A watcher's second look at what was just applied is not worth either."""
        last = self._health.last_reload
        if reload.result == "nothing":
            log.info("reload (%s): nothing to do, generation %d", reload.by, self._health.generation)
            if last is not None and last.result == "applied" and reload.by == FILE_CHANGE:
                return
        elif reload.result == "applied":
            log.info("reload (%s): applied, generation %d", reload.by, self._health.generation)
            for step in reload.steps:
                log.info("applied: %s", step)
        else:
            log.error("reload (%s) refused; generation %d stays in force", reload.by, self._health.generation)
            for error in reload.errors[:MOST_LOGGED]:
                log.error("%s", error)
            if len(reload.errors) > MOST_LOGGED:
                log.error("and %d more; tgtctl check tells all", len(reload.errors) - MOST_LOGGED)
        self._health.last_reload = reload

    def summary(self) -> str:
        """One line for systemd's STATUS."""
        last = self._health.last_reload
        text = f"{self._estate.census().summary()}; generation {self._health.generation}"
        if last is not None and last.result == "refused":
            more = f" (and {len(last.errors) - 1} more)" if len(last.errors) > 1 else ""
            text += f"; RELOAD REFUSED: {last.errors[0]}{more}"
        return text

    def secret_files(self) -> list[Path]:
        """The files of secrets that the configuration names."""
        references = [reference for document in self._loader.documents() for reference in document.secrets]
        return [Path(name) for kind, name in references if kind == "file"]


FILE_CHANGE = "file change"
_STOPPING = "the daemon is stopping; its configuration does not change now"


def _by(asked: list[Asked]) -> str:
    return ", ".join(dict.fromkeys(who for who, _ in asked))


def _refused(asked: list[Asked], errors: tuple[str, ...]) -> Reload:
    return Reload("refused", _by(asked), time.time(), errors=errors)


def _complaints(error: BaseException) -> Iterable[str]:
    if isinstance(error, ConfigErrors):
        return [str(problem) for problem in error.problems]
    log.error("loading the configuration failed", exc_info=error)
    return [f"internal error while loading: {error}; the log has the details"]


def _move(target: str, why: str) -> dict[str, object]:
    """A row beside those of the plan's steps."""
    return {"step": "MoveTarget", "does": why, "effects": [LOGOUT], "target": target}


def _touched(guest: Guest, effects: tuple[str, ...]) -> dict[str, object]:
    return {
        "initiator": guest.initiator,
        "address": guest.address,
        "target": guest.target,
        "effects": list(effects),
    }
