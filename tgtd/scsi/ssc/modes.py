"""Mode pages of tape drives, as rows (SSC-5 8.3, SPC-5 7.5). What is not performed is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.mode import ModeField, ModePage
from tgtd.scsi.ssc.division import PARTITIONS

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive


def _constant(byte: int, bit: int, width: int, name: str, value: int) -> ModeField:
    return ModeField(byte, bit, width, name, value=lambda _: value, default=lambda _: value)


def _set_descriptor_sense(drive: TapeDrive, on: int) -> None:
    drive.descriptor_sense = bool(on)


def _set_report_aborts(drive: TapeDrive, on: int) -> None:
    drive.report_aborts = bool(on)


def _set_quiet_release(drive: TapeDrive, on: int) -> None:
    drive.quiet_release = bool(on)


RECOVERY = ModePage(0x01, 0, "read-write error recovery", 12, ())
DISCONNECT_RECONNECT = ModePage(0x02, 0, "disconnect-reconnect", 16, (), common=True)

CONTROL = ModePage(
    0x0A,
    0,
    "control",
    12,
    (
        ModeField(2, 2, 1, "D_SENSE", lambda drive: drive.descriptor_sense, lambda _: 0, _set_descriptor_sense),
        _constant(2, 1, 1, "GLTSD", 1),
        ModeField(3, 3, 1, "NUAR", lambda drive: drive.quiet_release, lambda _: 0, _set_quiet_release),
        ModeField(5, 6, 1, "TAS", lambda drive: drive.report_aborts, lambda _: 0, _set_report_aborts),
    ),
)

COMPRESSION = ModePage(0x0F, 0, "data compression", 16, (_constant(3, 7, 1, "DDE", 1),))
"""DCC zero: nothing is compressed. What is read is handed out as it was written (DDE)."""

CONFIGURATION = ModePage(
    0x10,
    0,
    "device configuration",
    16,
    (
        ModeField(3, 0, 8, "ACTIVE PARTITION", lambda drive: drive.head.partition, lambda _: 0),
        _constant(8, 6, 1, "BLOCK IDENTIFIERS SUPPORTED", 1),
        _constant(10, 4, 1, "EEG", 1),
        _constant(10, 3, 1, "SEW", 1),
    ),
)
"""EEG: a gap is at the end of data; SEW: what was written is synchronized at early warning."""

INFORMATIONAL_EXCEPTIONS = ModePage(0x1C, 0, "informational exceptions control", 12, (_constant(2, 3, 1, "DEXCPT", 1),))

MEDIUM_CONFIGURATION = ModePage(
    0x1D,
    0,
    "medium configuration",
    32,
    (
        ModeField(2, 0, 1, "WORMM", lambda drive: drive.worm, lambda _: 0),
        ModeField(4, 0, 8, "WORM MODE LABEL RESTRICTIONS", lambda drive: 0x02 * drive.worm, lambda _: 0),
        ModeField(5, 0, 8, "WORM MODE FILEMARKS RESTRICTIONS", lambda drive: 0x02 * drive.worm, lambda _: 0),
    ),
)
"""A WORM medium is only added to: not even a label or filemarks are overwritten."""

MODE_PAGES = (
    RECOVERY,
    DISCONNECT_RECONNECT,
    CONTROL,
    COMPRESSION,
    CONFIGURATION,
    PARTITIONS,
    INFORMATIONAL_EXCEPTIONS,
    MEDIUM_CONFIGURATION,
)
