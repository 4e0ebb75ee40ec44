"""A bay: where a tape drive stands in a library, and how the robot puts cartridges into it.

A volume that its drive cannot use, or that cannot be opened, is in the drive nevertheless: the drive says why, and so
does the element.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    LOAD_FAILED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_REMOVAL_PREVENTED,
    UNLOAD_FAILED,
    CheckCondition,
    Sense,
)
from tgtd.scsi.smc.change import Declined, WhenMoved
from tgtd.scsi.smc.inventory import Resting
from tgtd.scsi.ssc.cartridge import Cartridge
from tgtd.scsi.ssc.drive import TapeDrive
from tgtd.scsi.ssc.trouble import log_fault, tell_all

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

log = logging.getLogger(__name__)

_ASCII, _T10 = 2, 1


class DriveBay:
    """A bay with a drive of this target (change.Bay). refused: the volume in it that the drive does not take, and
    why."""

    def __init__(self, changer: Changer, drive: TapeDrive) -> None:
        self.drive = drive
        self.refused: Declined | None = None
        self._changer = changer
        self._cartridge = drive.cartridge  # left there by a library that is gone
        self._barcode = "" if self._cartridge is None else self._cartridge.barcode

    @property
    def identifier(self) -> tuple[int, int, bytes]:
        """T10 vendor ID designator (SPC-5 7.7.6.3): vendor, product and serial number, as LTO libraries have it."""
        identity = self.drive.identity
        text = f"{identity.vendor:<8.8}{identity.product:<16.16}{identity.serial:.32}"
        return _ASCII, _T10, text.encode("ascii", "replace")

    @property
    def usable(self) -> bool:
        """Whether the drive is there, and has nothing in it that the robot does not know."""
        mounted = self.drive.cartridge
        return self.drive.medium is not None and (mounted is None or mounted is self._cartridge)

    @property
    def holds(self) -> str | None:
        """The barcode of what the robot has put into it, and is still there."""
        return self._barcode if self.drive.cartridge is not None and self.drive.cartridge is self._cartridge else None

    def check(self, leaving: bool) -> None:
        """Raises CheckCondition when the drive takes none, or gives none back, now: the robot does not wait for what
        may take hours, as others would have to wait for the robot."""
        if not self.usable:
            raise CheckCondition(MANUAL_INTERVENTION_REQUIRED)
        if leaving and (self.drive.preventing or self.drive.occupied):
            raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)

    def settled(self, barcode: str | None, present: bool) -> bool:
        """Whether nothing has to be done for this volume to be in it. present: whether the volume is on the
        shelf, with nothing wrong that could be seen."""
        if self.holds == barcode and (barcode is not None or self.refused is None):
            return True
        if self.holds is not None or self.refused is None or self.refused.barcode != barcode:
            return False
        return self.refused.sense is not LOAD_FAILED or not present

    def started(self) -> None:
        """The drive has come up, with nothing in it."""
        self.refused = self._cartridge = None
        self._changer.look()

    def accept(self, volume: Resting, then: WhenMoved) -> None:
        """The robot has put it into the drive."""
        shelf = self._changer.medium
        found: list[Cartridge] = []

        def fetch() -> None:
            assert shelf is not None
            cartridge = shelf.fetch(volume.barcode)
            if cartridge.barcode != volume.barcode:
                cartridge.close()
                raise ValueError(f"its label says {cartridge.barcode}")
            found.append(cartridge)

        self._changer.lane.submit(fetch, partial(self._fetched, volume.barcode, found, then))

    def _fetched(self, barcode: str, found: list[Cartridge], then: WhenMoved, error: BaseException | None) -> None:
        if error is not None:
            self._refuse(barcode, LOAD_FAILED, str(error))
            then(None)
            return
        cartridge = found[0]
        stands = self in self._changer.bays.values()
        if stands and self.drive.medium is not None and self.drive.cartridge is None:
            self._barcode, self._cartridge = barcode, cartridge
            self.drive.put_in(cartridge)
            self.refused = None if self.drive.misfit is None else Declined(barcode, self.drive.misfit)
            then(None)
            return
        self._changer.lane.submit(cartridge.close, lambda _: then(None))

    def _refuse(self, barcode: str, sense: Sense, why: str) -> None:
        declined = Declined(barcode, sense, why)
        if self.refused != declined:
            log.warning("%s: the drive does not take cartridge %s: %s", self.drive.describe(), barcode, why)
        self.refused = declined
        self.drive.reject(sense)

    def release(self, then: WhenMoved, forced: bool = False) -> None:
        """The robot takes out what is in the drive, after the commands that use it. Not forced, it stays there when not
        all that was written to it can be kept, as with LOAD UNLOAD."""
        if forced and self.drive.errand is not None:
            self.drive.errand.cancel()
        self.drive.turns.take(partial(self._release, then, forced))

    def _release(self, then: WhenMoved, forced: bool) -> bool:
        cartridge = self.drive.cartridge
        if forced or cartridge is None or not cartridge.writable:
            return self._take_out(then, forced)
        self._changer.lane.submit(cartridge.synchronize, partial(self._synchronized, then))
        return True

    def _synchronized(self, then: WhenMoved, error: BaseException | None) -> None:
        if error is None:
            if not self._take_out(then, False):
                self.drive.turns.end()
            return
        if isinstance(error, OSError):
            tell_all(self.drive, error)
            error = CheckCondition(UNLOAD_FAILED)
        self.drive.turns.end()
        then(error)

    def _take_out(self, then: WhenMoved, forced: bool) -> bool:
        if self.drive.preventing and not forced:  # since the robot has waited for its turn
            then(CheckCondition(MEDIUM_REMOVAL_PREVENTED))
            return False
        self.refused = self._cartridge = None
        cartridge = self.drive.take_out()
        if cartridge is None:
            then(None)
            return False

        self._changer.lane.submit(cartridge.close, partial(self._out, then))  # the drive's may be closed by now
        return True

    def _out(self, then: WhenMoved, error: BaseException | None) -> None:
        """What could not be written is lost with or without the drive."""
        if isinstance(error, OSError):
            tell_all(self.drive, error)
        elif error is not None:
            log_fault(self.drive, error)
        self.drive.turns.end()
        then(None)
