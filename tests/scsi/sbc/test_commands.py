"""tgtd.scsi.sbc.commands: counting, data-out, and any CDB at all."""

from __future__ import annotations

import struct
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scsi.test_keyed import Locked
from tests.scsi.workbench import Anchoring, Bench, cdb10
from tgtd.media.ram import RamMedium
from tgtd.scsi.access import PortGroup
from tgtd.scsi.command import Command
from tgtd.scsi.sbc.commands import OTHERS, ROWS, TRANSFERS
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.rows import LONG_OTHERS, LONG_TRANSFERS
from tgtd.scsi.spc.opcodes import rows_of

STATUSES = {0x00, 0x02, 0x04, 0x08}


def test_rows_are_transfers_and_others() -> None:
    known = [row.name for row in (*TRANSFERS, *LONG_TRANSFERS, *OTHERS, *LONG_OTHERS)]
    assert list(dict.fromkeys(row.name for row in ROWS if row.opcode != 0x7F)) == [
        name for name in dict.fromkeys(known) if "(32)" not in name
    ]
    assert {row.name for row in ROWS} == set(known)


def able(row: Command, **settings: object) -> tuple[Bench, Disk]:
    """A disk that performs this row."""
    for kind, thin, medium in product((None, 1, 2), (True, False), (Anchoring, RamMedium)):
        bench = Bench()
        more = {"thin": thin, **settings}
        below = medium(1 << 20)
        disk = bench.disk(below, **more) if kind is None else bench.protected(kind, below=below, **more)
        bench.ready()
        if row in rows_of(disk):
            return bench, disk
    bench = Bench()
    disk = bench.disk(Locked(1 << 20), **settings)
    bench.ready()
    assert row in rows_of(disk), f"no disk performs {row.name}"
    return bench, disk


def shortest(row: Command) -> bytes:
    """A CDB that says no more than which command it is."""
    if row.opcode == 0x7F:
        return struct.pack(">B6xBH22x", 0x7F, len(row.usage) - 8, row.action or 0)
    return bytes((row.opcode, row.action or 0))


@pytest.mark.parametrize("row", OTHERS, ids=lambda row: row.name)
def test_others_are_counted(row: Command) -> None:
    bench = Bench()
    disk = bench.disk(Locked(1 << 20), removable=True)
    bench.target.regroup((PortGroup(1, explicit=True),))
    bench.ready()
    bench.run(shortest(row))
    assert disk.counters.other == 1
    assert (disk.counters.reads, disk.counters.writes) == (0, 0)


@pytest.mark.parametrize("row", [row for row in ROWS if row.writes], ids=lambda row: row.name)
def test_rows_that_write_are_stopped_by_write_protection(row: Command) -> None:
    bench, _ = able(row, read_only=True)
    assert bench.refused(shortest(row)) == (7, 0x27, 0)


@pytest.mark.parametrize("row", [row for row in ROWS if row.medium], ids=lambda row: row.name)
def test_rows_that_need_the_medium_are_stopped_without(row: Command) -> None:
    bench, disk = able(row)
    disk.halt(stopped=True, ejected=False)
    assert bench.refused(shortest(row)) == (2, 0x04, 2)


def _names(row: Command, at: int) -> bool:
    """Whether a byte of the CDB says which command it is."""
    return at == 0 or (row.opcode == 0x7F and 7 <= at <= 9)


def any_cdb(unit_rows: list[Command]) -> st.SearchStrategy[bytes]:
    """Random bytes, and CDBs that begin like a known command."""
    known = st.sampled_from(unit_rows)
    shaped = st.builds(
        lambda row, body, keep: bytes(
            (mask if _names(row, at) else value & mask if keep else value)
            for at, (value, mask) in enumerate(zip(body + bytes(16), row.usage.ljust(16, b"\0"), strict=False))
        ),
        known,
        st.one_of(
            st.binary(min_size=16, max_size=16),
            st.builds(lambda b: bytes(2) + b, st.binary(min_size=14, max_size=14)),
            st.builds(lambda b: bytes(12) + b, st.binary(min_size=4, max_size=4)),
        ),
        st.booleans(),
    )
    lengths = st.sampled_from([6, 10, 12, 16, 32])
    return st.one_of(shaped, lengths.flatmap(lambda n: st.binary(min_size=n, max_size=n)))


def check_any(bench: Bench, lun: int, cdb: bytes, data: bytes) -> None:
    faults = bench.itl(lun).lu.faults
    task = bench.run(cdb, data, lun=lun)
    assert task.status in STATUSES
    if task.status == 0x02:
        assert task.sense[0] in (0x70, 0xF0, 0x72)
        assert task.sense[7] == len(task.sense) - 8
        assert not task.data_in
    else:
        assert task.sense == b""
    assert bench.itl(lun).lu.faults == faults
    assert bench.pool.used == 0
    assert len(bench.itl(lun).lu.tasks) == 0


def _bench() -> Bench:
    bench = Bench()
    bench.disk(number=1)
    bench.disk(number=2, removable=True, block_size=4096)
    bench.disk(number=3, thin=False, write_cache=False)
    for kind in (1, 2, 3):
        bench.protected(kind, number=3 + kind)
    return bench


LUNS = {"controller": 0, "disk": 1, "removable": 2, "thick": 3, "type 1": 4, "type 2": 5, "type 3": 6, "absent": 9}


@pytest.mark.parametrize("lun", LUNS.values(), ids=LUNS)
def test_any_cdb_ends_once_and_well(lun: int) -> None:
    rows = list(rows_of(_bench().itl(lun).lu))

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def each(data: st.DataObject) -> None:
        bench = _bench()
        bench.ready(lun)
        out = data.draw(st.one_of(st.binary(max_size=64), st.integers(0, 9000).map(bytes)))
        check_any(bench, lun, data.draw(any_cdb(rows)), out)

    each()


def test_counters() -> None:
    bench = Bench()
    disk = bench.disk()
    bench.ready()
    bench.good(cdb10(0x2A, 0, 2), bytes(1024))
    bench.good(cdb10(0x28, 0, 3))
    bench.good(cdb10(0x35, 0, 0))
    bench.refused(cdb10(0x28, 1 << 30, 1))
    assert disk.counters.as_dict() == {
        "reads": 1,
        "writes": 1,
        "read_bytes": 1536,
        "write_bytes": 1024,
        "flushes": 1,
        "unmaps": 0,
        "other": 1,
        "errors": 1,
        "medium_errors": 0,
    }
