"""Allocation lengths of zero, one and one too few; data-out that is cut short; and how much a command may ask for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.test_fields import ROWS, Furnished, plain
from tests.scsi.workbench import sense_of
from tgtd.scsi.command import Command
from tgtd.scsi.spc.timestamp import Clock

ALLOCATION: dict[tuple[int, int | None], tuple[int, int, str]] = {
    (0x03, None): (4, 1, ""),
    (0x12, None): (3, 2, ""),
    (0x1A, None): (4, 1, "1A 00 3F FF"),
    (0x1C, None): (3, 2, "1C 01 00"),
    (0x37, None): (7, 2, "37 00 18"),
    (0x3C, None): (6, 3, "3C 03"),
    (0x4D, None): (7, 2, "4D 00 40 FF"),
    (0x5A, None): (7, 2, "5A 00 3F FF"),
    (0x5E, 0x00): (7, 2, ""),
    (0x5E, 0x01): (7, 2, ""),
    (0x5E, 0x02): (7, 2, ""),
    (0x5E, 0x03): (7, 2, ""),
    (0x7F, 0x12): (28, 4, ""),
    (0x84, 0x03): (10, 4, ""),
    (0x84, 0x08): (10, 4, ""),
    (0x9B, None): (10, 4, "9B 03"),
    (0x9E, 0x10): (10, 4, ""),
    (0x9E, 0x12): (10, 4, ""),
    (0xA0, None): (6, 4, ""),
    (0xA3, 0x05): (6, 4, ""),
    (0xA3, 0x0A): (6, 4, ""),
    (0xA3, 0x0C): (6, 4, ""),
    (0xA3, 0x0D): (6, 4, ""),
    (0xA3, 0x0F): (6, 4, ""),
    (0xB7, None): (6, 4, "B7 18"),
}
"""By operation code and service action: the first byte and the size of ALLOCATION LENGTH, and how a CDB begins that has
much to tell."""

READING = [(kind, row) for kind, row in ROWS if (row.opcode, row.action) in ALLOCATION]
WRITING = [(kind, row) for kind, row in ROWS if row.data_out is not None]
MOST = 32 << 20
"""Bytes that one command of a disk may want: the longest transfer."""


def names(rows: list[tuple[str, Command]]) -> list[str]:
    return [f"{row.name}-{kind}" for kind, row in rows]


def reading(row: Command, length: int) -> bytes:
    at, size, beginning = ALLOCATION[row.opcode, row.action]
    cdb = plain(row)
    cdb[: len(bytes.fromhex(beginning))] = bytes.fromhex(beginning) or b""
    cdb[at : at + size] = length.to_bytes(size, "big")
    return bytes(cdb)


@pytest.mark.parametrize(("kind", "row"), READING, ids=names(READING))
def test_allocation_length(monkeypatch: pytest.MonkeyPatch, kind: str, row: Command) -> None:
    """What does not fit is cut off, which is no error (SPC-5 4.2.5.6); lengths within the data stay as they are."""
    monkeypatch.setattr(Clock, "now", lambda clock: 1)
    bench = Furnished(kind)
    most = min((1 << 8 * ALLOCATION[row.opcode, row.action][1]) - 1, 0x8000)
    whole = bench.good(reading(row, most))
    assert len(whole) > 1
    for length in (0, 1, 4, len(whole) - 1, len(whole), most):
        assert bench.good(reading(row, length)) == whole[:length], length
    assert bench.pool.used == 0


@pytest.mark.parametrize(("kind", "row"), WRITING, ids=names(WRITING))
def test_data_out_is_bounded_and_may_be_cut_short(kind: str, row: Command) -> None:
    """Whatever the CDB says, and however much of it comes: a status, sound sense data, memory within the bound."""
    bench = Furnished(kind)
    unit = bench.itl().lu

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def each(data: st.DataObject) -> None:
        cdb = draw_cdb(data, row)
        task = bench.task(cdb, b"")
        assert 0 <= unit.data_out_length(task) <= MOST
        task.release()
        bench.ready(0)
        sent = data.draw(st.one_of(st.binary(max_size=64), st.integers(0, 1100).map(bytes)))
        task = bench.run(cdb, sent)
        assert task.status in (0x00, 0x02, 0x04, 0x08, 0x18)
        assert (task.status == 0x02) is bool(task.sense)
        assert sense_of(task)[1:] != (0x44, 0x00), "an error of our own"
        assert (unit.faults, bench.pool.used, len(unit.tasks)) == (0, 0, 0)

    each()


def draw_cdb(data: st.DataObject, row: Command) -> bytes:
    """A CDB with nothing but known bits, often small or all ones in a field."""
    filled = data.draw(st.lists(st.sampled_from((0, 0, 1, 24, 0xFF)), min_size=len(row.usage), max_size=len(row.usage)))
    cdb = bytearray(value & mask for value, mask in zip(filled, row.usage, strict=True))
    head = plain(row)
    cdb[0] = head[0]
    if row.opcode == 0x7F:
        cdb[7:10] = head[7:10]
    elif row.action is not None:
        cdb[1] = cdb[1] & 0xE0 | row.action
    cdb[1 if row.opcode == 0x7F else -1] = 0
    return bytes(cdb)
