"""The commands of a disk, as rows (SBC-4 5). DPO is the hint it is. Protection information: protection/rows.py."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command, DataOut, Handler
from tgtd.scsi.copy.commands import COPIES
from tgtd.scsi.copy.rods import TOKENS
from tgtd.scsi.log import LOGS
from tgtd.scsi.sbc.atomic import ATOMIC
from tgtd.scsi.sbc.capacity import read_capacity_10, read_capacity_16
from tgtd.scsi.sbc.defects import DEFECTS
from tgtd.scsi.sbc.diagnostic import DIAGNOSTICS
from tgtd.scsi.sbc.format import FORMAT
from tgtd.scsi.sbc.lbastatus import LBA_STATUS
from tgtd.scsi.sbc.orwrite import ORWRITE
from tgtd.scsi.sbc.protection.rows import LONG_OTHERS, LONG_TRANSFERS, with_protection
from tgtd.scsi.sbc.provision import anchors, unmap, wanted_same, wanted_unmap, write_same
from tgtd.scsi.sbc.read import pre_fetch, read_6, read_10, read_12, read_16
from tgtd.scsi.sbc.removal import allows_only, start_stop_unit, starts_only
from tgtd.scsi.sbc.sanitize import SANITIZE
from tgtd.scsi.sbc.scattered import SCATTERED
from tgtd.scsi.sbc.verify import verify
from tgtd.scsi.sbc.verify import wanted as wanted_verify
from tgtd.scsi.sbc.write import (
    compare_and_write,
    synchronize_cache,
    wanted,
    wanted_10,
    wanted_compare,
    write_6,
    write_10,
    write_12,
    write_16,
    write_and_verify,
)
from tgtd.scsi.spc.buffers import BUFFERS
from tgtd.scsi.spc.commands import COMMON, MODES, usage
from tgtd.scsi.spc.identifying import IDENTIFYING
from tgtd.scsi.spc.persistent import PERSISTENT
from tgtd.scsi.spc.portgroups import PORT_GROUPS
from tgtd.scsi.spc.removal import prevent_allow
from tgtd.scsi.spc.reserve import RESERVES
from tgtd.scsi.spc.timestamp import TIMESTAMPS
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

# The CDB of most commands after its second byte: LBA, length, GROUP NUMBER and CONTROL as each size orders them.
_TEN = "FFFFFFFF 3F FFFF 04"
_TWELVE = "FFFFFFFF FFFFFFFF 3F 04"
_SIXTEEN = "FFFFFFFFFFFFFFFF FFFFFFFF 3F 04"


def _lets_go(disk: Disk) -> bool:
    return disk.thin and not anchors(disk)


def _thick(disk: Disk) -> bool:
    return not disk.thin


def _removable(disk: Disk) -> bool:
    return disk.removable


def _read(opcode: int, name: str, handler: Handler, mask: str) -> Command:
    return Command(opcode, name, handler, usage(mask), medium=True, reservation="read")


def _write(opcode: int, name: str, handler: Handler, mask: str, data_out: DataOut = wanted) -> Command:
    return Command(opcode, name, handler, usage(mask), data_out=data_out, medium=True, writes=True, reservation="write")


def _verify(opcode: int, name: str, mask: str) -> Command:
    return Command(opcode, name, verify, usage(mask), data_out=wanted_verify, medium=True, reservation="read")


def _counted(row: Command) -> Command:
    """The row, counting its commands as neither reads nor writes."""
    handler = row.handler

    def count(disk: Disk, task: Task) -> int:
        disk.counters.other += 1
        return handler(disk, task)

    return replace(row, handler=count)


TRANSFERS = (
    _read(0x08, "READ(6)", read_6, "08 1FFFFF FF 04"),
    _read(0x28, "READ(10)", read_10, f"28 18 {_TEN}"),
    _read(0xA8, "READ(12)", read_12, f"A8 18 {_TWELVE}"),
    _read(0x88, "READ(16)", read_16, f"88 18 {_SIXTEEN}"),
    _write(0x0A, "WRITE(6)", write_6, "0A 1FFFFF FF 04"),
    _write(0x2A, "WRITE(10)", write_10, f"2A 18 {_TEN}", wanted_10),
    _write(0xAA, "WRITE(12)", write_12, f"AA 18 {_TWELVE}"),
    _write(0x8A, "WRITE(16)", write_16, f"8A 18 {_SIXTEEN}"),
    _write(0x2E, "WRITE AND VERIFY(10)", write_and_verify, f"2E 12 {_TEN}"),
    _write(0xAE, "WRITE AND VERIFY(12)", write_and_verify, f"AE 12 {_TWELVE}"),
    _write(0x8E, "WRITE AND VERIFY(16)", write_and_verify, f"8E 12 {_SIXTEEN}"),
    Command(
        0x89,
        "COMPARE AND WRITE",
        compare_and_write,
        usage("89 18 FFFFFFFFFFFFFFFF 000000 FF 3F 04"),
        data_out=wanted_compare,
        medium=True,
        writes=True,
        reservation="write",
    ),
    *ORWRITE,
    *ATOMIC,
    *SCATTERED,
    *(
        Command(
            opcode,
            name,
            write_same,
            usage(mask),
            data_out=wanted_same,
            medium=True,
            writes=True,
            reservation="write",
            available=available,
        )
        for opcode, name, mask, available in (
            (0x41, "WRITE SAME(10)", f"41 18 {_TEN}", anchors),
            (0x93, "WRITE SAME(16)", f"93 19 {_SIXTEEN}", anchors),
            (0x41, "WRITE SAME(10)", f"41 08 {_TEN}", _lets_go),
            (0x93, "WRITE SAME(16)", f"93 09 {_SIXTEEN}", _lets_go),
            (0x41, "WRITE SAME(10)", f"41 00 {_TEN}", _thick),
            (0x93, "WRITE SAME(16)", f"93 01 {_SIXTEEN}", _thick),
        )
    ),
)
"""What DiskCounters counts as reads and writes."""

OTHERS = (
    *COMMON,
    *MODES,
    *PERSISTENT,
    *RESERVES,
    *PORT_GROUPS,
    *FORMAT,
    *SANITIZE,
    *DEFECTS,
    *TIMESTAMPS,
    *BUFFERS,
    *IDENTIFYING,
    *LOGS,
    *DIAGNOSTICS,
    *COPIES,
    *TOKENS,
    _verify(0x2F, "VERIFY(10)", f"2F 16 {_TEN}"),
    _verify(0xAF, "VERIFY(12)", f"AF 16 {_TWELVE}"),
    _verify(0x8F, "VERIFY(16)", f"8F 16 {_SIXTEEN}"),
    _read(0x34, "PRE-FETCH(10)", pre_fetch, f"34 02 {_TEN}"),
    _read(0x90, "PRE-FETCH(16)", pre_fetch, f"90 02 {_SIXTEEN}"),
    Command(
        0x25,
        "READ CAPACITY(10)",
        read_capacity_10,
        usage("25 00 00000000 0000 00 04"),
        medium=True,
        reservation="allowed",
    ),
    Command(
        0x9E,
        "READ CAPACITY(16)",
        read_capacity_16,
        usage("9E 10 0000000000000000 FFFFFFFF 00 04"),
        action=0x10,
        medium=True,
        reservation="allowed",
    ),
    *LBA_STATUS,
    Command(
        0x35,
        "SYNCHRONIZE CACHE(10)",
        synchronize_cache,
        usage(f"35 02 {_TEN}"),
        medium=True,
        reservation="write",
        timeout=120,
    ),
    Command(
        0x91,
        "SYNCHRONIZE CACHE(16)",
        synchronize_cache,
        usage(f"91 02 {_SIXTEEN}"),
        medium=True,
        reservation="write",
        timeout=120,
    ),
    Command(0x1B, "START STOP UNIT", start_stop_unit, usage("1B 01 00 0F F7 04"), reservation=starts_only, timeout=120),
    Command(
        0x1E,
        "PREVENT ALLOW MEDIUM REMOVAL",
        prevent_allow,
        usage("1E 00 00 00 01 04"),
        reservation=allows_only,
        available=_removable,
    ),
    *(
        Command(
            0x42,
            "UNMAP",
            unmap,
            usage(mask),
            data_out=wanted_unmap,
            medium=True,
            writes=True,
            reservation="write",
            available=available,
        )
        for mask, available in (("42 01 00000000 3F FFFF 04", anchors), ("42 00 00000000 3F FFFF 04", _lets_go))
    ),
)

ROWS = (*with_protection((*TRANSFERS, *map(_counted, OTHERS))), *LONG_TRANSFERS, *map(_counted, LONG_OTHERS))
