"""A worker as the main process sees it: a place in the crew, filled by one process after another."""

from __future__ import annotations

import json
import logging
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from tgtd.config.plan import Plan
from tgtd.crew import speech
from tgtd.crew.process import Process
from tgtd.crew.speech import Hire
from tgtd.loop import Loop, Timer
from tgtd.status import Census

if TYPE_CHECKING:
    import socket

log = logging.getLogger(__name__)

BEAT = 2.0
"""Seconds between pings."""
SILENT = 2
"""Unanswered pings after which a worker is shown as silent."""
HUNG = 8
"""Unanswered pings after which it is killed. Pings are counted, not seconds: when all stood still, nobody hung."""
STARTING = 30
"""The same for one that has not said anything yet."""

_SHORTEST, _LONGEST = 0.1, 30.0
_PROVEN = 60.0
"""Seconds of service after which a worker that ends is not taken for one that cannot live."""


@dataclass(slots=True)
class Errand:
    """A part of a plan that a worker has been given. Each but `released` is called at most once; lost: it has ended."""

    number: int
    ready: Callable[[list[str]], None]
    """Called with errors; none: it can be committed."""
    done: Callable[[list[str]], None]
    """Called with warnings."""
    lost: Callable[[], None]
    released: Callable[[], None] = lambda: None


class Owner(Protocol):
    """What a member asks of its crew."""

    def hire(self, number: int) -> Hire: ...

    def outset(self, number: int) -> Plan:
        """What a new process has to serve."""

    def serves(self, member: Member) -> None:
        """It has taken up its service."""

    def ended(self, member: Member) -> None:
        """Its process has ended; connections and questions it had are lost."""

    def told(self, member: Member, row: Mapping[str, Any]) -> None:
        """It said something that is the crew's affair."""


