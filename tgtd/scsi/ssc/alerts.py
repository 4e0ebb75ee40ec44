"""TapeAlert: what is wrong, or about to be, as flags (SSC-5 4.2.17, annex A).

A flag is up for every I_T nexus until that nexus has read the page, what it warns of is over, or the page is reset.
Only flags for what can happen to this drive are ever raised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    MEDIUM_ERROR,
    MEDIUM_REMOVAL_PREVENTED,
    WORM_OVERWRITE,
    WRITE_PROTECTED,
    CheckCondition,
)

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus

FLAGS = range(1, 0x41)
HARD_ERROR, READ_FAILURE, WRITE_FAILURE = 0x03, 0x05, 0x06
WRITE_PROTECT, NO_REMOVAL, READ_ONLY_FORMAT, WORM_WRITTEN = 0x09, 0x0A, 0x11, 0x3C
CLEANING_MEDIA, UNSUPPORTED_FORMAT, EXPIRED_CLEANING = 0x0B, 0x0C, 0x16

_REFUSALS = {
    WRITE_PROTECTED: WRITE_PROTECT,
    MEDIUM_REMOVAL_PREVENTED: NO_REMOVAL,
    WORM_OVERWRITE: WORM_WRITTEN,
}


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

    def note(self, trouble: CheckCondition, writing: bool) -> None:
        """What a command was refused with."""
        if trouble.sense.key == MEDIUM_ERROR:
            self.activate(HARD_ERROR, WRITE_FAILURE if writing else READ_FAILURE)
        elif trouble.sense in _REFUSALS:
            self.activate(_REFUSALS[trouble.sense])
