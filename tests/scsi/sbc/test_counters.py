"""tgtd.scsi.sbc.counters: what is counted is told."""

from __future__ import annotations

from dataclasses import fields

from tgtd.scsi.sbc.counters import DiskCounters


def test_every_count_is_told() -> None:
    counters = DiskCounters()
    names = [field.name for field in fields(DiskCounters)]
    for number, name in enumerate(names):
        setattr(counters, name, number)
    assert counters.as_dict() == {name: number for number, name in enumerate(names)}
