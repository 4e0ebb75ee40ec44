"""tgtd.scsi.spc.portgroups: REPORT and SET TARGET PORT GROUPS, byte for byte; every field is checked."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench, pointer_of
from tgtd.scsi.access import STATE_NAMES, PortGroup
from tgtd.scsi.spc.portgroups import MOST_PARAMETERS


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.target.regroup(
        (
            PortGroup(0x0102, preferred=True, explicit=True),
            PortGroup(7, STATE_NAMES["standby"], explicit=True),
            PortGroup(9),
        )
    )
    bench.nexus.relative_port = 0x0102
    bench.ready()
    return bench


def report(length: int = 1 << 16, form: int = 0) -> bytes:
    return struct.pack(">BB4xIxx", 0xA3, form << 5 | 0x0A, length)


def change(*descriptors: bytes, header: bytes = bytes(4), length: int | None = None) -> tuple[bytes, bytes]:
    data = header + b"".join(descriptors)
    return struct.pack(">BB4xIxx", 0xA4, 0x0A, len(data) if length is None else length), data


def to(group: int, state: int) -> bytes:
    return struct.pack(">BxH", state, group)


GROUPS = bytes.fromhex(
    "02CF0007 00000001 00000007"  # standby
    "00CF0009 00000001 00000009"
    "80CF0102 00000001 00000102"  # preferred, active/optimized
)


def test_report() -> None:
    bench = make()
    assert bench.good(report()) == struct.pack(">I", len(GROUPS)) + GROUPS
    extended = bytes.fromhex("10000000") + GROUPS
    assert bench.good(report(form=1)) == struct.pack(">I", len(extended)) + extended


@pytest.mark.parametrize("length", [0, 1, 4, 5, 40])
def test_report_is_cut_to_the_allocation_length(length: int) -> None:
    bench = make()
    assert bench.good(report(length)) == bench.good(report())[:length]


@pytest.mark.parametrize("form", range(2, 8))
def test_report_in_no_such_form(form: int) -> None:
    bench = make()
    task = bench.run(report(form=form))
    assert pointer_of(task) == (True, 1, 7)


def test_set() -> None:
    bench = make()
    bench.good(*change(to(7, 0), to(0x0102, 1)))
    rows = bench.good(report())[4:]
    assert [(row[0], row[3], row[5]) for row in (rows[at : at + 12] for at in range(0, 36, 12))] == [
        (0x00, 7, 1),
        (0x00, 9, 0),
        (0x81, 2, 1),
    ]


def test_set_nothing() -> None:
    bench = make()
    bench.good(*change(length=0))
    bench.good(*change())
    assert bench.good(report())[4:] == GROUPS


@pytest.mark.parametrize("length", [1, 3, 5, 7, 9])
def test_a_list_of_another_length(length: int) -> None:
    bench = make()
    cdb, data = change(to(7, 0), to(0x0102, 1), length=length)
    assert bench.refused(cdb, data) == (5, 0x1A, 0)
    assert bench.good(report())[4:] == GROUPS


def test_a_list_that_did_not_all_come() -> None:
    bench = make()
    cdb, data = change(to(7, 0), length=12)
    assert bench.refused(cdb, data) == (5, 0x1A, 0)


def test_a_list_too_long_is_not_even_fetched() -> None:
    bench = make()
    task = bench.task(change(length=MOST_PARAMETERS + 4)[0])
    assert task.wanted_out == 0
    assert bench.refused(*change(length=MOST_PARAMETERS + 4)) == (5, 0x1A, 0)


@pytest.mark.parametrize(
    ("sent", "byte", "bit"),
    [
        (change(header=b"\0\x08\0\0"), 1, 3),
        (change(to(7, 0), b"\x10\0\0\x07"), 8, 7),
        (change(to(7, 0x4)), 4, 3),
        (change(to(7, 0xE)), 4, 3),
        (change(to(7, 0xF)), 4, 3),
        (change(to(7, 0x5)), 4, 3),
        (change(b"\0\x02\0\x07"), 5, 1),
        (change(to(8, 0)), 6, 7),  # there is none
        (change(to(9, 1)), 6, 7),  # not for initiators to change
        (change(to(7, 0), to(7, 1)), 10, 7),
    ],
)
def test_a_list_with_a_wrong_field_changes_nothing(sent: tuple[bytes, bytes], byte: int, bit: int) -> None:
    bench = make()
    task = bench.run(*sent)
    assert pointer_of(task) == (False, byte, bit)
    assert bench.good(report())[4:] == GROUPS


def test_set_is_not_there_unless_declared() -> None:
    bench = Bench()
    bench.disk()
    bench.target.regroup((PortGroup(1), PortGroup(2)))
    bench.ready()
    task = bench.run(*change(to(1, 1)))
    assert pointer_of(task) == (True, 1, 4), "A4h has other service actions"
    bench.good(report())
