"""Fields of the control mode page that every device type performs in the same way, as rows (SPC-5 7.5.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.mode import ModeField

if TYPE_CHECKING:
    from tgtd.scsi.lun import LogicalUnit


def _set_descriptor_sense(unit: LogicalUnit, on: int) -> None:
    unit.descriptor_sense = bool(on)


def _set_quiet_release(unit: LogicalUnit, on: int) -> None:
    unit.quiet_release = bool(on)


def _set_report_aborts(unit: LogicalUnit, on: int) -> None:
    unit.report_aborts = bool(on)


D_SENSE = ModeField(2, 2, 1, "D_SENSE", lambda unit: unit.descriptor_sense, lambda _: 0, _set_descriptor_sense)
NUAR = ModeField(3, 3, 1, "NUAR", lambda unit: unit.quiet_release, lambda _: 0, _set_quiet_release)
TAS = ModeField(5, 6, 1, "TAS", lambda unit: unit.report_aborts, lambda _: 0, _set_report_aborts)
