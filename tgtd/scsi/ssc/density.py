"""READ BLOCK LIMITS and REPORT DENSITY SUPPORT: what a drive can do, before anything is written (SSC-5 7.5, 7.10)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, MEDIUM_NOT_PRESENT, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.blocks import LONGEST
from tgtd.scsi.ssc.personality import Density
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_MLOI = 0x01
_MEDIA, _MEDIUM_TYPE = 0x01, 0x02
_WRTOK, _DEFLT = 0x80, 0x20


def read_block_limits(drive: TapeDrive, task: Task) -> int:
    """READ BLOCK LIMITS: blocks of 1 byte to 16 MiB - 1; with MLOI, the largest object number."""
    if task.cdb[1] & _MLOI:
        task.data_in = struct.pack(">B11xQ", 0, 0xFFFF_FFFF_FFFF_FFFF)
    else:
        task.data_in = struct.pack(">IH", LONGEST, 1)
    return GOOD


def report_density_support(drive: TapeDrive, task: Task) -> int:
    """REPORT DENSITY SUPPORT: of the drive, or (MEDIA) of what is in it. No medium types are told."""
    cdb = task.cdb
    if cdb[1] & _MEDIUM_TYPE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=1)
    densities = drive.personality.densities
    if cdb[1] & _MEDIA:
        if drive.cartridge is None:
            raise CheckCondition(MEDIUM_NOT_PRESENT)
        densities = tuple(one for one in densities if one.code == drive.cartridge.density)
    body = b"".join(_describe(drive, one) for one in sorted(densities, key=lambda one: one.code))
    task.data_in = (struct.pack(">Hxx", len(body) + 2) + body)[: int.from_bytes(cdb[7:9], "big")]
    return GOOD


def _describe(drive: TapeDrive, density: Density) -> bytes:
    flags = _WRTOK if density.code in drive.personality.writes else 0
    if density.code == drive.write_density:
        flags |= _DEFLT
    return struct.pack(
        ">BBBxx3sHHI8s8s20s",
        density.code,
        density.code,
        flags,
        density.bits_per_mm.to_bytes(3, "big"),
        density.width,
        density.tracks,
        density.capacity,
        density.organisation.encode().ljust(8),
        density.name.encode().ljust(8),
        density.description.encode().ljust(20),
    )


LIMITS = (
    Command(0x05, "READ BLOCK LIMITS", read_block_limits, usage("05 01 000000 04"), reservation="read"),
    Command(
        0x44,
        "REPORT DENSITY SUPPORT",
        report_density_support,
        usage("44 03 0000000000 FFFF 04"),
        reservation="read",
    ),
)
