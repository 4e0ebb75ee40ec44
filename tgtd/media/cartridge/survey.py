"""Whether a file looks like the cartridge that its name promises, without opening it as one. Blocks."""

from __future__ import annotations

import os
import stat

from tgtd.media.cartridge import label as labels
from tgtd.media.cartridge.label import DATA, Label
from tgtd.scsi.ssc.personality import PERSONALITIES


def trouble(path: str, barcode: str | None, personality: str | None = None, made: bool = False) -> str | None:
    """What is wrong with a file that should be this cartridge, in words; None: nothing that its label would show.
    barcode None: any. personality: of the drive that is to read it; None: any. made: whether it will be made if it
    is missing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if made and isinstance(error, FileNotFoundError):
            return None
        return f"it cannot be read: {error.strerror}"
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return "it is no regular file"
        _, label = labels.read(fd, "it")
    except OSError as error:
        return error.strerror or str(error)
    finally:
        os.close(fd)
    if barcode is not None and label.barcode != barcode:
        return f"its label says that it is {label.barcode}"
    drive = PERSONALITIES.get(personality or "")
    if drive is not None and label.density and drive.density(label.density) is None:
        return f"its density ({label.density:02X}h) is none that {drive.name} reads"
    missing = _end(label) - status.st_size
    return f"the last {missing} bytes of its data are missing" if missing > 0 else None


def _end(label: Label) -> int:
    """How long the file is that has all data of which the label knows."""
    end = 0
    for extent in label.partitions:
        whole, rest = divmod(extent.end, label.segment)
        parts = [label.segment] * whole + ([rest] if rest else [])
        for number, length in zip(extent.segments, parts, strict=False):
            end = max(end, DATA + number * label.segment + length)
    return end
