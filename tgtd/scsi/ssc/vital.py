"""VPD pages of tape drives, as rows (SSC-5 8.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.inquiry import EXTENDED, IDENTIFICATION, SERIAL, SUPPORTED, VitalPage
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.ssc.guarding import protection_page

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_WORM = 0x01


def _capabilities(drive: TapeDrive, itl: LunNexus) -> bytes:
    """Sequential access device capabilities: WORM media are heeded."""
    return bytes((_WORM, 0))


def _serial_of_maker(drive: TapeDrive, itl: LunNexus) -> bytes:
    """Manufacturer-assigned serial number: the same as the unit's."""
    return drive.identity.serial.encode("ascii", "replace")


VITAL_PAGES = (
    SUPPORTED,
    SERIAL,
    IDENTIFICATION,
    EXTENDED,
    VitalPage(0xB0, "sequential access device capabilities", _capabilities),
    VitalPage(0xB1, "manufacturer-assigned serial number", _serial_of_maker),
    VitalPage(0xB5, "logical block protection", protection_page, lambda drive: bool(drive.settings.guards)),
)
