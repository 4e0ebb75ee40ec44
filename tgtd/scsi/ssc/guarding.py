"""Logical block protection: what an initiator sends behind each block, or gets behind it, tells whether anything has
changed on the way (SSC-5 4.2.29; mode page 0Ah/F0h, SSC-5 8.3.9; VPD page B5h, SSC-5 8.6.5).

It counts as a part of the block in every length of a command and of the mode parameters. In the cartridge blocks have
checksums of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tgtd.scsi.medium import Buffer
from tgtd.scsi.mode import ModeField, ModePage

if TYPE_CHECKING:
    from tgtd.scsi.nexus import LunNexus
    from tgtd.scsi.ssc.drive import TapeDrive

NONE, REED_SOLOMON, CRC32C = 0, 1, 2
"""LOGICAL BLOCK PROTECTION METHOD."""
SIZE = 4
"""Bytes of protection information, with either method."""

Guard = Callable[[Buffer], bytes]
"""The SIZE bytes that belong behind a block. Blocks for as long as it takes."""
Guards = Mapping[int, Guard]
"""By method."""


@dataclass(frozen=True, slots=True)
class Protection:
    """method: NONE, and nothing else counts; or which. writes, reads: LBP_W and LBP_R."""

    method: int = NONE
    length: int = 0
    writes: bool = False
    reads: bool = False

    def guard(self, guards: Guards, writing: bool) -> Guard | None:
        """What protects the blocks of a command, if anything does."""
        return guards[self.method] if self.method and (self.writes if writing else self.reads) else None


OFF = Protection()


def _offered(drive: Any) -> bool:
    return bool(drive.settings.guards)


def _field(byte: int, bit: int, width: int, name: str, attribute: str, values: tuple[int, ...] | None) -> ModeField:
    """One of Protection's."""

    def value(drive: TapeDrive) -> int:
        return int(getattr(drive.protection, attribute)) if drive.protection.method else 0

    def change(drive: TapeDrive, value: int) -> None:
        changed: dict[str, Any] = {attribute: value}
        drive.protection = replace(drive.protection, **changed)

    return ModeField(byte, bit, width, name, value, lambda _: 0, change, changeable=_offered, values=values)


def _wrong(drive: TapeDrive, page: bytes) -> tuple[int, int] | None:
    """A method protects by SIZE bytes; without one nothing else counts."""
    return None if not page[4] or page[5] & 0x3F == SIZE else (5, 5)


CONTROL_DATA_PROTECTION = ModePage(
    0x0A,
    0xF0,
    "control data protection",
    32,
    (
        _field(4, 0, 8, "LOGICAL BLOCK PROTECTION METHOD", "method", (NONE, REED_SOLOMON, CRC32C)),
        _field(5, 0, 6, "LOGICAL BLOCK PROTECTION INFORMATION LENGTH", "length", (0, SIZE)),
        _field(6, 7, 1, "LBP_W", "writes", None),
        _field(6, 6, 1, "LBP_R", "reads", None),
    ),
    savable=False,
    available=_offered,
    wrong=_wrong,
)


def protection_page(drive: TapeDrive, itl: LunNexus) -> bytes:
    """Logical block protection VPD page: each method, for WRITE and for READ."""
    both = 0xC0
    methods = b"".join(struct.pack(">BBBBx", SIZE, method, SIZE, both) for method in sorted(drive.settings.guards))
    return bytes(4) + methods
