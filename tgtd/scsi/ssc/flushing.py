"""What goes on behind WRITE FILEMARKS with IMMED: bringing all that was written before to stable storage (SSC-5 6.8).

Blocks are written and read on meanwhile, as far as the loop thread does that itself; what needs a worker, and so what
synchronizes, comes after it. What goes wrong is a deferred error. Belongs to the loop thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.ssc.trouble import explain, tell_later

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive


class Flushing:
    """A drive's. running: whether it goes on just now."""

    def __init__(self, drive: TapeDrive) -> None:
        self.running = False
        self._drive = drive
        self._askers: dict[LunNexus, None] = {}  # who hears of it when the next one fails

    def ask(self, itl: LunNexus) -> None:
        """What is written by now is to be kept, on behalf of a nexus."""
        queued = bool(self._askers)
        self._askers[itl] = None
        if not self.running and not queued:
            self._drive.turns.share(self._start)

    def _start(self) -> bool:
        drive, askers = self._drive, list(self._askers)
        self._askers.clear()
        if drive.cartridge is None or not drive.cartridge.writable:
            return False
        self.running = True
        drive.lane.submit(drive.cartridge.synchronizing(), partial(self._through, askers))
        return True

    def _through(self, askers: Iterable[LunNexus], error: BaseException | None) -> None:
        drive = self._drive
        self.running = False
        try:
            if error is not None:
                trouble = explain(drive, error, writing=True, cdb=None)
                for itl in askers:
                    tell_later(drive, itl, trouble)
        finally:
            drive.turns.end()
            if self._askers:
                drive.turns.share(self._start)
