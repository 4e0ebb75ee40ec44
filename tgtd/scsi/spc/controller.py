"""The controller (device type 0Ch) that answers at LUN 0 when no device is there, so that LUNs can be discovered."""

from __future__ import annotations

from typing import ClassVar

from tgtd.scsi.inquiry import EXTENDED, IDENTIFICATION, SERIAL, SUPPORTED
from tgtd.scsi.spc.commands import COMMON, without_naca
from tgtd.scsi.spc.unit import PrimaryUnit


class Controller(PrimaryUnit):
    """Keeps nothing and has no medium: all its commands end where they begin."""

    device_type = 0x0C
    rows = without_naca(COMMON)
    vital_pages: ClassVar = (SUPPORTED, SERIAL, IDENTIFICATION, EXTENDED)
    raises_attention = False
    normal_aca = False
