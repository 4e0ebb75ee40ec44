"""What a drive has seen since it was made, be it in another process: for the device statistics log page (SSC-5 8.2.5).

Kept in the unit's memory some seconds after it changes, hours once an hour. Only what a drive without moving parts has.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.memory import Memory

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

MEMORY = "tape-lifetime"

_HOUR = 3600.0
_FORM = struct.Struct(">4Q")
_MOST = 0xFFFF_FFFF


class Life(NamedTuple):
    """loads: of cartridges that it could use. cleanings: by cleaning cartridges that were not used up. starts: how
    often it began to be served. minutes: for which it was."""

    loads: int
    cleanings: int
    starts: int
    minutes: int


_NONE = Life(0, 0, 0, 0)


class Lifetime:
    """The loop thread's."""

    def __init__(self) -> None:
        self._memory: Memory | None = None
        self._before = self._kept = _NONE
        self._loads = self._cleanings = 0
        """What the drive's counters were when it became this one."""
        self._began = time.monotonic()
        self._kept_at = 0.0
        self._keeping = False

    def life(self, drive: TapeDrive) -> Life:
        """Up to now."""
        if drive.memory is not self._memory:
            self._become(drive)
        counters, minutes = drive.counters, int(time.monotonic() - self._began) // 60
        now = (counters.loads - self._loads, counters.cleanings - self._cleanings, 1, minutes)
        return Life(*(min(old + new, _MOST) for old, new in zip(self._before, now, strict=True)))

    def _become(self, drive: TapeDrive) -> None:
        """One that has seen other things: those that it has seen since as the one before are that one's."""
        if self._memory is not None:
            self._loads, self._cleanings = drive.counters.loads, drive.counters.cleanings
            self._began = time.monotonic()
        self._memory, self._kept = drive.memory, _NONE
        kept = drive.memory.recall(MEMORY) or b""
        self._before = Life(*_FORM.unpack(kept)) if len(kept) == _FORM.size else _NONE

    def look(self, drive: TapeDrive) -> None:
        """Every few seconds: keep it if there is something to keep. What cannot be kept waits for the next change, or
        the next hour."""
        now, clock = self.life(drive), time.monotonic()
        changed = now[:3] != self._kept[:3]
        if self._keeping or not (changed or clock - self._kept_at >= _HOUR):
            return

        def kept(error: BaseException | None) -> None:
            self._keeping = False

        self._keeping, self._kept, self._kept_at = True, now, clock
        drive.records.keeper.change(lambda: {MEMORY: _FORM.pack(*self.life(drive))}, kept)
