"""A filter through which nothing can be written."""

from __future__ import annotations

import errno

from tgtd.media.touching import Touching
from tgtd.scsi.medium import BlockMedium

WRITING = ("write", "discard", "zero")


class ReadOnlyMedium(Touching):
    """Says that it is not writable, and holds to it: EROFS."""

    def __init__(self, medium: BlockMedium) -> None:
        super().__init__(medium, WRITING)
        self.writable = False
        self.can_discard = self.can_anchor = False
        self.discard_granularity = 0

    def before(self, verb: str, offset: int, length: int) -> None:
        raise OSError(errno.EROFS, "a filter of this LUN makes it read-only")
