"""What tgtctl can ask the daemon: one row a command."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Protocol

from tgtd import log
from tgtd.config import model
from tgtd.control import ControlCommand, Reply, Unanswerable
from tgtd.estate import Estate
from tgtd.reload import Reloader
from tgtd.status import Health, Reload

Arguments = Mapping[str, object]

_DEEDS: Mapping[str, tuple[type, ...]] = {
    "show": (),
    "move": (int, int),
    "load": (str, str),
    "unload": (str,),
    "export": (str,),
    "import": (str,),
}
"""What can be done with a library, and what must be said with it."""


class Stoppable(Protocol):
    settings: model.Daemon

    def stop(self) -> None: ...


class Requests:
    """The commands of the control socket, bound to a daemon."""

    def __init__(self, estate: Estate, reloader: Reloader, health: Health, daemon: Stoppable) -> None:
        self._estate = estate
        self._reloader = reloader
        self._health = health
        self._daemon = daemon

    def table(self) -> dict[str, ControlCommand]:
        """By name."""
        return {
            "status": self._status,
            "sessions": self._sessions,
            "reservations": self._reservations,
            "clear-reservations": self._clear_reservations,
            "fault": self._fault,
            "medium": self._medium,
            "library": self._library,
            "plan": self._plan,
            "reload": self._reload,
            "log-level": self._log_level,
            "stop": self._stop,
        }

    def _status(self, arguments: Arguments, reply: Reply) -> None:
        self._estate.status(self._health, reply)

    def _sessions(self, arguments: Arguments, reply: Reply) -> None:
        self._estate.sessions(self._health, reply)

    def _reservations(self, arguments: Arguments, reply: Reply) -> None:
        self._estate.reservations(self._health, reply)

    def _clear_reservations(self, arguments: Arguments, reply: Reply) -> None:
        self._estate.clear_reservations(arguments.get("target"), arguments.get("lun"), reply)

    def _fault(self, arguments: Arguments, reply: Reply) -> None:
        what = arguments.get("what")
        if what not in ("hang", "release"):
            raise Unanswerable("what is to become of the medium: hang, or release")
        self._estate.fault(arguments.get("target"), arguments.get("lun"), what == "hang", reply)

    def _medium(self, arguments: Arguments, reply: Reply) -> None:
        what = arguments.get("what")
        if what not in ("eject", "load"):
            raise Unanswerable("what is to be done with the medium: eject, or load")
        force = arguments.get("force") is True
        self._estate.move_medium(arguments.get("target"), arguments.get("lun"), what == "eject", force, reply)

    def _library(self, arguments: Arguments, reply: Reply) -> None:
        what, words = arguments.get("what"), arguments.get("words")
        shape = _DEEDS.get(str(what))
        if shape is None:
            raise Unanswerable(f"what is to be done with the library: one of {', '.join(_DEEDS)}")
        if not isinstance(words, list) or tuple(map(type, words)) != shape:
            raise Unanswerable(f"{what} wants to know: {', '.join(kind.__name__ for kind in shape) or 'nothing more'}")
        self._estate.library(arguments.get("target"), arguments.get("lun"), str(what), words, reply)

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
            self._estate.log_level(str(level))
        reply({"level": logging.getLevelName(ours.getEffectiveLevel()).lower()})

    def _stop(self, arguments: Arguments, reply: Reply) -> None:
        reply({"pid": os.getpid(), "timeout": self._daemon.settings.stop_timeout})
        if self._health.state != "stopping":
            self._daemon.stop()

    def _must_run(self) -> None:
        if self._health.state != "running":
            raise Unanswerable(f"tgtd is {self._health.state}; its configuration does not change now")
