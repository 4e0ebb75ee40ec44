"""RESERVE ELEMENT and RELEASE ELEMENT: what they keep from whom, and what ends them."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.reserving import CLEAR, CONFLICT, KEYS, REGISTER, RESERVE, WE, out, read
from tests.scsi.smc.library import Library
from tests.scsi.workbench import GOOD, TUR, pointer_of, sense_of
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.target import TaskManagement

RESERVE_UNIT, RELEASE_UNIT = bytes.fromhex("160000000000"), bytes.fromhex("170000000000")
READ_ELEMENT_STATUS = bytes.fromhex("b800000000ff00000fff0000")
INITIALIZE = bytes.fromhex("070000000000")
INITIALIZE_RANGE = bytes.fromhex("37 01 03e8 0000 0001 00 00")
OPEN = bytes.fromhex("1b00000a0000")

Series = tuple[int, int]
"""How many elements, from which address on."""


def element_list(*series: Series) -> bytes:
    return b"".join(struct.pack(">HHH", 0, count, first) for count, first in series)


def reserve(*series: Series, by: int = 1, long: bool = False) -> tuple[bytes, bytes]:
    """by: reservation identification."""
    data = element_list(*series)
    if long:
        return struct.pack(">BBB4xHx", 0x56, 1, by, len(data)), data
    return struct.pack(">BBBHx", 0x16, 1, by, len(data)), data


def release(by: int = 1, long: bool = False) -> bytes:
    return bytes((0x57, 1, by, *bytes(7))) if long else bytes((0x17, 1, by, 0, 0, 0))


def move(source: int, destination: int, robot: int = 0) -> bytes:
    return struct.pack(">BxHHHxxxx", 0xA5, robot, source, destination)


@pytest.fixture
def other(library: Library) -> Nexus:
    nexus = library.connect("b")
    library.ready(nexus=nexus)
    return nexus


def status(library: Library, sent: bytes | tuple[bytes, bytes], nexus: Nexus | None = None) -> int:
    cdb, data = sent if isinstance(sent, tuple) else (sent, None)
    return library.run(cdb, data, nexus=nexus).status


@pytest.mark.parametrize("long", [False, True])
def test_what_others_may_not_move(library: Library, other: Nexus, long: bool) -> None:
    """Neither from nor to what is reserved; they still see it, and everything else is theirs."""
    library.good(*reserve((2, 1000), (1, 500), long=long))
    for cdb in (move(1000, 1005), move(1002, 500), move(1001, 501)):
        assert status(library, cdb, other) == CONFLICT, cdb.hex()
    for exchange in ((1000, 1002, 1005), (1002, 1001, 1005), (1002, 1001, 1002)):
        assert status(library, struct.pack(">BxHHHHxx", 0xA6, 0, *exchange), other) == CONFLICT
    assert status(library, struct.pack(">BxHHxxxx", 0x2B, 0, 1000), other) == CONFLICT
    for cdb in (move(1002, 1005), READ_ELEMENT_STATUS, INITIALIZE, INITIALIZE_RANGE, TUR, OPEN):
        assert status(library, cdb, other) == GOOD, cdb.hex()
    library.good(move(1000, 500))
    assert library.holds() == {500: "A00000L8", 1001: "A00001L8", 1005: "A00002L8"}
    assert status(library, release(long=long), other) == GOOD, "it is not the other's"
    assert status(library, move(1001, 501), other) == CONFLICT
    library.good(release(long=long))
    assert status(library, move(1001, 501), other) == GOOD


def test_the_robot_itself(library: Library, other: Nexus) -> None:
    """Who reserves it has all moves for himself, and looking for what there is too."""
    library.good(*reserve((1, 1)))
    for cdb in (move(1002, 1005), move(1002, 1005, 1), INITIALIZE, INITIALIZE_RANGE):
        assert status(library, cdb, other) == CONFLICT, cdb.hex()
    assert status(library, struct.pack(">BxHHxxxx", 0x2B, 0, 1000), other) == CONFLICT
    assert status(library, READ_ELEMENT_STATUS, other) == GOOD
    library.good(move(1002, 1005))


def test_an_import_export_element(library: Library, other: Nexus) -> None:
    library.good(*reserve((1, 10)))
    assert status(library, OPEN, other) == CONFLICT
    library.good(OPEN)


def test_all_from_one_on_and_gaps(library: Library, other: Nexus) -> None:
    """Two ports at 10, drives at 500 and up, slots from 1000 on: a series goes on where the next kind begins."""
    library.good(*reserve((3, 11)))
    assert library.changer.reservations.elements[library.itl(), 1] == 1 << 11 | 1 << 500 | 1 << 501
    library.good(*reserve((0, 501), by=2))
    assert library.changer.reservations.elements[library.itl(), 2] == 1 << 501 | 0x3F << 1000


@pytest.mark.parametrize(
    ("data", "length", "sense"),
    [
        (element_list((1, 999)), 6, (5, 0x21, 1)),
        (element_list((1, 1000), (0, 0)), 12, (5, 0x21, 1)),
        (element_list((7, 1000)), 6, (5, 0x21, 1)),
        (element_list((1, 1000)), 7, (5, 0x1A, 0)),
        (element_list((1, 1000)), 5, (5, 0x1A, 0)),
        (element_list((1, 1000)), 12, (5, 0x1A, 0)),
        (b"", 6, (5, 0x1A, 0)),
    ],
)
@pytest.mark.parametrize("long", [False, True])
def test_lists_that_are_wrong(
    library: Library, data: bytes, length: int, sense: tuple[int, int, int], long: bool
) -> None:
    before = reserve((1, 1005))
    library.good(*before)
    cdb = struct.pack(">BBB4xHx", 0x56, 1, 1, length) if long else struct.pack(">BBBHx", 0x16, 1, 1, length)
    assert library.refused(cdb, data) == sense
    assert library.changer.reservations.elements == {(library.itl(), 1): 1 << 1005}


@pytest.mark.parametrize(("at", "value", "bit"), [(0, 0x80, 7), (1, 0x01, 0), (6, 0x04, 2), (7, 0x30, 5)])
def test_reserved_bytes(library: Library, at: int, value: int, bit: int) -> None:
    data = bytearray(element_list((1, 1000), (1, 1001)))
    data[at] = value
    task = library.run(reserve((1, 1000), (1, 1001))[0], bytes(data))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, at, bit))
    assert not library.changer.reservations.elements


@pytest.mark.parametrize("cdb", ["160300000000", "161000000000", "170200000000", "17000000010000", "561200000000"])
def test_third_parties_are_not_there(library: Library, cdb: str) -> None:
    assert library.refused(bytes.fromhex(cdb)) == (5, 0x24, 0)


def test_an_empty_list(library: Library, other: Nexus) -> None:
    """It reserves nothing, and supersedes what there was."""
    library.good(*reserve((1, 1000)))
    library.good(*reserve())
    assert not library.changer.reservations.reserved
    assert status(library, move(1000, 1005), other) == GOOD


def test_conflicts_change_nothing(library: Library, other: Nexus) -> None:
    library.good(*reserve((1, 1000)))
    library.good(*reserve((1, 1002), by=2), nexus=other)
    assert status(library, reserve((3, 1000), by=2), other) == CONFLICT
    assert status(library, move(1002, 1005)) == CONFLICT, "what the other had by that identification is still his"
    assert status(library, move(1001, 1005)) == GOOD
    library.good(*reserve((1, 1003)))
    assert status(library, move(1000, 1004), other) == GOOD, "superseded"


def test_identifications(library: Library, other: Nexus) -> None:
    for by in (1, 2, 255):
        library.good(*reserve((1, 1000), by=by))
    library.good(release(2))
    library.good(release(1))
    assert status(library, move(1000, 1005), other) == CONFLICT
    library.good(release(255))
    library.good(release(255))
    assert status(library, move(1000, 1005), other) == GOOD


def test_the_unit_and_its_elements(library: Library, other: Nexus) -> None:
    """A unit reservation supersedes what the same nexus has of elements, and RELEASE without ELEMENT ends all."""
    library.good(*reserve((1, 1000)))
    assert status(library, RESERVE_UNIT, other) == CONFLICT
    library.good(RESERVE_UNIT)
    assert not library.changer.reservations.elements
    assert status(library, reserve((1, 1001)), other) == CONFLICT
    library.good(*reserve((1, 1000)))
    assert status(library, TUR, other) == CONFLICT
    library.good(RELEASE_UNIT)
    assert not library.changer.reservations.reserved
    assert status(library, RESERVE_UNIT, other) == GOOD


def test_without_the_bit_the_fields_mean_nothing(library: Library, other: Nexus) -> None:
    library.good(bytes.fromhex("160007000600"), element_list((1, 999)))
    assert status(library, TUR, other) == CONFLICT
    library.good(bytes.fromhex("170007000000"))
    assert status(library, TUR, other) == GOOD


@pytest.mark.parametrize("how", ["nexus loss", "nexus reset", "unit reset", "target reset"])
def test_what_ends_it(library: Library, other: Nexus, how: str) -> None:
    library.good(*reserve((0, 1)), nexus=other)
    target = library.target
    if how == "nexus loss":
        target.disconnect(other)
    elif how == "nexus reset":
        target.manage(TaskManagement.I_T_NEXUS_RESET, other)
    elif how == "unit reset":
        target.manage(TaskManagement.LOGICAL_UNIT_RESET, library.nexus)
    else:
        target.manage(TaskManagement.TARGET_RESET, library.nexus)
    library.ready()
    library.good(move(1000, 500))
    assert not library.changer.reservations.reserved


def test_anothers_loss_does_not_end_it(library: Library, other: Nexus) -> None:
    library.good(*reserve((1, 1000)))
    third = library.connect("c")
    library.ready(nexus=third)
    library.target.disconnect(other)
    assert status(library, move(1000, 500), third) == CONFLICT


def test_beside_persistent_reservations(library: Library, other: Nexus) -> None:
    """While elements are reserved, persistent reservations conflict, whoever asks; and CRH the other way round."""
    library.good(*reserve((1, 1000)))
    for nexus in (library.nexus, other):
        assert status(library, read(KEYS), nexus) == CONFLICT
        assert status(library, out(REGISTER, 0, 5), nexus) == CONFLICT
    library.good(release())
    library.good(*out(REGISTER, 0, 5))
    for nexus in (library.nexus, other):
        assert status(library, reserve((1, 1000)), nexus) == CONFLICT
        assert status(library, release(), nexus) == CONFLICT
    library.good(*out(RESERVE, 5, kind=WE))
    library.good(*reserve((1, 1000)))
    library.good(release())
    assert status(library, reserve((1, 1000)), other) == CONFLICT
    assert not library.changer.reservations.elements, "who holds a persistent reservation gets GOOD, and nothing else"
    library.good(*out(CLEAR, 5))


def test_a_move_that_waited_while_somebody_reserved(library: Library, other: Nexus) -> None:
    library.bays[500].slow = True
    first = library.start(move(1000, 500))
    second = library.start(move(1001, 1005), nexus=other)
    third = library.start(move(1002, 1004), nexus=other)
    task = library.start(*reserve((1, 1001)))
    assert task.status == GOOD
    library.bays[500].waiting.pop()(None)
    assert [one.status for one in (first, second, third)] == [GOOD, CONFLICT, GOOD]
    assert library.holds() == {500: "A00000L8", 1001: "A00001L8", 1004: "A00002L8"}