class Member:
    """serving: it takes connections. stopping: it is not started again. restarts: how often it was, cause: why last.

    last_status: how its last process ended.
    """

    def __init__(self, loop: Loop, number: int, owner: Owner) -> None:
        self.number = number
        self.serving = False
        self.stopping = False
        self.restarts = 0
        self.cause = ""
        self.census = Census()
        self.last_status: int | None = None
        self._loop = loop
        self._owner = owner
        self._process: Process | None = None
        self._errand: Errand | None = None
        self._errands = 0
        self._unanswered = 0
        self._heard = False
        self._since = 0.0
        self._failures = 0
        self._again: Timer | None = None
        self._words: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            speech.READY: self._ready,
            speech.REFUSED: self._ready,
            speech.DONE: self._done,
            speech.RELEASED: self._released,
            speech.PONG: self._pong,
            speech.COUNT: self._count,
        }

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def state(self) -> str:
        """ "running", "silent", "starting", "waiting" (to be started again) or "stopping"."""
        if self.stopping:
            return "stopping"
        if self._process is None:
            return "waiting"
        if self._unanswered > SILENT:
            return "silent"
        return "running" if self.serving else "starting"

    # Life

    def start(self) -> None:
        """Start its process, which then serves what the owner says."""
        self._again = None
        try:
            self._process = Process(self._loop, self._said, self._ended)
        except OSError as trouble:
            self._retry(f"it could not be started: {trouble.strerror or trouble}")
            return
        self._unanswered = 0
        self._heard = False
        self._since = time.monotonic()
        self.send("hire", self._owner.hire(self.number))
        self.renew()

    def renew(self) -> None:
        """A process that does not serve yet begins anew, with what it has to serve now."""
        if self._process is None or self.serving:
            return
        if self._errand is not None:
            self.cancel()
        self.prepare(self._owner.outset(self.number), frozenset(), self._begin, self._began, lambda: None)

    def _begin(self, errors: list[str]) -> None:
        if errors:
            self.kill("; ".join(errors))
            return
        self.commit()
        self.serving = True

    def _began(self, warnings: list[str]) -> None:
        for warning in warnings:
            log.warning("worker %d: %s", self.number, warning)
        self._owner.serves(self)

    def beat(self) -> None:
        """From time to time: is it well?"""
        if self._process is None:
            return
        self._unanswered += 1
        if self._unanswered > (HUNG if self._heard else STARTING):
            self.kill(f"it did not answer for {(self._unanswered - 1) * BEAT:g} s")
        else:
            self.send("ping")

    def kill(self, why: str) -> None:
        """SIGKILL; it is started again."""
        if self._process is not None:
            self._process.kill(why)

    def stop(self, timeout: float) -> None:
        """Have it drain and exit; once more: wait less."""
        self.stopping = True
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self.send("stop", timeout)

    def close(self) -> None:
        """End it now, for good."""
        self.stopping = True
        if self._again is not None:
            self._again.cancel()
        if self._process is not None:
            self._process.close()
            self.last_status = self._process.status
            self._process = None

    def _ended(self, why: str) -> None:
        process, self._process = self._process, None
        assert process is not None
        self.last_status = process.status
        errand, self._errand = self._errand, None
        self.serving = False
        self.census = Census()
        if not self.stopping:
            if time.monotonic() - self._since > _PROVEN:
                self._failures = 0
            self._retry(f"process {process.pid} {why}")
        self._owner.ended(self)
        if errand is not None:
            errand.lost()

    def _retry(self, cause: str) -> None:
        delay = min(_LONGEST, _SHORTEST * 2**self._failures)
        self._failures += 1
        self.restarts += 1
        self.cause = cause
        log.error("worker %d: %s; it is started again in %g s", self.number, cause, delay)
        self._again = self._loop.call_later(delay, self.start)

    # What it is told

    def send(self, verb: str, *what: object, sock: socket.socket | None = None) -> None:
        """Lost when there is no process."""
        if self._process is not None:
            self._process.channel.send(pickle.dumps((verb, *what), pickle.HIGHEST_PROTOCOL), sock)
        elif sock is not None:
            sock.close()

    def prepare(
        self,
        plan: Plan,
        leaving: frozenset[tuple[str, str | None]],
        ready: Callable[[list[str]], None],
        done: Callable[[list[str]], None],
        lost: Callable[[], None],
        released: Callable[[], None] = lambda: None,
    ) -> None:
        """Give it a part of a plan; `commit` or `cancel` follows."""
        self._errands += 1
        self._errand = Errand(self._errands, ready, done, lost, released)
        self.send("prepare", self._errands, plan, leaving)

    def commit(self) -> None:
        self.send("commit", self._errands)

    def cancel(self) -> None:
        self._errand = None
        self.send("cancel", self._errands)

    # What it says

    def _said(self, message: bytes) -> None:
        self._heard = True
        try:
            row = json.loads(message)
            self._words.get(row["say"], partial(self._owner.told, self))(row)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as trouble:
            log.error("worker %d says what makes no sense: %.100r (%s)", self.number, message, trouble)
            self.kill("what it said made no sense")

    def _current(self, row: Mapping[str, Any]) -> Errand | None:
        errand = self._errand
        return errand if errand is not None and errand.number == row["errand"] else None

    def _ready(self, row: Mapping[str, Any]) -> None:
        errand = self._current(row)
        if errand is not None:
            errand.ready([str(error) for error in row["errors"]])

    def _done(self, row: Mapping[str, Any]) -> None:
        self._take_census(row)
        errand = self._current(row)
        if errand is None:
            return
        self._errand = None
        if row["errors"]:
            self.kill(f"it could not do its part: {'; '.join(map(str, row['errors']))}")
            errand.lost()
        else:
            errand.done([str(warning) for warning in row["warnings"]])

    def _released(self, row: Mapping[str, Any]) -> None:
        errand = self._current(row)
        if errand is not None:
            errand.released()

    def _pong(self, row: Mapping[str, Any]) -> None:
        self._unanswered = 0
        self._take_census(row)

    def _count(self, row: Mapping[str, Any]) -> None:
        self.census.sessions = int(row["sessions"])
        self._owner.told(self, row)

    def _take_census(self, row: Mapping[str, Any]) -> None:
        self.census = Census(**{name: int(number) for name, number in row["census"].items()})

    def as_dict(self, targets: int) -> dict[str, object]:
        """For status."""
        return {
            "number": self.number,
            "pid": self.pid,
            "state": self.state,
            "targets": targets,
            "restarts": self.restarts,
            "cause": self.cause or None,
        }
