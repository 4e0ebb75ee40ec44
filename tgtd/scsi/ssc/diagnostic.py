"""SEND DIAGNOSTIC of tape drives (SPC-5 6.42): the default self-test, whether what is in the drive can be read.

It reads the label, and the first and the last block of each partition; the position stays. A drive without a cartridge
passes: there is nothing in it that could have failed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import FAILED_SELF_TEST, GOOD, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.spc.diagnosticpages import RECEIVE_DIAGNOSTIC_RESULTS, SELFTEST, check_page, wanted
from tgtd.scsi.ssc.cartridge import Cartridge
from tgtd.scsi.ssc.head import Head
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive


def send_diagnostic(drive: TapeDrive, task: Task) -> int:
    """SEND DIAGNOSTIC: no other self-tests than the default one."""
    length = wanted(drive, task.cdb)
    if task.cdb[1] >> 5:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if task.cdb[1] & SELFTEST:
        return drive.alone(task, partial(_prepare, drive))
    if length:
        check_page(bytes(task.data_out or b""), int.from_bytes(task.cdb[3:5], "big"))
    return GOOD


def _prepare(drive: TapeDrive) -> Callable[[], Head]:
    return partial(_test, drive.cartridge if drive.loaded else None, drive.head)


def _test(cartridge: Cartridge | None, head: Head) -> Head:
    if cartridge is not None:
        try:
            cartridge.inspect()
        except (OSError, LookupError) as error:
            raise CheckCondition(FAILED_SELF_TEST) from error
    return head


DIAGNOSTICS = (
    RECEIVE_DIAGNOSTIC_RESULTS,
    Command(0x1D, "SEND DIAGNOSTIC", send_diagnostic, usage("1D F7 00 FFFF 04"), data_out=wanted, timeout=600),
)
