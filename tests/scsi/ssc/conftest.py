"""The drive that the tests of this folder share."""

from __future__ import annotations

from tests.scsi.ssc.taping import tape

__all__ = ["tape"]
