"""tgtd.scsi.sbc.power: conditions that are kept and told, and end with the next command."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.test_removal import make
from tests.scsi.workbench import TUR, cdb10, pointer_of, sense_of
from tgtd.scsi.sense import INVALID_FIELD_IN_CDB

REQUEST_SENSE = bytes((3, 0, 0, 0, 252, 0))


def condition(which: int, modifier: int = 0, more: int = 0) -> bytes:
    return bytes((0x1B, 0, 0, modifier, which << 4 | more, 0))


def told(bench: object) -> tuple[int, int]:
    """ASC and ASCQ of REQUEST SENSE."""
    sense = bench.good(REQUEST_SENSE)  # type: ignore[attr-defined]
    return sense[12], sense[13]


@pytest.mark.parametrize(
    ("which", "modifier", "expected"),
    [
        (2, 0, (0x5E, 3)),
        (2, 1, (0x5E, 6)),
        (2, 2, (0x5E, 8)),
        (3, 0, (0x5E, 4)),
        (3, 1, (0x5E, 10)),
        (10, 0, (0x5E, 3)),
    ],
)
def test_it_is_told_until_the_medium_is_needed(which: int, modifier: int, expected: tuple[int, int]) -> None:
    bench, _ = make()
    bench.good(condition(which, modifier))
    assert told(bench) == expected
    bench.good(TUR)
    assert told(bench) == expected, "TEST UNIT READY does not wake it"
    bench.good(cdb10(0x28, 0, 1))
    assert told(bench) == (0, 0)


@pytest.mark.parametrize("which", [1, 7])
def test_active(which: int) -> None:
    bench, _ = make()
    bench.good(condition(3))
    bench.good(condition(which))
    assert told(bench) == (0, 0)


def test_standby_flushes() -> None:
    bench, medium = make()
    bench.good(condition(3))
    bench.good(condition(3, more=4))  # NO FLUSH
    assert medium.log == ["flush"]


def test_a_stopped_disk_runs_again() -> None:
    bench, _ = make(removable=False)
    bench.good(bytes((0x1B, 0, 0, 0, 0, 0)))
    bench.good(condition(1))
    bench.good(TUR)


def test_modifiers_that_are_not_there() -> None:
    bench, _ = make()
    task = bench.run(condition(2, 3))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, 3, 3)
    task = bench.run(bytes((0x1B, 0, 0, 1, 1, 0)))
    assert pointer_of(task) == (True, 3, 3)


def test_the_page() -> None:
    bench, _ = make()
    page = bench.good(bytes((0x12, 1, 0x8A, 0, 255, 0)))
    assert page[:6] == b"\0\x8a\0\x0e\3\7"
