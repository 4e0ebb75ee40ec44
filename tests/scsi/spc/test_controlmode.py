"""tgtd.scsi.spc.controlmode: what is common to the control page of all device types."""

from __future__ import annotations

import pytest

from tgtd.scsi.mode import ModeField
from tgtd.scsi.sbc.modes import CONTROL as DISKS
from tgtd.scsi.spc.controlmode import D_SENSE, NUAR, TAS
from tgtd.scsi.ssc.modes import CONTROL as TAPES


@pytest.mark.parametrize(("field", "byte", "mask"), [(D_SENSE, 2, 0x04), (NUAR, 3, 0x08), (TAS, 5, 0x40)])
def test_disks_and_tapes_have_it(field: ModeField, byte: int, mask: int) -> None:
    assert field in DISKS.fields
    assert field in TAPES.fields
    page = bytearray(12)
    field.write(page, 1)
    assert {at: value for at, value in enumerate(page) if value} == {byte: mask}
