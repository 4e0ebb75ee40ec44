"""Where log records go: the journal with their fields when stderr is the journal, else lines on stderr.

Whoever logs may add fields by `extra`: TARGET, LUN, INITIATOR, ADDRESS, PORTAL, FILE; WORKER tells which process
speaks. Nobody passes a secret to a logger.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from systemd.journal import JournalHandler

FIELDS = ("TARGET", "LUN", "INITIATOR", "ADDRESS", "PORTAL", "FILE", "WORKER")
LEVELS = ("debug", "info", "warning", "error")

_FOREIGN = (
    "tgtd.net.",
    "tgtd.scsi.",
    "tgtd.control",
    "tgtd.ledger",
    "tgtd.loop",
    "tgtd.memories",
    "tgtd.protecting",
    "tgtd.workers",
)
"""Who logs what others cause: initiators, clients of the control socket."""
_AT_ONCE = 1000
_PER_SECOND = 10


class TextFormatter(logging.Formatter):
    """Time, level, message, then the fields that the message does not show already."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        extra = "".join(f" {k.lower()}={v}" for k, v in fields(record).items() if str(v) not in message)
        line = _plain(f"{self.formatTime(record)} {record.levelname.lower()}: {message}{extra}")
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _plain(text: str) -> str:
    """In one line, with nothing that a terminal would obey: names and paths are what others have written."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, fields, and the traceback of a fault."""

    def format(self, record: logging.LogRecord) -> str:
        row: dict[str, object] = {
            "time": round(record.created, 6),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        row.update((name.lower(), value) for name, value in fields(record).items())
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return json.dumps(row, default=str)


class Flood(logging.Filter):
    """Lets through what others cause as long as it is no flood: nobody who is refused all day shall fill a disk.

    Each place in the code may log a thousand records at once (a rack that boots), and ten a second for long. Records
    left out are counted, and the next one from the same place tells how many.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._places: dict[tuple[str, int], _Allowance] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_FOREIGN):
            return True
        now = self._clock()
        place = (record.name, record.lineno)
        allowance = self._places.setdefault(place, _Allowance(now))
        left = allowance.left = min(_AT_ONCE, allowance.left + (now - allowance.since) * _PER_SECOND)
        allowance.since = now
        if left < 1:
            allowance.omitted += 1
            return False
        allowance.left -= 1
        remark = ""
        if allowance.omitted:
            remark = f" (and {allowance.omitted} more like it, not logged)"
            allowance.omitted = 0
        elif left < 2:
            remark = f" (there are too many of these: from now on {_PER_SECOND} a second are logged)"
        if remark:
            record.msg, record.args = record.getMessage() + remark, ()
        return True


@dataclass(slots=True)
class _Allowance:
    """What one place in the code may still log; omitted: records since the last one that was logged."""

    since: float
    left: float = _AT_ONCE
    omitted: int = 0


def fields(record: logging.LogRecord) -> dict[str, object]:
    """The fields a record carries."""
    return {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}


def goes_to_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's: JOURNAL_STREAM names its device and inode (systemd.exec(5))."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def handler(form: str, stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    """form: "text", "json", "journal" or "auto", which is the journal where stderr leads there, else text."""
    if form == "journal" or (form == "auto" and goes_to_journal(stream, environment)):
        journal: logging.Handler = JournalHandler(SYSLOG_IDENTIFIER="tgtd")
        return journal
    plain = logging.StreamHandler(stream)
    plain.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    return plain


class WorkerName(logging.Filter):
    """Adds to each record which worker process it comes from."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        record.WORKER = self._worker
        return True


def set_up(level: str, form: str = "auto", stream: TextIO | None = None, worker: str | None = None) -> None:
    """Send what `tgtd` logs where it belongs; may be called again with other settings. worker: this process is one."""
    logger = logging.getLogger("tgtd")
    for old in list(logger.handlers):
        logger.removeHandler(old)
        old.close()
    destination = handler(form, sys.stderr if stream is None else stream, os.environ)
    destination.addFilter(Flood())
    if worker is not None:
        destination.addFilter(WorkerName(worker))
    logger.addHandler(destination)
    logger.setLevel(level.upper())
    logger.propagate = False
