"""TapeAlert of tape drives and media changers: flags, and the log page that tells them (SSC-5 8.2.3, SMC-3 7.2).

A flag is up for every I_T nexus until that nexus has read the page, what it warns of is over, or the page is reset.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tgtd.scsi.log import BINARY_LIST, LOGS, LogPage, Parameter
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus

FLAGS = range(1, 0x41)
_PAGE = 0x2E


class Alerts:
    """reader: who asks for the log page that is being made, if somebody does."""

    def __init__(self) -> None:
        self.reader: LunNexus | None = None
        self._active: set[int] = set()
        self._told: dict[LunNexus, set[int]] = {}

    def activate(self, *flags: int) -> None:
        for flag in flags:
            self._active.add(flag)
            for told in self._told.values():
                told.discard(flag)

    def over(self, *flags: int) -> None:
        """What they warned of is over."""
        self._active.difference_update(flags)

    def clear(self) -> None:
        """Another cartridge, a reset: everything begins anew."""
        self._active.clear()
        self._told.clear()

    def active(self) -> set[int]:
        """The flags that are up, for the reader."""
        return set(self._active) if self.reader is None else self._active - self._told.get(self.reader, set())

    def tell(self, itl: LunNexus) -> None:
        """A nexus has read the page."""
        self._told[itl] = set(self._active)

    def lose(self, itl: LunNexus) -> None:
        self._told.pop(itl, None)


def _alerts(unit: Any) -> Iterator[Parameter]:
    up = unit.alerts.active()
    for flag in FLAGS:
        yield Parameter(flag, BINARY_LIST, bytes((flag in up,)), default=b"\0")


def _forget_alerts(unit: Any, values: Mapping[int, bytes]) -> Mapping[str, bytes | None]:
    unit.alerts.clear()
    return {}


TAPE_ALERT = LogPage(_PAGE, 0, "TapeAlert", _alerts, _forget_alerts)
"""Of units that have `alerts`."""

_LOG_SENSE, _LOG_SELECT = LOGS


def log_sense(unit: Any, task: Task) -> int:
    """LOG SENSE: who reads the TapeAlert page is told of each flag once."""
    unit.alerts.reader = task.itl
    try:
        status = _LOG_SENSE.handler(unit, task)
    finally:
        unit.alerts.reader = None
    if task.cdb[2] & 0x3F == _PAGE and not task.cdb[3] and _whole(task):
        unit.alerts.tell(task.itl)
    return status


def _whole(task: Task) -> bool:
    """Whether all of a page is told: many look at its header first, to learn how long it is."""
    data = bytes(task.data_in or b"")
    return task.cdb[5:7] == b"\0\0" and len(data) > 4 and len(data) == 4 + int.from_bytes(data[2:4], "big")


ALERTING_LOGS = (replace(_LOG_SENSE, handler=log_sense), _LOG_SELECT)
