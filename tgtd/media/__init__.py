"""Media: what devices keep their data on. They speak storage verbs (tgtd.scsi.medium) and raise OSError; see no CDB.

To add one: a file here, and a line in OPENERS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tgtd.media.block import BlockDeviceMedium
from tgtd.media.file import FileMedium
from tgtd.media.library import LibraryMedium
from tgtd.media.null import NullMedium
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError
from tgtd.media.ram import RamMedium
from tgtd.media.scsi import ScsiDeviceMedium
from tgtd.media.tape import TapeMedium
from tgtd.scsi.medium import BlockMedium, Store


class Opener(Protocol):
    """Opens a medium. May block. Raises MediumError, whose text names cause and fix."""

    def __call__(self, path: str | None, options: OpenOptions = PLAIN) -> Store: ...


OPENERS: Mapping[str, Opener] = {
    "file": FileMedium.open,
    "block": BlockDeviceMedium.open,
    "ram": RamMedium.open,
    "null": NullMedium.open,
    "scsi": ScsiDeviceMedium.open,
    "tape": TapeMedium.open,
    "library": LibraryMedium.open,
}
"""By the configuration's `type`; the options are the other keys of `medium`, and whether it is written to."""

__all__ = ["OPENERS", "BlockMedium", "MediumError", "OpenOptions", "Opener", "Store"]
