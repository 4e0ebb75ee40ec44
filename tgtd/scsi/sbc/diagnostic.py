"""SEND DIAGNOSTIC of disks: self-tests (SPC-5 6.42). A disk without geometry has no addresses to translate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.selftest import (
    ABORT,
    ABORTED_BY_COMMAND,
    BACKGROUND,
    DEFAULT,
    FOREGROUND_EXTENDED,
    FOREGROUND_SHORT,
)
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.spc.diagnosticpages import RECEIVE_DIAGNOSTIC_RESULTS, SELFTEST, check_page, wanted
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk


def send_diagnostic(disk: Disk, task: Task) -> int:
    """SEND DIAGNOSTIC."""
    cdb = task.cdb
    length = wanted(disk, cdb)
    code = cdb[1] >> 5
    tests = disk.self_tests
    if code == ABORT:
        if tests.running is None:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
        tests.abort(ABORTED_BY_COMMAND)
        return GOOD
    if code in (*BACKGROUND, FOREGROUND_SHORT, FOREGROUND_EXTENDED) or cdb[1] & SELFTEST:
        return PENDING if tests.begin(code or DEFAULT, task) else GOOD
    if code:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=7)
    if length:
        check_page(bytes(task.data_out or b""), int.from_bytes(cdb[3:5], "big"))
    return GOOD


DIAGNOSTICS = (
    RECEIVE_DIAGNOSTIC_RESULTS,
    Command(
        0x1D,
        "SEND DIAGNOSTIC",
        send_diagnostic,
        bytes.fromhex("1D F7 00 FFFF 04"),
        data_out=wanted,
        timeout=86400,
    ),
)
