"""tgtd.scsi.spc.history: one snapshot for one I_T nexus at a time, as SPC-5 6.18.9 has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scsi.spc.test_buffers import read, read_16
from tests.scsi.workbench import Bench, cdb10, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    ERROR_HISTORY_NEXUS_CLEARED,
    INVALID_FIELD_IN_CDB,
    OPERATION_IN_PROGRESS,
)
from tgtd.scsi.spc import history
from tgtd.scsi.target import TaskManagement, encode_lun

MODE = 0x1C
WRITE_LONG = bytes((0x3F, 0x40, 0, 0, 0, 8, 0, 0, 0, 0))


def make() -> Bench:
    bench = Bench()
    bench.disk(RamMedium(1 << 20))
    bench.ready()
    return bench


def ask(buffer: int, offset: int = 0, room: int = 0xFFFFFF) -> bytes:
    return read(MODE, buffer, offset, room)


def directory(bench: Bench, buffer: int, **more: Any) -> tuple[int, int, dict[int, int]]:
    """EHS_RETRIEVED, EHS_SOURCE, and the lengths by buffer."""
    answer = bench.good(ask(buffer), **more)
    assert answer[:8] == b"TGTD    "
    assert len(answer) == 32 + int.from_bytes(answer[30:32], "big")
    assert not answer[9] & 0x01
    entries = {answer[at]: int.from_bytes(answer[at + 4 : at + 8], "big") for at in range(32, len(answer), 8)}
    assert list(entries) == [0, 1, 2, 3, 0x10]
    assert entries[0] == len(answer)
    return answer[9] >> 3 & 3, answer[9] >> 1 & 3, entries


def test_the_errors_of_the_medium_are_in_it() -> None:
    bench = make()
    bench.good(WRITE_LONG)
    failed = bench.run(cdb10(0x28, 8, 1))
    bench.run(cdb10(0x28, 1 << 30, 1))  # the initiator's own fault
    assert directory(bench, 0)[:2] == (2, 1)
    length = directory(bench, 0)[2][0x10]
    whole = bench.good(ask(0x10))
    assert len(whole) == length
    found = json.loads(whole)
    assert [(error["cdb"], error["sense"]) for error in found["errors"]] == [(failed.cdb.hex(), failed.sense.hex())]
    assert found["unit"] == "SN0001"
    assert bench.good(ask(0x10, offset=5, room=7)) == whole[5:12]
    assert bench.good(read_16(MODE, 0x10, offset=5, room=7)) == whole[5:12]
    assert bench.good(ask(0x10, offset=length)) == b""
    assert pointer_of(bench.run(ask(0x10, offset=length + 1))) == (True, 3, 7)


def test_a_snapshot_stands_still() -> None:
    bench = make()
    directory(bench, 0)
    before = bench.good(ask(0x10))
    bench.good(WRITE_LONG)
    bench.run(cdb10(0x28, 8, 1))
    assert directory(bench, 0)[:2] == (2, 2)
    assert directory(bench, 2)[:2] == (2, 2)
    assert bench.good(ask(0x10)) == before
    assert directory(bench, 1)[:2] == (2, 1)
    assert len(json.loads(bench.good(ask(0x10)))["errors"]) == 1
    assert directory(bench, 3)[:2] == (2, 1)


def test_it_is_bounded() -> None:
    bench = make()
    bench.good(WRITE_LONG)
    for _ in range(history.MOST_ERRORS + 5):
        bench.run(cdb10(0x28, 8, 1))
    directory(bench, 0)
    assert len(json.loads(bench.good(ask(0x10)))["errors"]) == history.MOST_ERRORS


def test_one_at_a_time() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    assert bench.refused(ask(0x10)) == COMMAND_SEQUENCE_ERROR[:3]
    directory(bench, 0)
    for buffer in (0, 1, 4, 0x10, 0x11, 0xF0, 0xFE, 0xFF):
        assert bench.refused(ask(buffer), nexus=other) == OPERATION_IN_PROGRESS[:3]
    directory(bench, 2, nexus=other)
    assert bench.refused(bytes(6)) == ERROR_HISTORY_NEXUS_CLEARED[:3]
    assert bench.refused(ask(0x10)) == OPERATION_IN_PROGRESS[:3]
    bench.good(ask(0x10), nexus=other)


def test_clearing_and_releasing() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    directory(bench, 0)
    assert bench.good(ask(0xFE, offset=77)) == b""
    assert bench.refused(ask(0x10)) == COMMAND_SEQUENCE_ERROR[:3]
    assert directory(bench, 0, nexus=other)[:2] == (1, 2)
    assert bench.good(ask(0xFF), nexus=other) == b""
    assert directory(bench, 0)[:2] == (2, 1)


def test_who_leaves_leaves_the_snapshot() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    directory(bench, 0)
    bench.target.disconnect(bench.nexus)
    assert directory(bench, 0, nexus=other)[:2] == (2, 2)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, other, encode_lun(0))
    bench.ready(nexus=other)
    assert directory(bench, 0, nexus=other)[:2] == (2, 1)


def test_who_is_too_slow_has_lost_it(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    directory(bench, 0)
    monkeypatch.setattr(history, "PATIENCE", -1.0)
    assert directory(bench, 0, nexus=other)[:2] == (2, 2)
    assert bench.refused(bytes(6)) == ERROR_HISTORY_NEXUS_CLEARED[:3]


@pytest.mark.parametrize("buffer", [4, 0x0F, 0x11, 0xEF, 0xF0, 0xFD])
def test_buffers_that_are_not_there(buffer: int) -> None:
    bench = make()
    directory(bench, 0)
    task = bench.run(ask(buffer))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 2, 7)
    assert pointer_of(bench.run(read_16(MODE, buffer))) == (True, 14, 7)


def test_a_directory_begins_at_its_beginning() -> None:
    assert pointer_of(make().run(ask(0, offset=1))) == (True, 3, 7)
