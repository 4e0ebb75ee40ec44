"""tgtd.scsi.sbc.diagnostic: which combinations are allowed, and the one page there is."""

from __future__ import annotations

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_CDB, INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH_ERROR

BG_SHORT, BG_EXTENDED, ABORT, FG_SHORT, FG_EXTENDED = 1, 2, 4, 5, 6
PF, SELFTEST = 0x10, 0x04
LIST = bytes(4)


def diagnose(code: int, flags: int = 0, length: int = 0) -> bytes:
    return bytes((0x1D, code << 5 | flags, 0)) + length.to_bytes(2, "big") + b"\0"


def receive(page: int = 0, flags: int = 1, room: int = 255) -> bytes:
    return bytes((0x1C, flags, page)) + room.to_bytes(2, "big") + b"\0"


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench


def test_the_list_of_pages() -> None:
    bench = make()
    assert bench.good(receive()) == bytes((0, 0, 0, 1, 0))
    assert bench.good(receive(flags=0)) == bytes((0, 0, 0, 1, 0))
    assert bench.good(receive(room=1)) == b"\0"
    assert bench.good(receive(room=0)) == b""
    bench.good(diagnose(0, PF, 4), LIST)
    bench.good(diagnose(0, PF))
    bench.good(diagnose(0))


def test_pages_that_are_not_there() -> None:
    bench = make()
    assert pointer_of(bench.run(receive(0x40))) == (True, 2, 7)
    assert pointer_of(bench.run(receive(0x40, flags=0))) == (True, 1, 0)


@pytest.mark.parametrize(
    ("cdb", "field", "bit"),
    [
        (diagnose(3), 1, 7),
        (diagnose(7), 1, 7),
        (diagnose(ABORT), 1, 7),
        (diagnose(BG_SHORT, SELFTEST), 1, 2),
        (diagnose(BG_SHORT, PF, 4), 1, 4),
        (diagnose(BG_SHORT, 0, 4), 3, 7),
        (diagnose(0, SELFTEST, 4), 3, 7),
        (diagnose(0, 0, 4), 1, 4),
        (diagnose(0, PF, 3), 3, 7),
        (diagnose(0, 0x08), 1, 3),
    ],
)
def test_combinations_that_are_not_allowed(cdb: bytes, field: int, bit: int) -> None:
    task = make().run(cdb, LIST)
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, field, bit)


@pytest.mark.parametrize(
    ("data", "field"), [(b"\x40\0\0\0", 0), (b"\0\1\0\0", 1), (b"\0\0\0\1\0", 2), (b"\0\0\0\0\0", 2)]
)
def test_lists_that_are_wrong(data: bytes, field: int) -> None:
    task = make().run(diagnose(0, PF, len(data)), data)
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task)[:2] == (False, field)


def test_lists_that_are_cut_short() -> None:
    bench = make()
    assert pointer_of(bench.run(diagnose(0, PF, 4), b"\0\0\0\1")) == (True, 3, 7)
    assert bench.refused(diagnose(0, PF, 4), b"\0\0\0") == PARAMETER_LIST_LENGTH_ERROR[:3]
