"""What the main process and its workers say to each other. Data only.

To a worker go pickled tuples, a verb and what goes with it: they hold secrets, and come from its parent alone. From
a worker come JSON objects, whose "say" is a verb: one that is out of its mind shall not be able to do more than talk.

| to a worker | |
| --- | --- |
| hire, Hire | the first message |
| prepare, errand, Plan, leaving | do what can fail; answered by ready or refused |
| commit, errand | make it visible; answered by done |
| cancel, errand | undo; not answered |
| released | media that another worker had may be free now |
| adopt, Parcel without its socket, number, elsewhere | a connection, its socket goes with the message |
| ask, question, topic, arguments | answered by pieces, then by answered |
| ping | answered by pong |
| log, level | log as the main process does |
| stop, seconds | drain, flush, exit; again: wait less |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tgtd.config.model import Daemon

READY = "ready"
REFUSED = "refused"
DONE = "done"
RELEASED = "released"
ENDED = "ended"
COUNT = "count"
PIECE = "piece"
ANSWERED = "answered"
PONG = "pong"

STATUS = "status"
SESSIONS = "sessions"
RESERVATIONS = "reservations"
GUESTS = "guests"
CLEAR = "clear"
FAULT = "fault"
MEDIUM = "medium"
LIBRARY = "library"


@dataclass(frozen=True, slots=True)
class Hire:
    """number: the worker's, of `crew` that there may be. state: the state directory. log_level: of the command line,
    over that of the settings."""

    number: int
    crew: int
    installation: bytes
    state: Path
    settings: Daemon
    log_level: str | None
