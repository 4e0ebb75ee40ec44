"""tgtd.scsi.copy.records: how many are kept, and whose they are."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench
from tgtd.scsi.copy.records import DONE, IN_BACKGROUND, IN_FOREGROUND, MOST, CopyRecord, CopyRecords
from tgtd.scsi.sense import OPERATION_IN_PROGRESS, CheckCondition


def test_a_name_is_taken_while_its_copy_runs() -> None:
    nexus, records = Bench().nexus, CopyRecords()
    first = CopyRecord(nexus, 1, 0, IN_FOREGROUND)
    records.enter(first)
    with pytest.raises(CheckCondition) as caught:
        records.enter(CopyRecord(nexus, 1, 0, IN_FOREGROUND))
    assert caught.value.sense is OPERATION_IN_PROGRESS
    first.end(DONE)
    second = CopyRecord(nexus, 1, 0, IN_FOREGROUND)
    records.enter(second)
    assert records.find(nexus, 1) is second


def test_names_belong_to_a_nexus() -> None:
    bench, records = Bench(), CopyRecords()
    other = bench.connect("other")
    for nexus in (bench.nexus, other):
        records.enter(CopyRecord(nexus, 1, 0, IN_BACKGROUND))
    records.enter(CopyRecord(other, None, 0, IN_BACKGROUND))
    records.lose(other)
    assert records.find(other, 1) is None
    kept = records.find(bench.nexus, 1)
    assert kept is not None
    assert not kept.wanted_end


def test_the_oldest_that_has_ended_goes() -> None:
    nexus, records = Bench().nexus, CopyRecords()
    for number in range(MOST + 10):
        record = CopyRecord(nexus, number, 0, IN_FOREGROUND)
        records.enter(record)
        if number:
            record.end(DONE)
    assert records.find(nexus, 0) is not None
    assert records.find(nexus, 1) is None
    assert sum(records.find(nexus, number) is not None for number in range(MOST + 10)) == MOST


def test_large_counts() -> None:
    record = CopyRecord(Bench().nexus, 1, 0, IN_FOREGROUND)
    record.moved = 5 << 40
    assert struct.unpack(">IBHBI", record.narrow())[3:] == (1, 0xFFFFFFFF)
    record.moved = 5 << 30
    assert struct.unpack(">IBHBI", record.narrow())[3:] == (1, 5 << 20)
