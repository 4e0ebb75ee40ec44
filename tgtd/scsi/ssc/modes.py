"""Mode pages of tape drives, as rows (SSC-5 8.3, SPC-5 7.5). What is not performed is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.mode import ModeField, ModePage, constant
from tgtd.scsi.spc.controlmode import D_SENSE, NUAR, TAS
from tgtd.scsi.ssc.division import PARTITIONS
from tgtd.scsi.ssc.ground import CONFIGURATION_EXTENSION
from tgtd.scsi.ssc.guarding import CONTROL_DATA_PROTECTION

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

_UNREGISTERED = 0xFF
"""COMPRESSION ALGORITHM: none that T10 has a number for."""

RECOVERY = ModePage(0x01, 0, "read-write error recovery", 12, ())
DISCONNECT_RECONNECT = ModePage(0x02, 0, "disconnect-reconnect", 16, (), common=True)

CONTROL = ModePage(
    0x0A,
    0,
    "control",
    12,
    (
        D_SENSE,
        constant(2, 1, 1, "GLTSD", 1),
        NUAR,
        TAS,
    ),
)


def _set_compression(drive: TapeDrive, on: int) -> None:
    drive.compression = bool(on)


DCE = ModeField(2, 7, 1, "DCE", lambda drive: drive.compression, lambda _: 0, _set_compression)
COMPRESSION = ModePage(
    0x0F,
    0,
    "data compression",
    16,
    (
        DCE,
        constant(2, 6, 1, "DCC", 1),
        constant(3, 7, 1, "DDE", 1),
        constant(4, 0, 32, "COMPRESSION ALGORITHM", _UNREGISTERED),
        constant(8, 0, 32, "DECOMPRESSION ALGORITHM", _UNREGISTERED),
    ),
)
"""What is read is handed out as it was sent once (DDE), whatever DCE is then."""

CONFIGURATION = ModePage(
    0x10,
    0,
    "device configuration",
    16,
    (
        ModeField(3, 0, 8, "ACTIVE PARTITION", lambda drive: drive.head.partition, lambda _: 0),
        constant(8, 6, 1, "BLOCK IDENTIFIERS SUPPORTED", 1),
        constant(10, 4, 1, "EEG", 1),
        constant(10, 3, 1, "SEW", 1),
        ModeField(
            14,
            0,
            8,
            "SELECT DATA COMPRESSION ALGORITHM",
            lambda drive: drive.compression,
            lambda drive: COMPRESSION.default_of(drive, DCE),
        ),
        constant(15, 3, 2, "REWIND ON RESET", 0b10),
    ),
)
"""SELECT DATA COMPRESSION ALGORITHM says what DCE says, which is where it is changed.
EEG: a gap is at the end of data; SEW: what was written is synchronized at early warning. A reset leaves the drive where
it is."""

POWER_CONDITION = ModePage(0x1A, 0, "power condition", 40, ())
"""The drive is always active: no timer runs (SPC-5 7.5.15)."""

INFORMATIONAL_EXCEPTIONS = ModePage(0x1C, 0, "informational exceptions control", 12, (constant(2, 3, 1, "DEXCPT", 1),))

MEDIUM_CONFIGURATION = ModePage(
    0x1D,
    0,
    "medium configuration",
    32,
    (
        ModeField(2, 0, 1, "WORMM", lambda drive: drive.worm, lambda _: 0),
        ModeField(5, 0, 8, "WORM MODE FILEMARKS RESTRICTIONS", lambda drive: 0x02 * drive.worm, lambda _: 0),
    ),
)
"""Of a WORM medium no label is overwritten, and of the filemarks at its end all but the first (ground.py)."""


def _by_ibm(drive: TapeDrive) -> bool:
    return drive.personality.vendor == "IBM"


ENCRYPTION_CAPABILITY = ModePage(
    0x24,
    0,
    "vendor-specific",
    8,
    (constant(7, 0, 1, "ENCRYPTION CAPABLE", 1),),
    available=lambda drive: _by_ibm(drive) and drive.encrypts,
    apart=True,
)
"""IBM's way to ask whether a drive can encrypt."""

BEHAVIOR = ModePage(0x2F, 0, "behavior configuration", 10, (), available=_by_ibm)
"""IBM's, all zeros: it does not ask for cleaning now and then, does not emulate WORM on other media, does not throw
cartridges out, and keeps deferred errors from no command."""

MODE_PAGES = (
    RECOVERY,
    DISCONNECT_RECONNECT,
    CONTROL,
    CONTROL_DATA_PROTECTION,
    COMPRESSION,
    CONFIGURATION,
    CONFIGURATION_EXTENSION,
    PARTITIONS,
    POWER_CONDITION,
    INFORMATIONAL_EXCEPTIONS,
    MEDIUM_CONFIGURATION,
    ENCRYPTION_CAPABILITY,
    BEHAVIOR,
)
