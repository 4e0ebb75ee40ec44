"""The library that the tests of this folder share."""

from __future__ import annotations

from tests.scsi.smc.library import library

__all__ = ["library"]
