"""What the administrator chose for a disk, which media can serve it, and who is told when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter

from tgtd.scsi.declaredmodes import Declared
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sense import CAPACITY_DATA_CHANGED, INQUIRY_DATA_CHANGED, MODE_PARAMETERS_CHANGED, Sense


@dataclass(frozen=True, slots=True)
class DiskSettings:
    """What the administrator chose. Sizes in bytes; rotation_rate as in VPD page B1h (1: none, 0: unsaid);
    mode_pages: what declaredmodes.py makes of them; management: URLs of VPD page 85h; pool_warning: percent of the
    pool that are used when thresholds.py tells of it, 0: never."""

    write_cache: bool = True
    block_size: int = 512
    physical_block_size: int = 4096
    read_only: bool = False
    removable: bool = False
    thin: bool = True
    rotation_rate: int = 1
    mode_pages: tuple[Declared, ...] = ()
    management: tuple[str, ...] = ()
    pool_warning: int = 0


def check_fit(medium: BlockMedium | None, settings: DiskSettings) -> None:
    """Raises ValueError, in words, when the medium cannot serve these settings."""
    if settings.block_size not in (512, 1024, 2048, 4096):
        raise ValueError(f"a block size of {settings.block_size} bytes is not possible; use 512 or 4096")
    if medium is not None and settings.block_size not in medium.block_sizes:
        able = ", ".join(map(str, medium.block_sizes))
        raise ValueError(f"the medium cannot serve blocks of {settings.block_size} bytes; use one of {able}")


def tidings(old: DiskSettings, new: DiskSettings, renamed: bool) -> list[Sense]:
    """The unit attentions that a change of settings calls for."""
    found = []
    told = attrgetter("removable", "thin", "rotation_rate", "management")
    if renamed or told(old) != told(new) or bool(old.pool_warning) != bool(new.pool_warning):
        found.append(INQUIRY_DATA_CHANGED)
    moded = attrgetter("write_cache", "read_only", "mode_pages", "pool_warning")
    if moded(old) != moded(new):
        found.append(MODE_PARAMETERS_CHANGED)
    if old.physical_block_size != new.physical_block_size:
        found.append(CAPACITY_DATA_CHANGED)
    return found
