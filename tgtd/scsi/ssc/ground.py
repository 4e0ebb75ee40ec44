"""The ground that is written on: what may be overwritten there, and when the end is near (SSC-5 4.2.5, 4.2.18, 4.2.19).

A WORM medium, and any in append-only mode (WRITE MODE of the device configuration extension page), is only added to:
at the end of the data, or over filemarks at the end that follow another. In append-only mode ALLOW OVERWRITE makes an
exception of one place, or of FORMAT MEDIUM and SET CAPACITY; nothing does of a WORM medium.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.mode import ModeField, ModePage, constant
from tgtd.scsi.sense import (
    END_OF_PARTITION,
    GOOD,
    INVALID_FIELD_IN_CDB,
    OPERATOR_WRITE_PROTECT,
    PROGRAMMABLE_EARLY_WARNING,
    SEQUENTIAL_POSITIONING_ERROR,
    WORM_OVERWRITE,
    CheckCondition,
)
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.ssc.cartridge import Cartridge, Partition
from tgtd.scsi.ssc.head import EOM, Head, Stopped, filemarks_before
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_MEGABYTE = 1_000_000
_DISABLED, _HERE, _FORMAT = range(3)
"""ALLOW OVERWRITE."""
_SHORT_ERASE_TO_END = 2
"""SHORT ERASE MODE: the end of the data is where the drive is."""


class Exemption(NamedTuple):
    """What ALLOW OVERWRITE has allowed. place: partition and object number."""

    place: tuple[int, int] | None = None
    formatting: bool = False


NONE = Exemption()


class Ground(NamedTuple):
    """place: see Exemption; None: none. warning, early: the bytes of the partition from which on the end is near, as
    the initiator wants to know it, and for good."""

    append_only: bool
    place: tuple[int, int] | None
    warning: int
    early: int

    def clear(self, cartridge: Cartridge, head: Head) -> Partition:
        """Writing begins here: what follows is gone. Raises CheckCondition: it may not be overwritten."""
        partition = cartridge.partitions[head.partition]
        if head.number < partition.objects or partition.lost:
            worm = cartridge.kind == "worm"
            protected = worm or (self.append_only and self.place != head[:2])
            if protected and not _is_trailer(partition, head.number):
                raise CheckCondition(WORM_OVERWRITE if worm else OPERATOR_WRITE_PROTECT)
            cartridge.cut(head.partition, head.number)
        return partition

    def warned(self, partition: Partition, number: int, before: int) -> Head:
        """Behind the data. number: of the partition. before: where its data has ended before. Raises Stopped: all was
        written, and the end is near, or what the initiator calls near was reached just now."""
        head = Head(number, partition.objects)
        if partition.end > self.early:
            raise Stopped(head, END_OF_PARTITION, EOM, 0)
        if before <= self.warning < partition.end:
            raise Stopped(head, PROGRAMMABLE_EARLY_WARNING, EOM, 0)
        return head


def _is_trailer(partition: Partition, number: int) -> bool:
    """Whether only filemarks follow, and one more comes before them."""
    if partition.lost or not number:
        return False
    marks = filemarks_before(partition, number - 1)
    return partition.filemarks - marks == partition.objects - number + 1


def check_formatting(drive: TapeDrive) -> None:
    """Raises CheckCondition: append-only mode keeps the medium from being formatted."""
    if drive.append_only and not drive.exemption.formatting:
        raise CheckCondition(OPERATOR_WRITE_PROTECT)


def allow_overwrite(drive: TapeDrive, task: Task) -> int:
    """ALLOW OVERWRITE (SSC-5 7.1): until the drive is elsewhere, or has written or formatted."""
    kind, partition, number = struct.unpack_from(">2xBBQ", task.cdb)
    drive.exemption = NONE
    if kind > _FORMAT:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=3)
    if kind == _HERE:
        if (partition, number) != drive.head[:2]:
            raise CheckCondition(SEQUENTIAL_POSITIONING_ERROR)
        drive.exemption = Exemption(place=(partition, number))
    elif kind == _FORMAT:
        drive.exemption = Exemption(formatting=True)
    return GOOD


def _set_mode(drive: TapeDrive, value: int) -> None:
    drive.append_only = bool(value)
    drive.exemption = NONE


def _free(drive: TapeDrive) -> bool:
    """Append-only mode does not end while a medium is loaded."""
    return not (drive.append_only and drive.loaded)


def _set_warning(drive: TapeDrive, value: int) -> None:
    drive.warning_size = value * _MEGABYTE


CONFIGURATION_EXTENSION = ModePage(
    0x10,
    1,
    "device configuration extension",
    32,
    (
        ModeField(5, 4, 4, "WRITE MODE", lambda drive: drive.append_only, lambda _: 0, _set_mode, _free, values=(0, 1)),
        constant(5, 0, 4, "SHORT ERASE MODE", _SHORT_ERASE_TO_END),
        ModeField(6, 0, 16, "PEWS", lambda drive: drive.warning_size // _MEGABYTE, lambda _: 0, _set_warning),
    ),
)

GROUND = (
    Command(
        0x82,
        "ALLOW OVERWRITE",
        allow_overwrite,
        usage("82 00 0F FF FFFFFFFFFFFFFFFF 000000 04"),
        medium=True,
        writes=True,
    ),
)
