"""tgtd.scsi.sbc.tally: time in service is remembered now and then."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench
from tgtd.scsi.sbc import tally


def test_time_in_service(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(tally.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    bench = Bench()
    disk = bench.disk()
    assert disk.tally.power_on_minutes(disk) == 0
    now[0] += 59 * 60 + 59
    assert disk.tally.power_on_minutes(disk) == 59
    assert disk.memory.recall("power-on-minutes") is None
    now[0] += 61
    assert disk.tally.power_on_minutes(disk) == 61
    assert disk.tally.power_on_minutes(disk) == 61
    assert disk.memory.recall("power-on-minutes") == (61).to_bytes(4, "big")
    now[0] += 60
    assert disk.tally.power_on_minutes(disk) == 62
    disk.tally = tally.Tally()  # the daemon was started anew
    assert disk.tally.power_on_minutes(disk) == 61


def test_errors_in_either_sense_format() -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    bench.good(bytes((0x3F, 0x40, 0, 0, 0, 8, 0, 0, 0, 0)))
    read = bytes((0x28, 0, 0, 0, 0, 8, 0, 0, 1, 0))
    bench.refused(read)
    disk.descriptor_sense = True
    bench.refused(read)
    assert (disk.tally.unread, disk.tally.unwritten, disk.tally.unverified) == (2, 0, 0)
    assert len(disk.records.history.errors) == 2


def test_idle_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(tally.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    bench = Bench()
    disk = bench.disk()
    bench.ready()

    def idle_after(seconds: float) -> float:
        now[0] += seconds
        disk.looked_at()
        return disk.tally.idle

    assert idle_after(5) == 0, "before the first look nobody knows"
    assert idle_after(5) == 5
    bench.good(bytes(6))
    assert idle_after(5) == 5
    assert idle_after(2.5) == 7.5
    task = bench.start(bytes((0x28, 8, 0, 0, 0, 0, 0, 0, 1, 0)))
    assert idle_after(2) == 7.5
    if task not in bench.done:
        assert idle_after(2) == 7.5, "one that takes long is no idleness"
    bench.lane.drain()
    assert idle_after(1) == 8.5
