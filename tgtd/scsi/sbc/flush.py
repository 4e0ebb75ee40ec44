"""Flushes that nobody waits for. Does no I/O itself: the disk's lane does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

log = logging.getLogger(__name__)


class FlushBehind:
    """One flush at a time; the one after it does for all who ask meanwhile. What fails goes to `Disk.unflushed`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._running = self._again = False

    def begin(self) -> None:
        if self._running:
            self._again = True
        elif self._disk.medium is not None:
            self._running = True
            self._disk.lane.submit(self._disk.medium.flush, self._ended)

    def forget(self) -> None:
        """The medium is gone."""
        self._running = self._again = False

    def _ended(self, error: BaseException | None) -> None:
        self._running = False
        if self._again:
            self._again = False
            self.begin()
        if error is not None:
            log.error("%s: flush failed: %s", self._disk.describe(), error)
            self._disk.unflushed = error if isinstance(error, OSError) else OSError(str(error))
