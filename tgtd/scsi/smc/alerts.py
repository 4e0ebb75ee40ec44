"""TapeAlert of media changers: the flags of libraries that can be up here (SMC-3 7.2, annex A)."""

from __future__ import annotations

from collections.abc import Mapping

from tgtd.scsi.spc import tapealert

DRIVE_OFFLINE, INVENTORY = 0x16, 0x18
"""A drive that the robot cannot use; cartridges that are missing or damaged, or for which no element is free."""


class Alerts(tapealert.Alerts):
    """A library's: what is wrong shows in the library as it is, and is told when it has come to be so."""

    def __init__(self) -> None:
        super().__init__()
        self._wrong: frozenset[int] = frozenset()

    def see(self, found: Mapping[int, bool]) -> None:
        """found: by flag, whether that is so."""
        wrong = frozenset(flag for flag, holds in found.items() if holds)
        self.over(*self._wrong - wrong)
        self.activate(*wrong - self._wrong)
        self._wrong = wrong
