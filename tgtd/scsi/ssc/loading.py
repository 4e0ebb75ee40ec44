"""What a drive makes of a cartridge that is put into it: whether it can use it, that it was in a drive, and what a
cleaning cartridge does (SSC-5 annex A).

Cleaning takes no time here: a use is counted, durably, and the cartridge has nothing more to say until it is taken out.
The drive remembers which one is in it, so that a restart of the daemon is no other use.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sense import CLEANING_CARTRIDGE, CLEANING_EXPIRED, INCOMPATIBLE_MEDIUM, Sense
from tgtd.scsi.ssc.alerts import CLEANING_MEDIA, EXPIRED_CLEANING, UNSUPPORTED_FORMAT
from tgtd.scsi.ssc.trouble import log_fault

if TYPE_CHECKING:
    from tgtd.scsi.ssc.cartridge import Cartridge
    from tgtd.scsi.ssc.drive import TapeDrive
    from tgtd.scsi.ssc.personality import Personality

ALERTS = {
    CLEANING_CARTRIDGE: CLEANING_MEDIA,
    CLEANING_EXPIRED: EXPIRED_CLEANING,
    INCOMPATIBLE_MEDIUM: UNSUPPORTED_FORMAT,
}
"""The flag that is up while such a cartridge is in the drive."""

MEMORY = "tape-cleaning"
"""The serial number of the cleaning cartridge that was used, and is in the drive since."""


def misfit(personality: Personality, cartridge: Cartridge) -> Sense | None:
    """Why the drive cannot use it, if it cannot. One of density 0 suits all, and is one of that drive's then."""
    if cartridge.kind == "clean":
        return CLEANING_CARTRIDGE
    fits = not cartridge.density or personality.density(cartridge.density) is not None
    return None if fits else INCOMPATIBLE_MEDIUM


def use(cartridge: Cartridge, density: int, name: str) -> bool:
    """By a worker: it is in a drive that writes blank ones with this density. Whether it was of use there: not a
    cleaning cartridge that is used up. Raises OSError."""
    if cartridge.kind != "clean":
        cartridge.count_load(density, name)
        return True
    return cartridge.wear()


def begin(drive: TapeDrive) -> None:
    """Something was put into the drive just now."""
    drive.turns.take(partial(_start, drive, drive.threadings))


def _start(drive: TapeDrive, threading: int) -> bool:
    cartridge = drive.cartridge
    if cartridge is None or threading != drive.threadings:
        return False
    if cartridge.kind == "clean" and drive.memory.recall(MEMORY) == cartridge.serial.encode():
        drive.cleaned(True)
        return False
    forget(drive)
    useful: list[bool] = []
    density, name = drive.write_density, f"{drive.identity.vendor:<8.8}{drive.identity.serial:.32}"
    drive.lane.submit(lambda: useful.append(use(cartridge, density, name)), partial(_used, drive, threading, useful))
    return True


def _used(drive: TapeDrive, threading: int, useful: list[bool], error: BaseException | None) -> None:
    try:
        if isinstance(error, OSError):
            drive.counters.medium_errors += 1
            drive.last_medium_error = error
        elif error is not None:
            log_fault(drive, error)
        if threading == drive.threadings and drive.cartridge is not None and drive.cartridge.kind == "clean":
            drive.cleaned(useful == [True])
            if useful == [True]:
                drive.counters.cleanings += 1
                drive.records.keeper.hold(MEMORY, drive.cartridge.serial.encode(), _no_matter)
    finally:
        drive.turns.end()


def forget(drive: TapeDrive) -> None:
    """The cleaning cartridge is not in the drive any more."""
    drive.records.keeper.hold(MEMORY, None, _no_matter)


def _no_matter(error: BaseException | None) -> None:
    """What cannot be kept costs a use of the cartridge, and nothing else."""


def worries(drive: TapeDrive) -> Iterator[str]:
    """What is wrong with what is in a drive, for its administrator."""
    cartridge = drive.cartridge
    if cartridge is None:
        return
    if drive.misfit is INCOMPATIBLE_MEDIUM:
        yield (
            f"cartridge {cartridge.barcode} (density {cartridge.density:02X}h) is none that {drive.personality.name} "
            f"reads: put another into the drive, or give it another personality"
        )
    if drive.misfit is CLEANING_EXPIRED:
        yield (
            f"cleaning cartridge {cartridge.barcode} was used as often as it can be, or its file cannot be written: "
            f"take another"
        )
    for number, partition in enumerate(cartridge.partitions):
        if partition.lost:
            yield (
                f"partition {number} of cartridge {cartridge.barcode} has lost {partition.lost} blocks and filemarks "
                f"behind number {partition.objects}: its file was damaged or cut short; restore it from a copy"
            )
