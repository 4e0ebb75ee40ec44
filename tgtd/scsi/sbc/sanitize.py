"""SANITIZE: make what the disk held unreadable (SBC-4 4.11, 5.30)."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.keyed import keyed
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.operation import Operation, Pass, erase, repeat
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    SANITIZE_FAILED,
    SANITIZE_IN_PROGRESS,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import PENDING, Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

OPCODE = 0x48
OVERWRITE, BLOCK_ERASE, CRYPTOGRAPHIC_ERASE, EXIT_FAILURE_MODE = 0x01, 0x02, 0x03, 0x1F
IMMED, AUSE = 0x80, 0x20
_INVERT, _COUNT = 0x80, 0x1F
_HEADER = 4


class SanitizeFailure:
    """What a sanitize operation that failed leaves behind: nothing runs until another one succeeds, or, where it was
    unrestricted (AUSE), until EXIT FAILURE MODE (SBC-4 4.11.3)."""

    def __init__(self, unrestricted: bool) -> None:
        self.unrestricted = unrestricted

    def stop(self, row: Command) -> None:
        if row.opcode != OPCODE:
            raise self.standing()

    def standing(self) -> CheckCondition:
        return CheckCondition(SANITIZE_FAILED)


def wanted(disk: Disk, cdb: bytes) -> int:
    """The pattern's header and at least one byte of it, at most a block (SBC-4 table 107)."""
    length = int.from_bytes(cdb[7:9], "big")
    if not _HEADER < length <= _HEADER + disk.block_size:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7)
    return length


def overwrite(disk: Disk, task: Task) -> int:
    """OVERWRITE: the pattern as often as asked for, inverted in every other pass with INVERT."""
    _check_mode(disk, task.cdb)
    length = wanted(disk, task.cdb)
    data = bytes(task.data_out or b"")
    if len(data) < length:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7)
    count, size = data[0] & _COUNT, int.from_bytes(data[2:4], "big")
    if data[0] & 0x60:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=0, bit=6 if data[0] & 0x40 else 5)
    if not count:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=0, bit=4)
    if data[1]:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=1, bit=7)
    if not 0 < size <= length - _HEADER:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=2)
    pattern = data[_HEADER : _HEADER + size]
    inverse = bytes(byte ^ 0xFF for byte in pattern) if data[0] & _INVERT else pattern
    # With INVERT the last pass is the pattern itself, whatever their number (SBC-4 5.30.2.2).
    plain, inverted = repeat(pattern, disk.block_size), repeat(inverse, disk.block_size)
    return _sanitize(disk, task, [inverted if (count - i) % 2 == 0 else plain for i in range(count)])


def block_erase(disk: Disk, task: Task) -> int:
    """BLOCK ERASE: every block unmapped afterwards."""
    _check_mode(disk, task.cdb)
    _check_no_list(task.cdb)
    return _sanitize(disk, task, [erase])


def cryptographic_erase(disk: Disk, task: Task) -> int:
    """CRYPTOGRAPHIC ERASE: the medium forgets the key, and takes another one (SBC-4 4.11.2.4)."""
    _check_mode(disk, task.cdb)
    _check_no_list(task.cdb)
    return _sanitize(disk, task, [_forget_key], at_once=True)


def _forget_key(medium: BlockMedium, offset: int, length: int) -> None:
    found = keyed(medium)
    if found is None:
        raise OSError(errno.ENODEV, "the medium is encrypted no more")
    found.renew()


def exit_failure_mode(disk: Disk, task: Task) -> int:
    """EXIT FAILURE MODE: as if a failed operation had gone well, where that was agreed to before it began."""
    _check_no_list(task.cdb)
    failure = disk.hindrance
    if isinstance(failure, SanitizeFailure):
        if not failure.unrestricted:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
        disk.settle(None)
    return GOOD


def _check_mode(disk: Disk, cdb: bytes) -> None:
    """After a failure in restricted mode no unrestricted operation may follow (SBC-4 4.11.3)."""
    failure = disk.hindrance
    if isinstance(failure, SanitizeFailure) and not failure.unrestricted and cdb[1] & AUSE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=5)


def _check_no_list(cdb: bytes) -> None:
    if any(cdb[7:9]):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=7)


def _sanitize(disk: Disk, task: Task, passes: Iterable[Pass], at_once: bool = False) -> int:
    immediately = bool(task.cdb[1] & IMMED)
    ended = partial(_ended, disk, None if immediately else task, bool(task.cdb[1] & AUSE))
    disk.operate(Operation(disk, SANITIZE_IN_PROGRESS, passes, ended, at_once))
    return GOOD if immediately else PENDING


def _ended(disk: Disk, task: Task | None, unrestricted: bool, error: BaseException | None) -> None:
    disk.settle(None if error is None else SanitizeFailure(unrestricted), error)
    if task is not None:
        trouble = CheckCondition(SANITIZE_FAILED)
        disk.finish(task, GOOD if error is None or task.aborted else disk.refuse(task, trouble))


def _thin(disk: Disk) -> bool:
    return disk.thin


def _encrypted(disk: Disk) -> bool:
    return keyed(disk.medium) is not None


SANITIZE = (
    Command(
        OPCODE,
        "SANITIZE (OVERWRITE)",
        overwrite,
        usage("48 A1 0000000000 FFFF 04"),
        action=OVERWRITE,
        data_out=wanted,
        medium=True,
        writes=True,
        timeout=86400,
    ),
    Command(
        OPCODE,
        "SANITIZE (BLOCK ERASE)",
        block_erase,
        usage("48 A2 0000000000 FFFF 04"),
        action=BLOCK_ERASE,
        medium=True,
        writes=True,
        available=_thin,
        timeout=86400,
    ),
    Command(
        OPCODE,
        "SANITIZE (CRYPTOGRAPHIC ERASE)",
        cryptographic_erase,
        usage("48 A3 0000000000 FFFF 04"),
        action=CRYPTOGRAPHIC_ERASE,
        medium=True,
        writes=True,
        available=_encrypted,
        timeout=86400,
    ),
    Command(
        OPCODE,
        "SANITIZE (EXIT FAILURE MODE)",
        exit_failure_mode,
        usage("48 BF 0000000000 FFFF 04"),
        action=EXIT_FAILURE_MODE,
        medium=True,
        writes=True,
    ),
)
