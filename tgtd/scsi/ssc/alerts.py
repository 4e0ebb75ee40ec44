"""TapeAlert: what is wrong, or about to be, as flags (SSC-5 4.2.17, annex A).

Only flags for what can happen to this drive are ever raised.
"""

from __future__ import annotations

from tgtd.scsi.sense import (
    MEDIUM_ERROR,
    MEDIUM_REMOVAL_PREVENTED,
    WORM_OVERWRITE,
    WRITE_PROTECTED,
    CheckCondition,
)
from tgtd.scsi.spc import tapealert

HARD_ERROR, READ_FAILURE, WRITE_FAILURE = 0x03, 0x05, 0x06
WRITE_PROTECT, NO_REMOVAL, READ_ONLY_FORMAT, WORM_WRITTEN = 0x09, 0x0A, 0x11, 0x3C
CLEANING_MEDIA, UNSUPPORTED_FORMAT, EXPIRED_CLEANING = 0x0B, 0x0C, 0x16

_REFUSALS = {
    WRITE_PROTECTED: WRITE_PROTECT,
    MEDIUM_REMOVAL_PREVENTED: NO_REMOVAL,
    WORM_OVERWRITE: WORM_WRITTEN,
}


class Alerts(tapealert.Alerts):
    """A drive's."""

    def note(self, trouble: CheckCondition, writing: bool) -> None:
        """What a command was refused with."""
        if trouble.sense.key == MEDIUM_ERROR:
            self.activate(HARD_ERROR, WRITE_FAILURE if writing else READ_FAILURE)
        elif trouble.sense in _REFUSALS:
            self.activate(_REFUSALS[trouble.sense])
