"""RESERVE and RELEASE (6) and (10) of SPC-2 7.16 to 7.19, as SPC-5 5.14.3 lets them live on (CRH).

They reserve the logical unit as a whole, for one I_T nexus, until it releases it, is lost, or the unit is reset.
"""

from __future__ import annotations

from tgtd.scsi.command import Command
from tgtd.scsi.lun import LogicalUnit
from tgtd.scsi.sense import BUSY, GOOD, RESERVATION_CONFLICT, Refused
from tgtd.scsi.task import Task


def does_nothing(unit: LogicalUnit, task: Task) -> bool:
    """SPC-5 5.14.3: whom a persistent reservation lets through gets GOOD, and nothing changes. Raises RESERVATION
    CONFLICT for all others while anybody is registered (SPC-2 5.5.1)."""
    reservations = unit.reservations
    reservations.demand(unit.obstacle)
    if reservations.state.passes(task.itl.nexus.registrant):
        return True
    if reservations.state.keys:
        raise Refused(RESERVATION_CONFLICT)
    return False


def demand_free(unit: LogicalUnit, task: Task) -> None:
    """Raises what keeps this nexus from reserving anything: BUSY, RESERVATION CONFLICT."""
    reservations = unit.reservations
    if reservations.changing:  # maybe to a registration, with which this would conflict
        raise Refused(BUSY)
    if reservations.legacy not in (None, task.itl):
        raise Refused(RESERVATION_CONFLICT)


def reserve(unit: LogicalUnit, task: Task) -> int:
    """RESERVE: reserving again what one has is no error."""
    if does_nothing(unit, task):
        return GOOD
    demand_free(unit, task)
    reservations = unit.reservations
    if reservations.others_elements(task.itl):
        raise Refused(RESERVATION_CONFLICT)
    reservations.release(task.itl)
    reservations.legacy = task.itl
    unit.regate_all()
    return GOOD


def release(unit: LogicalUnit, task: Task) -> int:
    """RELEASE: releasing what one does not have is no error, and has no effect."""
    if not does_nothing(unit, task) and unit.reservations.release(task.itl):
        unit.regate_all()
    return GOOD


RESERVES = (
    Command(0x16, "RESERVE(6)", reserve, bytes.fromhex("16 00 00 0000 04"), reservation="own"),
    Command(0x17, "RELEASE(6)", release, bytes.fromhex("17 00 00 0000 04"), reservation="own"),
    Command(0x56, "RESERVE(10)", reserve, bytes.fromhex("56 00 00 00 000000 0000 04"), reservation="own"),
    Command(0x57, "RELEASE(10)", release, bytes.fromhex("57 00 00 00 000000 0000 04"), reservation="own"),
)
