"""VPD pages of disks, as rows (SBC-4 6.6)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.copy.vital import COPY_PAGE
from tgtd.scsi.inquiry import (
    EXTENDED,
    IDENTIFICATION,
    MANAGEMENT,
    MODE_PAGE_POLICY,
    PORTS,
    SERIAL,
    SUPPORTED,
    InquiryBit,
    VitalPage,
)
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sbc.atomic import most_atomic
from tgtd.scsi.sbc.capacity import reads_zeros
from tgtd.scsi.sbc.power import power_condition_page
from tgtd.scsi.sbc.provision import MOST_SAME_BYTES, MOST_UNMAP_BLOCKS, MOST_UNMAP_DESCRIPTORS, anchors
from tgtd.scsi.sbc.scattered import MOST_RANGES, most_of_a_range, most_scattered
from tgtd.scsi.sbc.write import MOST_COMPARED

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_OPTIMAL_TRANSFER = 1 << 20
_WSNZ = 0x01
_READS_AFTER_ERASE = 0x40
_FUAB, _VBULS = 0x02, 0x01
_UGAVALID = 0x80000000


def _block_limits(disk: Disk, itl: LunNexus) -> bytes:
    """SBC-4 6.6.4. Unmap limits are zero on a disk that does not unmap."""
    shift = disk.shift
    granularity = 0
    if disk.thin:
        granularity = max(1, disk.store().discard_granularity >> shift)
    return struct.pack(
        ">BBHIIIIIIIQIIIII",
        _WSNZ,
        MOST_COMPARED,
        max(1, disk.settings.physical_block_size >> shift),
        disk.most_protected,
        _OPTIMAL_TRANSFER >> shift,
        disk.most_blocks,
        MOST_UNMAP_BLOCKS if disk.thin else 0,
        MOST_UNMAP_DESCRIPTORS if disk.thin else 0,
        granularity,
        _UGAVALID if disk.thin else 0,
        MOST_SAME_BYTES >> shift,
        most_atomic(disk),
        0,
        int(most_atomic(disk) > 0),
        0,
        0,
    )


def _characteristics(disk: Disk, itl: LunNexus) -> bytes:
    """SBC-4 6.6.2: the rotation rate; WABEREQ: what was erased can be read; FUAB: FUA and SYNCHRONIZE CACHE are as
    SBC-4 has them; VBULS: unmapped blocks can be compared."""
    return struct.pack(">HxBB55x", disk.settings.rotation_rate, _READS_AFTER_ERASE if disk.thin else 0, _FUAB | _VBULS)


def _provisioning(disk: Disk, itl: LunNexus) -> bytes:
    """SBC-4 6.6.7: THRESHOLD EXPONENT, LBPU, LBPWS, LBPWS10, LBPRZ, ANC_SUP; thin (2h) or fully provisioned (0h)."""
    if not disk.thin:
        return bytes(4)
    exponent = disk.thresholds.exponent if disk.thresholds.active else 0
    return bytes((exponent, 0xE0 | reads_zeros(disk) << 2 | anchors(disk) << 1, 0x02, 0))


def _block_lengths(disk: Disk, itl: LunNexus) -> bytes:
    """SBC-4 6.6.10: the one block length there is, with NO_PI_CHK, the three checks and all types, or only type 0."""
    return struct.pack(">IBBxx", disk.block_size, *((0x0F, 0x0F) if disk.protectable else (0, 0x01)))


def _block_limits_extension(disk: Disk, itl: LunNexus) -> bytes:
    """SBC-4 6.6.5: no streams, RSCS zero, and how much one WRITE SCATTERED takes."""
    return struct.pack(">12xI2xHI36x", most_of_a_range(disk), MOST_RANGES, most_scattered(disk))


VITAL_PAGES = (
    SUPPORTED,
    SERIAL,
    IDENTIFICATION,
    MANAGEMENT,
    EXTENDED,
    MODE_PAGE_POLICY,
    PORTS,
    VitalPage(0x8A, "power condition", power_condition_page),
    COPY_PAGE,
    VitalPage(0xB0, "block limits", _block_limits),
    VitalPage(0xB1, "block device characteristics", _characteristics),
    VitalPage(0xB2, "logical block provisioning", _provisioning),
    VitalPage(0xB4, "supported block lengths and protection types", _block_lengths),
    VitalPage(0xB7, "block limits extension", _block_limits_extension),
)

EXTENDED_BITS = (
    *(
        InquiryBit(byte, bit, name, lambda disk: disk.protectable)
        for byte, bit, name in (
            (4, 5, "SPT"),
            (4, 4, "SPT"),
            (4, 3, "SPT"),
            (4, 2, "GRD_CHK"),
            (4, 1, "APP_CHK"),
            (4, 0, "REF_CHK"),
            (7, 5, "NO_PI_CHK"),
        )
    ),
    InquiryBit(6, 3, "WU_SUP", lambda disk: True),
)
"""SPT 111b: protection information of types 1, 2 and 3, with every check; WU_SUP: WRITE LONG marks blocks as bad."""
