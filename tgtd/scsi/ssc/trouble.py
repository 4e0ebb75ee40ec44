"""What went wrong in a tape drive: how initiators are told, at once or later, and what log pages learn of it.

Belongs to the loop thread.
"""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import (
    HARDWARE_ERROR,
    INTERNAL_TARGET_FAILURE,
    MEDIUM_ERROR,
    WRITE_ERROR,
    CheckCondition,
    from_errno,
)
from tgtd.scsi.ssc.head import Halted, Unwritten

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

log = logging.getLogger(__name__)


def explain(drive: TapeDrive, trouble: BaseException, writing: bool, cdb: bytes | None) -> BaseException:
    """What went wrong, as an initiator is told; counted, and noted for the log pages. These have a deferred error
    already when it is told. cdb: None where no command of this drive has met it."""
    drive.counters.errors += 1
    if isinstance(trouble, CheckCondition) and trouble.sense.deferred:
        return trouble
    if isinstance(trouble, OSError):
        drive.counters.medium_errors += 1
        drive.last_medium_error = trouble
        before = isinstance(trouble, Unwritten)
        writing |= before
        full = trouble.errno in (errno.ENOSPC, errno.EDQUOT)  # the file system; the cartridge itself is not
        met = CheckCondition(WRITE_ERROR) if full else from_errno(trouble, writing)
        if isinstance(trouble, Halted):
            met.information = trouble.information
        trouble = CheckCondition(met.put_off()) if before else met
    if isinstance(trouble, CheckCondition) and trouble.sense is not drive.obstacle:
        _note(drive, trouble, writing, cdb)
    return trouble


def _note(drive: TapeDrive, trouble: CheckCondition, writing: bool, cdb: bytes | None) -> None:
    """For the log pages."""
    drive.alerts.note(trouble, writing)
    if trouble.sense.key == MEDIUM_ERROR:
        drive.tally.fail(writing)
        if drive.cartridge is not None:
            drive.cartridge.count_error(writing)
    if is_error(drive, trouble):
        drive.events.note(drive, cdb, trouble.sense)


def is_error(drive: TapeDrive, trouble: CheckCondition) -> bool:
    """What has gone wrong, and not what is in the way."""
    return trouble.sense.key in (MEDIUM_ERROR, HARDWARE_ERROR) and trouble.sense is not drive.obstacle


def tell_later(drive: TapeDrive, itl: LunNexus, trouble: BaseException) -> None:
    """What went wrong behind a command that has ended: whose command it was hears of it, if it is still there."""
    if not isinstance(trouble, CheckCondition):
        log_fault(drive, trouble)
        trouble = CheckCondition(INTERNAL_TARGET_FAILURE)
    if itl in drive.nexuses:
        itl.attend(trouble.put_off())


def log_fault(drive: TapeDrive, fault: BaseException) -> None:
    """What no medium raises, where no command waits for it."""
    log.error("%s failed behind a command", drive.describe(), exc_info=fault)
    drive.faults += 1


def tell_all(drive: TapeDrive, error: OSError) -> None:
    """What was written before cannot be kept, which the robot has found out, or somebody else who has no command of
    this drive. Nobody knows any more whose it was: all its initiators are told, by a deferred error."""
    trouble = explain(drive, Unwritten(error.errno, str(error)), writing=True, cdb=None)
    assert isinstance(trouble, CheckCondition)
    drive.attend_all(trouble.sense)
