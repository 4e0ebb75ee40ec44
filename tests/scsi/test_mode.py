"""tgtd.scsi.mode: MODE SENSE and MODE SELECT over every row of a disk."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.scsi.workbench import TUR, Bench, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.medium import Buffer
from tgtd.scsi.mode import CHANGEABLE, CURRENT, DEFAULT
from tgtd.scsi.sbc.modes import MODE_PAGES
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_PARAMETER_LIST,
    MODE_PARAMETERS_CHANGED,
    PARAMETER_LIST_LENGTH_ERROR,
    SAVING_PARAMETERS_NOT_SUPPORTED,
)


class Volatile(RamMedium):
    """Memory that has to be flushed."""

    volatile = True
    flushes = 0

    def write_now(self, offset: int, data: Buffer) -> bool:
        return False

    def flush(self) -> None:
        self.flushes += 1


def make(**settings: Any) -> Bench:
    bench = Bench()
    bench.disk(Volatile(1 << 20), **settings)
    bench.ready()
    return bench


def sense6(page: int, subpage: int = 0, control: int = 0, dbd: bool = True, length: int = 255) -> bytes:
    return bytes((0x1A, dbd << 3, control << 6 | page, subpage, length, 0))


def sense10(page: int, subpage: int = 0, control: int = 0, flags: int = 8, length: int = 0xFFFF) -> bytes:
    return struct.pack(">BBBB3xHB", 0x5A, flags, control << 6 | page, subpage, length, 0)


def select6(parameters: bytes, flags: int = 0x10) -> tuple[bytes, bytes]:
    return bytes((0x15, flags, 0, 0, len(parameters), 0)), parameters


def select10(parameters: bytes, flags: int = 0x10) -> tuple[bytes, bytes]:
    return struct.pack(">BB5xHB", 0x55, flags, len(parameters), 0), parameters


def with_bits(page: bytes, byte: int, mask: int) -> bytes:
    changed = bytearray(page)
    changed[byte] ^= mask
    return bytes(changed)


@pytest.mark.parametrize("page", MODE_PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("control", [CURRENT, CHANGEABLE, DEFAULT])
def test_each_page_alone(page: Any, control: int) -> None:
    bench = make()
    six = bench.good(sense6(page.code, page.subpage, control))
    ten = bench.good(sense10(page.code, page.subpage, control))
    assert six[0] == len(six) - 1
    assert struct.unpack_from(">H", ten)[0] == len(ten) - 2
    assert six[4:] == ten[8:]
    assert len(six) - 4 == page.length
    assert six[4] == page.code | (0x40 if page.subpage else 0)


@pytest.mark.parametrize("page", MODE_PAGES, ids=lambda page: page.name)
def test_fields_lie_in_the_page_and_do_not_overlap(page: Any) -> None:
    seen: set[tuple[int, int]] = set()
    for field in page.fields:
        assert len(page.header()) <= field.byte < page.length
        bits = {(field.byte, bit) for bit in range(field.bit, field.bit + field.width)}
        assert all(bit < 8 for _, bit in bits)
        assert not bits & seen
        seen |= bits


def test_all_pages() -> None:
    bench = make()
    without = bench.good(sense6(0x3F))[4:]
    everything = bench.good(sense6(0x3F, 0xFF))[4:]
    assert len(without) == sum(page.length for page in MODE_PAGES if not page.subpage)
    assert len(everything) == sum(page.length for page in MODE_PAGES)
    assert bench.good(sense6(0x0A, 0xFF))[4:] == bench.good(sense6(0x0A))[4:] + bench.good(sense6(0x0A, 1))[4:]


@pytest.mark.parametrize(
    ("page", "subpage", "pointer"), [(0x30, 0, (2, 5)), (0x0A, 7, (3, 7)), (0x3F, 1, (3, 7)), (0x08, 1, (3, 7))]
)
def test_pages_that_are_not_there(page: int, subpage: int, pointer: tuple[int, int]) -> None:
    bench = make()
    assert pointer_of(bench.run(sense6(page, subpage))) == (True, *pointer)


def test_saved_values() -> None:
    assert make().refused(sense6(0x08, control=3)) == SAVING_PARAMETERS_NOT_SUPPORTED[:3]


def test_block_descriptors() -> None:
    bench = make(block_size=4096)
    assert bench.good(sense6(0x08, dbd=False))[3:12].hex() == "08" + "00000100" + "00001000"
    assert bench.good(sense10(0x08, flags=0))[4:16].hex() == "00000008" + "00000100" + "00001000"
    assert bench.good(sense10(0x08, flags=0x10))[4:24].hex() == "01000010" + f"{256:016x}" + "00000000" + "00001000"
    assert bench.good(sense10(0x08, flags=0x18))[4:8].hex() == "00000000"


def test_device_specific_parameter() -> None:
    assert make().good(sense6(0x08))[2] == 0x10
    assert make(read_only=True).good(sense6(0x08))[2] == 0x90


@pytest.mark.parametrize("page", MODE_PAGES, ids=lambda page: page.name)
def test_every_changeable_bit_changes_and_every_other_is_refused(page: Any) -> None:
    bench = make()
    mask = bench.good(sense6(page.code, page.subpage, CHANGEABLE))[4:]
    header = len(page.header())
    for byte in range(header, page.length):
        for bit in range(8):
            now = bench.good(sense6(page.code, page.subpage))[4:]
            wish = with_bits(now, byte, 1 << bit)
            task = bench.run(*select6(bytes(4) + wish))
            after = bench.good(sense6(page.code, page.subpage))[4:]
            if mask[byte] >> bit & 1:
                assert task.status == 0, sense_of(task)
                assert after == wish
                bench.good(*select10(bytes(8) + now))
            else:
                assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
                assert pointer_of(task) == (False, 4 + byte, bit)
                assert after == now


def test_the_others_hear_of_a_change_and_only_of_a_change() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    page = bench.good(sense6(0x0A))[4:]
    bench.good(*select6(bytes(4) + page))
    bench.good(TUR, nexus=other)
    bench.good(*select6(bytes(4) + with_bits(page, 2, 4)))
    assert bench.refused(TUR, nexus=other) == MODE_PARAMETERS_CHANGED[:3]
    bench.good(TUR)


def test_nothing_changes_when_a_later_page_is_wrong() -> None:
    bench = make()
    control, caching = bench.good(sense6(0x0A))[4:], bench.good(sense6(0x08))[4:]
    wrong = bytes(4) + with_bits(control, 2, 4) + with_bits(caching, 3, 1)
    assert bench.refused(*select6(wrong)) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert bench.good(sense6(0x0A))[4:] == control


def test_what_mode_sense_gave_is_taken_back() -> None:
    bench = make()
    bench.good(*select6(bench.good(sense6(0x3F, 0xFF, dbd=False))))
    for flags in (0, 8, 0x10):
        bench.good(*select10(bench.good(sense10(0x3F, 0xFF, flags=flags))))


@pytest.mark.parametrize("parameters", [b"\0", bytes(3), bytes(4) + b"\x08", bytes(4) + b"\x08\x12\0", b"\0\0\0\x08\0"])
def test_lists_that_end_too_early(parameters: bytes) -> None:
    assert make().refused(*select6(parameters)) == PARAMETER_LIST_LENGTH_ERROR[:3]


def test_a_list_of_which_less_arrives() -> None:
    bench = make()
    assert bench.refused(bytes((0x15, 0x10, 0, 0, 24, 0)), bytes(10)) == PARAMETER_LIST_LENGTH_ERROR[:3]
    assert bench.refused(struct.pack(">BB5xHB", 0x55, 0x10, 7, 0), bytes(7)) == PARAMETER_LIST_LENGTH_ERROR[:3]


def test_an_empty_list_is_no_error() -> None:
    bench = make()
    bench.good(*select6(b""))
    bench.good(*select10(b""))


@pytest.mark.parametrize(("flags", "bit"), [(0x00, 4), (0x11, 0)])
def test_format_and_saving(flags: int, bit: int) -> None:
    bench = make()
    assert pointer_of(bench.run(*select6(bytes(4), flags))) == (True, 1, bit)


@pytest.mark.parametrize(
    ("header", "at"),
    [
        ("00000008 00000801 00000200", 4),
        ("00000008 00000800 00001000", 9),
        ("00000004 00000800", 3),
    ],
)
def test_block_descriptors_that_ask_for_another_geometry(header: str, at: int) -> None:
    bench = make()
    task = bench.run(*select6(bytes.fromhex(header)))
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task)[:2] == (False, at)


@pytest.mark.parametrize("bad", ["0813" + "00" * 18, "30020000", "4a0100"])
def test_pages_that_are_wrong(bad: str) -> None:
    bench = make()
    sense = bench.refused(*select6(bytes(4) + bytes.fromhex(bad)))
    assert sense in (INVALID_FIELD_IN_PARAMETER_LIST[:3], PARAMETER_LIST_LENGTH_ERROR[:3])
