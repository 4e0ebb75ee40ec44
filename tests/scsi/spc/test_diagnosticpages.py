"""tgtd.scsi.spc.diagnosticpages: the one page there is, as a disk has it."""

from __future__ import annotations

import pytest

from tests.scsi.diagnosing import LIST, PF, diagnose, make, receive
from tests.scsi.workbench import pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_PARAMETER_LIST, PARAMETER_LIST_LENGTH_ERROR


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
