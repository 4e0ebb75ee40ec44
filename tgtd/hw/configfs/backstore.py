"""A TCMU backstore: one LUN of one target, as the kernel's target core is told of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from tgtd.hw.configfs.item import BACKSTORE, CORE, Folder, Item, Value
from tgtd.hw.configfs.present import mark

_SECTORS = 8192
"""What the kernel shows as the most blocks of a command; it holds nobody to it."""
_AREA = 128
"""MiB of kernel memory that the data of one LUN's commands may take at a time."""


@dataclass(frozen=True, slots=True)
class Backstore:
    """target: its name. lun: as the target numbers it. size: bytes; the kernel only shows it. block: bytes of a logical
    block. serial: what the kernel itself calls the unit by. patience: seconds that the kernel waits for an answer, 0:
    for ever."""

    installation: bytes
    target: str
    lun: int
    size: int
    block: int
    serial: str
    patience: int

    @property
    def path(self) -> str:
        return f"{home(self.installation, self.target)}/lun_{self.lun}"

    @property
    def configuration(self) -> str:
        """What the kernel shows to whoever opens the ring."""
        return f"{mark(self.installation, self.target)}{self.lun}"

    def items(self) -> Iterator[Item]:
        """In the order in which they are made; `enable` comes last, and makes the UIO device."""
        yield Folder(home(self.installation, self.target))
        yield Folder(self.path)
        control = (
            f"dev_size={self.size},hw_block_size={self.block},hw_max_sectors={_SECTORS},"
            f"max_data_area_mb={_AREA},nl_reply_supported=-1,dev_config={self.configuration}"
        )
        yield Value(f"{self.path}/control", control, once=True)
        yield Value(
            f"{self.path}/wwn/vpd_unit_serial",
            self.serial,
            shows=f"T10 VPD Unit Serial Number: {self.serial}",
            settled=True,
        )
        yield Value(f"{self.path}/attrib/hw_block_size", str(self.block), vital=True, told=True)
        yield Value(f"{self.path}/attrib/cmd_time_out", str(self.patience), settled=True)
        yield Value(f"{self.path}/attrib/tmr_notification", "1")
        yield Value(f"{self.path}/attrib/alua_support", "0")
        yield Value(f"{self.path}/enable", "1", vital=True)


def home(installation: bytes, target: str) -> str:
    """The folder of a target's backstores, with a number to which other programs do not come, as they count from 0."""
    digest = hashlib.sha256(installation + target.encode()).digest()
    return f"{CORE}/{BACKSTORE}{0x40000000 | int.from_bytes(digest[:4], 'big') >> 2}"
