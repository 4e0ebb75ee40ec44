"""A medium that does not answer in time: what becomes of the commands that wait for it, and of those that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tgtd.scsi.command import Command
from tgtd.scsi.sense import BECOMING_READY, BUSY, COMMUNICATION_TIMEOUT, CheckCondition, Refused

POLICIES: Mapping[str, Callable[[], Refused] | None] = {
    "hold": None,
    "busy": lambda: Refused(BUSY),
    "not-ready": lambda: CheckCondition(BECOMING_READY),
    "fail": lambda: CheckCondition(COMMUNICATION_TIMEOUT),
}
"""By the configuration's word. None: they wait."""


class Stall:
    """trouble: makes what a command is refused with."""

    def __init__(self, trouble: Callable[[], Refused]) -> None:
        self.trouble = trouble

    def stop(self, row: Command) -> None:
        if row.medium:
            raise self.trouble()
