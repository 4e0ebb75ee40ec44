"""tgtd.scsi.log: log pages are listed, shown, reset and changed; every field of what is sent is checked."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.workbench import Bench, pointer_of, sense_of
from tgtd.scsi.log import COUNTER, SAVED_BINARY_LIST, LogPage, Parameter
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    LOG_PARAMETERS_CHANGED,
    PARAMETER_LIST_LENGTH_ERROR,
)

APPLICATION = 0x0F
NOTE = b"x".ljust(252, b"\0")


def sense(page: int, subpage: int = 0, control: int = 1, pointer: int = 0, room: int = 0xFFFF, flags: int = 0) -> bytes:
    return struct.pack(">BBBBBHHB", 0x4D, flags, control << 6 | page, subpage, 0, pointer, room, 0)


def select(length: int, page: int = 0, subpage: int = 0, control: int = 1, flags: int = 0) -> bytes:
    return struct.pack(">BBBB3xHB", 0x4C, flags, control << 6 | page, subpage, length, 0)


def parameter(code: int, value: bytes, control: int = SAVED_BINARY_LIST) -> bytes:
    return struct.pack(">HBB", code, control, len(value)) + value


def page(code: int, *parameters: bytes, subpage: int = 0) -> bytes:
    body = b"".join(parameters)
    return struct.pack(">BBH", code, subpage, len(body)) + body


def parsed(answer: bytes) -> dict[int, bytes]:
    """The parameters of a log page by code; the page must be whole."""
    assert len(answer) == 4 + int.from_bytes(answer[2:4], "big")
    found, at = {}, 4
    while at < len(answer):
        code, _, size = struct.unpack_from(">HBB", answer, at)
        assert not found or code > max(found), "ascending"
        found[code] = answer[at + 4 : at + 4 + size]
        at += 4 + size
    assert at == len(answer)
    return found


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench


def test_every_page_that_is_listed_is_there() -> None:
    bench = make()
    codes = bench.good(sense(0))[4:]
    assert codes[0] == 0
    assert list(codes) == sorted(set(codes))
    places = bench.good(sense(0, 0xFF))
    assert places[:2] == b"\x40\xff"
    pairs = [tuple(places[at : at + 2]) for at in range(4, len(places), 2)]
    assert pairs == sorted(set(pairs))
    assert {code for code, _ in pairs} == set(codes)
    for code, subpage in pairs:
        answer = bench.good(sense(code, subpage))
        assert answer[0] & 0x3F == code
        assert answer[1] == subpage
        assert bool(answer[0] & 0x40) == bool(subpage)
        assert len(answer) == 4 + int.from_bytes(answer[2:4], "big")
    for code in set(range(64)) - set(codes):
        assert pointer_of(bench.run(sense(code))) == (True, 2, 5)
    own = bench.good(sense(2, 0xFF))
    assert own == b"\x42\xff\0\x04\x02\0\x02\xff"


@pytest.mark.parametrize("room", [0, 1, 4, 5, 100])
def test_allocation_length(room: int) -> None:
    bench = make()
    assert bench.good(sense(2, room=room)) == bench.good(sense(2))[:room]


def test_a_subpage_that_is_not_there() -> None:
    bench = make()
    for code in (0, 2):
        assert pointer_of(bench.run(sense(code, 1))) == (True, 3, 7)
    assert pointer_of(bench.run(sense(0x3E, 0xFF))) == (True, 2, 5)


def test_values_of_counters_by_page_control() -> None:
    bench = make()
    bench.good(bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0)))
    assert parsed(bench.good(sense(3, control=1)))[5] == (1024).to_bytes(8, "big")
    for control in (0, 2):
        assert parsed(bench.good(sense(3, control=control)))[5] == b"\xff" * 8, "no threshold is ever reached"
    assert parsed(bench.good(sense(3, control=3)))[5] == bytes(8)


def test_parameter_pointer() -> None:
    bench = make()
    assert list(parsed(bench.good(sense(2, pointer=4)))) == [5, 6]
    assert list(parsed(bench.good(sense(2, pointer=6)))) == [6]
    for cdb in (sense(2, pointer=7), sense(0, pointer=1), sense(2, 0xFF, pointer=1)):
        task = bench.run(cdb)
        assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
        assert pointer_of(task) == (True, 5, 7)


def test_a_note_is_kept_and_the_others_hear_of_it() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    data = page(APPLICATION, parameter(3, NOTE))
    bench.good(select(len(data)), data)
    assert parsed(bench.good(sense(APPLICATION)))[3] == NOTE
    assert bench.refused(bytes(6), nexus=other) == LOG_PARAMETERS_CHANGED[:3]
    bench.good(bytes(6))
    bench.good(select(len(data)), data)
    bench.good(bytes(6), nexus=other)  # nothing has changed this time


def test_what_is_read_can_be_written_back() -> None:
    bench = make()
    for code in (0x0E, APPLICATION, 0x10, 0x15, 0x2F):
        data = bench.good(sense(code))
        bench.good(select(len(data)), data)
    data = bench.good(sense(2, control=0))
    bench.good(select(len(data), control=0), data)


@pytest.mark.parametrize(
    ("data", "field", "bit"),
    [
        (page(0x3E), 0, 5),
        (page(0), 0, 5),
        (page(APPLICATION, subpage=1), 0, 5),
        (page(0x40 | APPLICATION), 0, 5),
        (page(APPLICATION) + page(2), 4, 5),
        (page(APPLICATION) + page(APPLICATION), 4, 5),
        (page(APPLICATION, parameter(64, NOTE)), 4, 7),
        (page(APPLICATION, parameter(1, NOTE), parameter(1, NOTE)), 260, 7),
        (page(APPLICATION, parameter(1, NOTE), parameter(0, NOTE)), 260, 7),
        (page(APPLICATION, parameter(1, NOTE, control=0x00)), 6, 1),
        (page(APPLICATION, parameter(1, NOTE[:-1])), 7, 7),
        (page(APPLICATION, parameter(1, NOTE)[:-1]), 7, 7),
        (page(APPLICATION, parameter(1, NOTE)[:3]), 4, None),
        (page(APPLICATION, parameter(1, NOTE))[:-1], 2, 7),
        (page(0x82, parameter(5, bytes(7) + b"\1", COUNTER)), 8, 7),
        (page(0x82, parameter(5, bytes(8), COUNTER | 0x10)), 6, 4),
        (page(0x90, parameter(1, bytes(15) + b"\1")), 8, 7),
    ],
)
def test_lists_that_are_wrong(data: bytes, field: int, bit: int | None) -> None:
    """Also behind a page that is right, which is not taken then."""
    bench = make()
    task = bench.run(select(len(data)), data)
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task) == (False, field, bit)
    good = page(0x0E, parameter(2, b"202601", 0x01))
    if data[0] & 0x3F >= APPLICATION:
        assert sense_of(bench.run(select(len(good + data)), good + data)) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
        assert parsed(bench.good(sense(0x0E)))[2] == b" " * 6


def test_lists_that_are_cut_short() -> None:
    bench = make()
    data = page(APPLICATION, parameter(1, NOTE))
    assert bench.refused(select(len(data)), data[:-1]) == PARAMETER_LIST_LENGTH_ERROR[:3]
    assert bench.refused(select(3), data[:3]) == PARAMETER_LIST_LENGTH_ERROR[:3]


@pytest.mark.parametrize(
    ("cdb", "field", "bit"),
    [
        (select(256, flags=2), 1, 1),
        (select(256, page=APPLICATION), 2, 5),
        (select(256, subpage=1), 3, 7),
        (select(256, control=2), 2, 7),
        (select(256, control=3), 2, 7),
    ],
)
def test_a_list_and_a_cdb_that_do_not_go_together(cdb: bytes, field: int, bit: int) -> None:
    task = make().run(cdb, page(APPLICATION, parameter(1, NOTE)))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, field, bit)


def noted() -> Bench:
    """A disk that has read two blocks, and has a note."""
    bench = make()
    bench.good(bytes((0x28, 0, 0, 0, 0, 0, 0, 0, 2, 0)))
    data = page(APPLICATION, parameter(0, NOTE))
    bench.good(select(len(data)), data)
    return bench


def left(bench: Bench) -> tuple[bool, bool]:
    """Whether the count and the note are still there."""
    return any(parsed(bench.good(sense(3)))[5]), any(parsed(bench.good(sense(APPLICATION)))[0])


@pytest.mark.parametrize(
    ("cdb", "expected"),
    [
        (select(0, control=0), (True, True)),
        (select(0, control=1), (True, True)),
        (select(0, control=2), (True, True)),
        (select(0, control=3), (False, True)),
        (select(0, control=3, flags=1), (False, True)),
        (select(0, flags=2), (False, False)),
        (select(0, subpage=0xFF, flags=2), (False, False)),
        (select(0, page=3, flags=2), (False, True)),
        (select(0, page=3, subpage=0xFF, flags=2), (False, True)),
        (select(0, page=APPLICATION, flags=2), (True, False)),
        (select(0, page=APPLICATION, flags=1), (True, True)),
        (select(0, control=2, flags=3), (False, False)),
    ],
)
def test_resets(cdb: bytes, expected: tuple[bool, bool]) -> None:
    """SPC-5 6.7.2, PCR, SP and PC without a parameter list."""
    bench = noted()
    bench.good(cdb)
    assert left(bench) == expected


@pytest.mark.parametrize(
    ("cdb", "field", "bit"),
    [
        (select(0, control=1, flags=1), 1, 0),
        (select(0, control=0, flags=3), 1, 0),
        (select(0, control=1, flags=3), 1, 0),
        (select(0, page=3, flags=1), 1, 0),
        (select(0, page=0x3E, flags=2), 2, 5),
        (select(0, page=0x3E, subpage=0xFF, flags=2), 2, 5),
        (select(0, page=3, subpage=1, flags=2), 3, 7),
        (select(0, subpage=1, flags=2), 2, 5),
    ],
)
def test_resets_that_are_refused(cdb: bytes, field: int, bit: int) -> None:
    """Counters are not saved, so that to ask for it is wrong."""
    bench = noted()
    task = bench.run(cdb)
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task) == (True, field, bit)
    assert left(bench) == (True, True)


def test_save_of_a_page_that_is_not_saved() -> None:
    """DS in the page says that the client knows."""
    bench = make()
    data = page(0x02, parameter(5, bytes(8), COUNTER))
    task = bench.run(select(len(data), flags=1), data)
    assert pointer_of(task) == (False, 0, 7)
    bench.good(select(len(data), flags=1), b"\x82" + data[1:])


def test_a_page_that_this_unit_has_not() -> None:
    bench = make()
    unit = bench.itl().lu
    extra = LogPage(0x3D, 2, "extra", lambda _: [Parameter(7, COUNTER, b"\1")], available=lambda _: False)
    unit.log_pages = (*unit.log_pages, extra)  # type: ignore[attr-defined]
    assert pointer_of(bench.run(sense(0x3D, 2))) == (True, 2, 5)
    assert 0x3D not in bench.good(sense(0))[4:]


def test_a_page_of_a_subpage_alone() -> None:
    bench = make()
    unit = bench.itl().lu
    extra = LogPage(0x3D, 2, "extra", lambda _: [Parameter(7, COUNTER, b"\1")])
    unit.log_pages = (*unit.log_pages, extra)  # type: ignore[attr-defined]
    assert bench.good(sense(0x3D, 2)).hex() == "fd02 0005 0007 22 01 01".replace(" ", "")
    assert bench.good(sense(0x3D, 0xFF))[4:].hex() == "3d023dff"
    assert pointer_of(bench.run(sense(0x3D))) == (True, 3, 7)
