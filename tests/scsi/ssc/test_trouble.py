"""What went wrong in a drive: what initiators hear, and when."""

from __future__ import annotations

import errno

import pytest

from tests.scsi.ssc.taping import Tape
from tests.scsi.workbench import TUR, sense_of
from tgtd.scsi.sense import INTERNAL_TARGET_FAILURE, MEDIUM_NOT_PRESENT, CheckCondition
from tgtd.scsi.ssc.head import Halted, Head, Unwritten
from tgtd.scsi.ssc.trouble import explain, is_error, tell_all, tell_later


def test_a_full_file_system_is_no_full_cartridge(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(tape.cartridge.partitions[0], "append_block", full)
    assert tape.refused(bytes.fromhex("0a0000000100"), b"x") == (3, 0x0C, 0)
    assert tape.drive.last_medium_error is not None
    assert tape.drive.last_medium_error.errno == errno.ENOSPC, "the administrator is told to make room"


def test_where_it_stopped_goes_with_it(tape: Tape) -> None:
    met = explain(tape.drive, Halted(OSError(errno.EIO, "dead"), Head(), 7), writing=True, cdb=bytes(6))
    assert isinstance(met, CheckCondition)
    assert (met.sense.key, met.sense.asc, met.information, met.sense.deferred) == (3, 0x0C, 7, False)
    late = explain(tape.drive, Unwritten(errno.EIO, "dead"), writing=False, cdb=bytes(6))
    assert isinstance(late, CheckCondition)
    assert (late.sense.key, late.sense.asc, late.information, late.sense.deferred) == (3, 0x0C, None, True)
    assert tape.drive.counters.medium_errors == 2


def test_what_is_in_the_way_is_no_error(tape: Tape) -> None:
    tape.drive.take_out()
    assert tape.drive.obstacle is MEDIUM_NOT_PRESENT
    assert not is_error(tape.drive, CheckCondition(MEDIUM_NOT_PRESENT))
    assert is_error(tape.drive, CheckCondition(INTERNAL_TARGET_FAILURE))


def test_one_hears_of_it_or_all(tape: Tape) -> None:
    second = tape.connect("b")
    tape.ready(nexus=second)
    tell_later(tape.drive, tape.itl(), ZeroDivisionError())
    assert sense_of(tape.run(TUR)) == (4, 0x44, 0)
    assert tape.drive.faults == 1
    tape.good(TUR, nexus=second)
    tell_all(tape.drive, OSError(errno.ENOSPC, "full"))
    for nexus in (tape.nexus, second):
        task = tape.run(TUR, nexus=nexus)
        assert (task.sense[0], sense_of(task)) == (0x71, (3, 0x0C, 0))
