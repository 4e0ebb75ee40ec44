"""What tgtctl can ask the daemon: one row a command."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Protocol

from tgtd import log
from tgtd.config import model
from tgtd.control import Command, Reply, Unanswerable
from tgtd.reload import Reloader
from tgtd.status import Health, Reload, pieces, reservation_pieces, reservation_row, session_row
from tgtd.tree import Tree
from tgtd.units import Unit

logger = logging.getLogger(__name__)

Arguments = Mapping[str, object]


class Stoppable(Protocol):
    settings: model.Daemon

    def stop(self) -> None: ...


class Requests:
    """The commands of the control socket, bound to a daemon."""

    def __init__(self, tree: Tree, reloader: Reloader, health: Health, daemon: Stoppable) -> None:
        self._tree = tree
        self._reloader = reloader
        self._health = health
        self._daemon = daemon

    def table(self) -> dict[str, Command]:
        """By name."""
        return {
            "status": self._status,
            "sessions": self._sessions,
            "reservations": self._reservations,
            "clear-reservations": self._clear_reservations,
            "plan": self._plan,
            "reload": self._reload,
            "log-level": self._log_level,
            "stop": self._stop,
        }

    def _status(self, arguments: Arguments, reply: Reply) -> None:
        reply(pieces(self._tree, self._health))

    def _sessions(self, arguments: Arguments, reply: Reply) -> None:
        reply({"sessions": [session_row(one, self._health) for one in self._tree.service.sessions.values()]})

    def _reservations(self, arguments: Arguments, reply: Reply) -> None:
        reply(reservation_pieces(self._tree))

    def _clear_reservations(self, arguments: Arguments, reply: Reply) -> None:
        unit = self._unit(arguments.get("target"), arguments.get("lun"))
        if not unit.disk.reservations.known:
            raise Unanswerable(
                f"{unit.place} is {unit.state.value}, and its reservations are not loaded"
                + (f": {unit.cause}" if unit.cause else "")
                + "; see to that first"
            )
        before = reservation_row(unit)

        def answer(error: BaseException | None) -> None:
            done = error is None
            if done:
                logger.warning("%s: its reservations were cleared by tgtctl: %s", unit.place, before)
            reply({"cleared": done, "before": before})

        unit.clear_reservations(answer)

    def _unit(self, target: object, lun: object) -> Unit:
        found = self._tree.targets.get(str(target))
        if found is None:
            raise Unanswerable(f"there is no target {target}; tgtctl status lists them")
        if not isinstance(lun, int) or lun not in found.units:
            raise Unanswerable(f"{target} has no LUN {lun}; tgtctl status lists them")
        return found.units[lun]

    def _plan(self, arguments: Arguments, reply: Reply) -> None:
        self._must_run()
        self._reloader.preview(reply)

    def _reload(self, arguments: Arguments, reply: Reply) -> None:
        self._must_run()

        def answer(reload: Reload) -> None:
            reply({**reload.as_dict(), "generation": self._health.generation})

        self._reloader.request("tgtctl", answer)

    def _log_level(self, arguments: Arguments, reply: Reply) -> None:
        level = arguments.get("level")
        ours = logging.getLogger("tgtd")
        if level is not None:
            if level not in log.LEVELS:
                raise Unanswerable(f"there is no such level; there are {', '.join(log.LEVELS)}")
            ours.setLevel(str(level).upper())
        reply({"level": logging.getLevelName(ours.getEffectiveLevel()).lower()})

    def _stop(self, arguments: Arguments, reply: Reply) -> None:
        reply({"pid": os.getpid(), "timeout": self._daemon.settings.stop_timeout})
        if self._health.state != "stopping":
            self._daemon.stop()

    def _must_run(self) -> None:
        if self._health.state != "running":
            raise Unanswerable(f"tgtd is {self._health.state}; its configuration does not change now")
