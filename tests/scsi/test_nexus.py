"""tgtd.scsi.nexus: unit attentions queue per I_T_L nexus, and the gate tells them in order (SAM-5 5.14)."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import TUR, Bench, sense_of
from tgtd.scsi.sense import (
    BUSY,
    CAPACITY_DATA_CHANGED,
    INQUIRY_DATA_CHANGED,
    LOGICAL_UNIT_RESET,
    MANUAL_INTERVENTION_REQUIRED,
    MODE_PARAMETERS_CHANGED,
    NEXUS_LOSS,
    POWER_ON,
    PREVIOUS_STATUS,
    REPORTED_LUNS_CHANGED,
    RESERVATION_CONFLICT,
    TASK_SET_FULL,
    Refused,
    Sense,
)

INQUIRY, REQUEST_SENSE = bytes.fromhex("120000002400"), bytes.fromhex("030000001200")


def test_power_on_once_per_nexus() -> None:
    bench = Bench()
    bench.disk()
    other = bench.connect("b")
    for nexus in (bench.nexus, other):
        assert bench.refused(TUR, nexus=nexus) == POWER_ON[:3]
        bench.good(TUR, nexus=nexus)


def test_attentions_come_in_order_and_once() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    itl = bench.itl()
    for sense in (CAPACITY_DATA_CHANGED, MODE_PARAMETERS_CHANGED, CAPACITY_DATA_CHANGED):
        itl.attend(sense)
    assert bench.refused(TUR) == CAPACITY_DATA_CHANGED[:3]
    assert bench.refused(TUR) == MODE_PARAMETERS_CHANGED[:3]
    bench.good(TUR)
    assert itl.gate is None


def test_reset_outranks_what_came_before() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    bench.itl().attend(INQUIRY_DATA_CHANGED)
    bench.itl().attend(LOGICAL_UNIT_RESET)
    assert bench.itl().attentions == [LOGICAL_UNIT_RESET]


def test_the_greater_reset_stays() -> None:
    """A power on that nobody has heard of yet is not hidden by the loss of a nexus."""
    bench = Bench()
    bench.disk()
    itl = bench.itl()
    itl.attend(NEXUS_LOSS)
    assert itl.attentions == [POWER_ON]
    bench.ready()
    itl.attend(NEXUS_LOSS)
    itl.attend(LOGICAL_UNIT_RESET)
    assert itl.attentions == [LOGICAL_UNIT_RESET]


def test_inquiry_does_not_report_and_request_sense_takes() -> None:
    bench = Bench()
    bench.disk()
    bench.good(INQUIRY)
    assert bench.itl().attentions == [POWER_ON]
    data = bench.good(REQUEST_SENSE)
    assert (data[2], data[12], data[13]) == POWER_ON[:3]
    bench.good(TUR)


def test_attention_before_not_ready() -> None:
    bench = Bench()
    bench.disk().offline()
    assert bench.refused(TUR) == POWER_ON[:3]
    assert bench.refused(TUR) == MANUAL_INTERVENTION_REQUIRED[:3]
    assert sense_of(bench.run(REQUEST_SENSE)) == (-1, -1, -1)
    assert bench.good(REQUEST_SENSE)[2] == 2


def test_dropped_attention_opens_the_gate() -> None:
    bench = Bench()
    bench.disk()
    bench.itl().drop_attention(MODE_PARAMETERS_CHANGED)
    bench.itl().drop_attention(POWER_ON)
    assert bench.itl().gate is None


# UA_INTLCK_CTRL (SPC-5 7.5.8)


@pytest.mark.parametrize("interlock", [0, 2, 3])
def test_what_clears_a_unit_attention(interlock: int) -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    disk.attention_interlock = interlock
    bench.itl().attend(CAPACITY_DATA_CHANGED)
    assert bench.refused(TUR) == CAPACITY_DATA_CHANGED[:3]
    if interlock:
        assert bench.refused(TUR) == CAPACITY_DATA_CHANGED[:3]
        assert bench.good(REQUEST_SENSE)[12:14] == bytes(CAPACITY_DATA_CHANGED[1:3])
    bench.good(TUR)


@pytest.mark.parametrize(("interlock", "stays"), [(0, False), (2, True), (3, True)])
def test_report_luns_clears_no_interlocked_attention(interlock: int, stays: bool) -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    disk.attention_interlock = interlock
    bench.itl().attend(REPORTED_LUNS_CHANGED)
    bench.good(bytes.fromhex("A00000000000000010000000"))
    assert bench.itl().attentions == ([REPORTED_LUNS_CHANGED] if stays else [])


@pytest.mark.parametrize(("interlock", "told"), [(0, False), (2, False), (3, True)])
@pytest.mark.parametrize("sense", list(PREVIOUS_STATUS.values()))
def test_a_status_without_sense_is_remembered(interlock: int, told: bool, sense: Sense) -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    disk.attention_interlock = interlock
    (status,) = [status for status, known in PREVIOUS_STATUS.items() if known == sense]
    for _ in range(2):
        assert disk.refuse(bench.task(TUR), Refused(status)) == status
    assert bench.itl().attentions == ([sense] if told else [])
    assert PREVIOUS_STATUS.keys() == {BUSY, TASK_SET_FULL, RESERVATION_CONFLICT}
