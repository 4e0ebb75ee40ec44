"""What every device says it performs, and what it does: all operation codes with their service actions.

What is asked is REPORT SUPPORTED OPERATION CODES itself; what is sent is an operation code and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scsi.passthrough.stand_in import PassBench
from tests.scsi.workbench import Bench, sense_of
from tgtd.scsi.sense import (
    INVALID_COMMAND_OPERATION_CODE,
    INVALID_FIELD_IN_CDB,
    LOGICAL_UNIT_NOT_SUPPORTED,
)

REPORT_ALL = bytes.fromhex("a30c0000000000100000") + bytes(2)

TYPE_2 = {0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0F, 0x11}
"""Service actions of 7Fh that are invalid operation codes unless there is type 2 protection (SBC-4 4.21.2)."""

Place = tuple[int, int | None]
"""Operation code and service action."""


def disk(**settings: object) -> Callable[[], Bench]:
    def make() -> Bench:
        bench = Bench()
        bench.disk(**settings)
        bench.ready()
        return bench

    return make


DEVICES: dict[str, Callable[[], Bench]] = {
    "thin disk": disk(removable=True),
    "thick disk": disk(thin=False),
    "disk without a medium": disk(medium=False),
    "read-only disk": disk(read_only=True),
    "LUN 0": Bench,
    "passthrough": PassBench,
}


def advertised(bench: Bench) -> set[Place]:
    listed = bench.good(REPORT_ALL)
    assert len(listed) == 4 + int.from_bytes(listed[:4], "big")
    rows = [listed[at : at + 8] for at in range(4, len(listed), 8)]
    return {(row[0], int.from_bytes(row[2:4], "big") if row[5] & 1 else None) for row in rows}


def cdb_of(opcode: int, action: int | None) -> bytes:
    if opcode == 0x7F:
        return bytes((opcode,)) + bytes(6) + b"\x18" + (action or 0).to_bytes(2, "big") + bytes(22)
    return bytes((opcode, action or 0)).ljust(16, b"\0")


def performs(bench: Bench, opcode: int, action: int | None) -> tuple[int, int, int]:
    """The sense of a command that is sent bare; (-1, -1, -1) when it has none."""
    bench.ready()
    sense = sense_of(bench.run(cdb_of(opcode, action)))
    bench.itl().lu.tasks.clear_aca(bench.itl())  # bit 2 of byte 1 is NACA to operation codes from 60h to 7Fh
    return sense


@pytest.mark.parametrize("name", DEVICES)
def test_what_is_advertised_is_performed(name: str) -> None:
    places = advertised(DEVICES[name]())
    assert len(places) > 5
    for opcode, action in sorted(places, key=str):
        bench = DEVICES[name]()
        assert performs(bench, opcode, action) != INVALID_COMMAND_OPERATION_CODE[:3], (opcode, action)
        assert bench.itl().lu.faults == 0


@pytest.mark.parametrize("name", DEVICES)
def test_what_is_not_advertised_is_not_performed(name: str) -> None:
    """SPC-5 4.2.5.2: an unknown service action of a known operation code is an invalid field."""
    places = advertised(DEVICES[name]())
    bench = DEVICES[name]()
    for opcode in range(256):
        if (opcode, None) in places:
            continue
        known = {action for code, action in places if code == opcode}
        for action in sorted({*range(32), *((0x100, 0xFFFF) if opcode == 0x7F else ())} - known):
            wanted = (INVALID_FIELD_IN_CDB,) if known else (INVALID_COMMAND_OPERATION_CODE,)
            if opcode == 0x7F and action in TYPE_2:
                wanted = (INVALID_COMMAND_OPERATION_CODE,)
            if isinstance(bench, PassBench):  # not listed by one of the two, but maybe known to the device
                wanted = (INVALID_FIELD_IN_CDB, INVALID_COMMAND_OPERATION_CODE)
            assert performs(bench, opcode, action) in [sense[:3] for sense in wanted], (opcode, action)


def test_nothing_is_performed_where_nothing_is() -> None:
    for opcode in set(range(256)) - {0x03, 0x12, 0xA0}:
        bench = Bench()
        assert sense_of(bench.run(cdb_of(opcode, 0), lun=9)) == LOGICAL_UNIT_NOT_SUPPORTED[:3]
    for opcode in (0x03, 0x12, 0xA0):
        assert sense_of(bench.run(cdb_of(opcode, 0), lun=9)) != LOGICAL_UNIT_NOT_SUPPORTED[:3]
