"""Whether a file looks like the cartridge that its name promises, without opening it as one. Blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection

from tgtd.media.cartridge import label as labels
from tgtd.media.cartridge.label import DATA, Label
from tgtd.scsi.ssc.personality import PERSONALITIES


def trouble(path: str, barcode: str | None, reads: Collection[int] | None = None, made: bool = False) -> str | None:
    """What is wrong with a file that should be this cartridge, in words; None: nothing that its label would show.
    barcode None: any. reads: the density codes that its drive reads; None: any. made: whether it will be made if it
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
    if reads is not None and label.density and label.density not in reads:
        return f"its density ({label.density:02X}h) is none that the drive reads"
    missing = _end(label) - status.st_size
    return f"the last {missing} bytes of its data are missing" if missing > 0 else None


def readable(personality: str) -> frozenset[int]:
    """The density codes that a drive of this name reads."""
    return frozenset(one.code for one in PERSONALITIES[personality].densities)


def _end(label: Label) -> int:
    """How long the file is that has all data of which the label knows."""
    end = 0
    for extent in label.partitions:
        whole, rest = divmod(extent.end, label.segment)
        parts = [label.segment] * whole + ([rest] if rest else [])
        for number, length in zip(extent.segments, parts, strict=False):
            end = max(end, DATA + number * label.segment + length)
    return end
