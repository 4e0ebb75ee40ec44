"""What a disk counts besides its commands, for its log pages: errors by kind, what was verified, starts and stops."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sense import HARDWARE_ERROR, MEDIUM_ERROR
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_CYCLES, _POWER_ON = "start-stop-cycles", "power-on-minutes"
_HOUR = 3600.0
_VERIFY = (0x2F, 0x8F, 0xAF)
_VERIFY_32 = b"\0\x0a"
_DESCRIPTOR = (0x72, 0x73)


class Tally:
    """Bytes verified; errors that could not be corrected while reading, writing, verifying. resets: what counters were
    when LOG SELECT reset them, by log page."""

    def __init__(self) -> None:
        self.verified = 0
        self.unread = self.unwritten = self.unverified = 0
        self.resets: dict[int, tuple[int, ...]] = {}
        self.idle = 0.0
        """Seconds between two looks of which the second found that no command had come since the first."""
        self._began = self._kept = self._looked = time.monotonic()
        self._commands = -1

    def look(self, disk: Disk) -> None:
        """Has it had nothing to do since the last look?"""
        now, counters = time.monotonic(), disk.counters
        commands = counters.reads + counters.writes + counters.other
        if commands == self._commands and not len(disk.tasks):
            self.idle += now - self._looked
        self._looked, self._commands = now, commands

    def cycles(self, disk: Disk) -> int:
        """How often it was started after it had been stopped, ever."""
        return int.from_bytes(disk.memory.recall(_CYCLES) or b"", "big")

    def started(self, disk: Disk) -> None:
        """It runs again. Nobody waits until that is remembered."""
        disk.records.keeper.change(
            lambda: {_CYCLES: min(self.cycles(disk) + 1, 0xFFFF_FFFF).to_bytes(4, "big")}, _regardless
        )

    def power_on_minutes(self, disk: Disk) -> int:
        """How long it has been served, ever. Remembered when somebody asks, once an hour."""
        now = time.monotonic()
        minutes = int.from_bytes(disk.memory.recall(_POWER_ON) or b"", "big")
        total = minutes + int(now - self._began) // 60
        if now - self._kept >= _HOUR:
            self._kept = now
            disk.records.keeper.change(lambda: {_POWER_ON: total.to_bytes(4, "big")}, partial(self._remembered, now))
        return min(total, 0xFFFF_FFFF)

    def _remembered(self, until: float, error: BaseException | None) -> None:
        if error is None:
            self._began = until

    def note(self, disk: Disk, task: Task, writing: bool) -> None:
        """A command was refused: count it, and remember it, if the medium or the target is to blame."""
        if not task.sense:
            return
        key = task.sense[1 if task.sense[0] in _DESCRIPTOR else 2] & 0x0F
        if key not in (MEDIUM_ERROR, HARDWARE_ERROR):
            return
        disk.records.history.note(task, disk.records.clock.now())
        if key == HARDWARE_ERROR:
            return
        if task.cdb[0] in _VERIFY or (task.cdb[0] == 0x7F and task.cdb[8:10] == _VERIFY_32):
            self.unverified += 1
        elif writing:
            self.unwritten += 1
        else:
            self.unread += 1


def _regardless(error: BaseException | None) -> None:
    """The memory has said so in the log; a count that is a little low is no reason to refuse anything."""
