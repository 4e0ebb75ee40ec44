"""START STOP UNIT (SBC-4 5.31), and the administrator's hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.sbc.power import change_condition, write_back
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_REMOVAL_PREVENTED,
    CheckCondition,
)
from tgtd.scsi.spc.removal import prevented_by
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

START, LOEJ, POWER_CONDITION = 0x01, 0x02, 0xF0


def starts_only(cdb: bytes) -> str:
    """SBC-4 4.17: starting a disk another has reserved does no harm, all else does."""
    return "allowed" if cdb[4] & START and not cdb[4] & 0xF0 else "conflict"


def allows_only(cdb: bytes) -> str:
    """SBC-4 4.17, SPC-2 5.5.1: so does allowing medium removal."""
    return "conflict" if cdb[4] & 0x03 else "always"


def start_stop_unit(disk: Disk, task: Task) -> int:
    """Start, stop, load, eject. Stopping and ejecting wait for what is under way and flush, unless NO_FLUSH.

    While someone prevents medium removal, no medium is moved, in either direction.
    """
    what = task.cdb[4]
    disk.store()
    if what & POWER_CONDITION:
        return change_condition(disk, task)
    if task.cdb[3]:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=3)
    if what & LOEJ and not disk.removable:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=4, bit=1)
    if what & LOEJ and disk.preventing and (disk.ejected or not what & START):
        raise CheckCondition(MEDIUM_REMOVAL_PREVENTED)
    if what & START:
        _start(disk, task, bool(what & LOEJ))
        return GOOD
    disk.halt(stopped=True, ejected=disk.ejected or bool(what & LOEJ))
    return write_back(disk, task)


def _start(disk: Disk, task: Task, load: bool) -> None:
    """An ejected medium starts only by loading it; the other initiators hear that it came back."""
    was = disk.ejected
    disk.halt(stopped=False, ejected=was and not load)
    if was and load:
        disk.attend_all(MEDIUM_MAY_HAVE_CHANGED, but=task.itl.nexus)


def take_out(disk: Disk, force: bool) -> None:
    """The administrator ejects. Raises ValueError, in words, when that cannot be done."""
    if not disk.removable:
        raise ValueError("it is no removable disk; set removable = true for the LUN, or take it away by online = false")
    if disk.ejected:
        raise ValueError("its medium is ejected already")
    if disk.preventing and not force:
        raise ValueError(
            f"it is in use by {prevented_by(disk)}, and removal is prevented; unmount it there, or use --force"
        )
    disk.halt(stopped=True, ejected=True)
    disk.flush_behind()


def put_in(disk: Disk) -> None:
    """The administrator loads: all initiators hear of it. Raises ValueError when nothing is ejected."""
    if not disk.ejected:
        raise ValueError("its medium is not ejected")
    disk.halt(stopped=False, ejected=False)
    disk.attend_all(MEDIUM_MAY_HAVE_CHANGED)
