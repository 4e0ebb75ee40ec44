"""tgtd.scsi.ssc.alerts: what a drive warns of."""

from __future__ import annotations

from tgtd.scsi.sense import END_OF_DATA, UNRECOVERED_READ_ERROR, WRITE_ERROR, WRITE_PROTECTED, CheckCondition
from tgtd.scsi.ssc.alerts import HARD_ERROR, READ_FAILURE, WRITE_FAILURE, WRITE_PROTECT, Alerts


def test_what_is_noted() -> None:
    alerts = Alerts()
    alerts.note(CheckCondition(END_OF_DATA), writing=False)
    assert alerts.active() == set()
    alerts.note(CheckCondition(UNRECOVERED_READ_ERROR), writing=False)
    assert alerts.active() == {HARD_ERROR, READ_FAILURE}
    alerts.note(CheckCondition(WRITE_ERROR), writing=True)
    alerts.note(CheckCondition(WRITE_PROTECTED), writing=False)
    assert alerts.active() == {HARD_ERROR, READ_FAILURE, WRITE_FAILURE, WRITE_PROTECT}
    alerts.over(HARD_ERROR, READ_FAILURE)
    assert alerts.active() == {WRITE_FAILURE, WRITE_PROTECT}
    alerts.clear()
    assert alerts.active() == set()
