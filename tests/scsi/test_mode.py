"""tgtd.scsi.mode: MODE SENSE and MODE SELECT over every row of a disk."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scsi.workbench import TUR, Bench, Pooled, pointer_of, sense_of
from tgtd.scsi.medium import Buffer
from tgtd.scsi.memory import Forgetful, WhenKept
from tgtd.scsi.mode import CHANGEABLE, CURRENT, DEFAULT, SAVED, ModeField, ModePage
from tgtd.scsi.savedmodes import MEMORY, load
from tgtd.scsi.sbc.modes import MODE_PAGES
from tgtd.scsi.sbc.protection.tagpage import APPLICATION_TAG
from tgtd.scsi.sense import (
    BECOMING_READY,
    INTERNAL_TARGET_FAILURE,
    INVALID_FIELD_IN_PARAMETER_LIST,
    MODE_PARAMETERS_CHANGED,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.target import TaskManagement, encode_lun


class Volatile(Pooled):
    """Memory that has to be flushed."""

    volatile = True
    flushes = 0

    def write_now(self, offset: int, data: Buffer) -> bool:
        return False

    def flush(self) -> None:
        self.flushes += 1


PAGES = tuple(page for page in MODE_PAGES if page is not APPLICATION_TAG)


def make(**settings: Any) -> Bench:
    """A disk that has all mode pages but that of protection information."""
    bench = Bench()
    bench.disk(Volatile(1 << 20), **{"pool_warning": 90, **settings})
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("control", [CURRENT, CHANGEABLE, DEFAULT, SAVED])
def test_each_page_alone(page: Any, control: int) -> None:
    bench = make()
    six = bench.good(sense6(page.code, page.subpage, control))
    ten = bench.good(sense10(page.code, page.subpage, control))
    assert six[0] == len(six) - 1
    assert struct.unpack_from(">H", ten)[0] == len(ten) - 2
    assert six[4:] == ten[8:]
    assert len(six) - 4 == page.length
    assert six[4] & 0x7F == page.code | (0x40 if page.subpage else 0)
    can_be_saved = any(bench.good(sense6(page.code, page.subpage, CHANGEABLE))[4 + len(page.header()) :])
    assert six[4] >> 7 == can_be_saved


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_fields_lie_in_the_page_and_do_not_overlap(page: Any) -> None:
    seen: set[tuple[int, int]] = set()
    for field in page.fields:
        assert len(page.header()) <= field.byte < page.length
        assert field.byte + field.size <= page.length
        last = field.byte + field.size - 1
        bits = {(last - bit // 8, bit % 8) for bit in range(field.bit, field.bit + field.width)}
        assert not bits & seen
        seen |= bits


def test_all_pages() -> None:
    bench = make()
    without = bench.good(sense6(0x3F))[4:]
    everything = bench.good(sense6(0x3F, 0xFF))[4:]
    assert len(without) == sum(page.length for page in PAGES if not page.subpage)
    assert len(everything) == sum(page.length for page in PAGES)
    assert bench.good(sense6(0x0A, 0xFF))[4:] == bench.good(sense6(0x0A))[4:] + bench.good(sense6(0x0A, 1))[4:]


@pytest.mark.parametrize(
    ("page", "subpage", "pointer"), [(0x30, 0, (2, 5)), (0x0A, 7, (3, 7)), (0x3F, 1, (3, 7)), (0x08, 1, (3, 7))]
)
def test_pages_that_are_not_there(page: int, subpage: int, pointer: tuple[int, int]) -> None:
    bench = make()
    assert pointer_of(bench.run(sense6(page, subpage))) == (True, *pointer)


def test_block_descriptors() -> None:
    bench = make(block_size=4096)
    assert bench.good(sense6(0x08, dbd=False))[3:12].hex() == "08" + "00000100" + "00001000"
    assert bench.good(sense10(0x08, flags=0))[4:16].hex() == "00000008" + "00000100" + "00001000"
    assert bench.good(sense10(0x08, flags=0x10))[4:24].hex() == "01000010" + f"{256:016x}" + "00000000" + "00001000"
    assert bench.good(sense10(0x08, flags=0x18))[4:8].hex() == "00000000"


def test_device_specific_parameter() -> None:
    assert make().good(sense6(0x08))[2] == 0x10
    assert make(read_only=True).good(sense6(0x08))[2] == 0x90


def allowed(page: ModePage, wish: bytes) -> bool:
    return all(field.values is None or field.read(wish) in field.values for field in page.fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_changeable_bit_changes_and_every_other_is_refused(page: Any) -> None:
    bench = make()
    mask = bench.good(sense6(page.code, page.subpage, CHANGEABLE))[4:]
    names = [field.name for field in page.fields]
    assert len(set(names)) == len(names), "saved by name"
    header = len(page.header())
    for byte in range(header, page.length):
        for bit in range(8):
            now = bench.good(sense6(page.code, page.subpage))[4:]
            wish = with_bits(now, byte, 1 << bit)
            task = bench.run(*select6(bytes(4) + wish))
            after = bench.good(sense6(page.code, page.subpage))[4:]
            if mask[byte] >> bit & 1 and allowed(page, wish):
                assert task.status == 0, sense_of(task)
                assert after == wish
                bench.good(*select10(bytes(8) + now))
            else:
                assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
                assert pointer_of(task)[:2] == (False, 4 + byte)
                assert mask[byte] >> bit & 1 or pointer_of(task)[2] == bit
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


@pytest.mark.parametrize(("flags", "bit"), [(0x00, 4), (0x01, 4), (0x12, 1), (0x02, 1)])
def test_format_and_defaults(flags: int, bit: int) -> None:
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


def test_fields_of_several_bytes() -> None:
    field = ModeField(2, 4, 14, "x", lambda _: 0x2ABC, lambda _: 0)
    page = ModePage(0x20, 0, "test", 6, (field, ModeField(4, 0, 4, "y", lambda _: 5, lambda _: 0)))
    bench = make()
    data = page.encode(bench.disk(number=1), CURRENT)
    assert data.hex() == "200402abc500"
    assert field.read(data) == 0x2ABC
    assert (field.size, page.fields[1].read(data)) == (3, 5)


@pytest.mark.parametrize(
    ("byte", "low", "values", "width"), [(2, 5, {0, 1}, 3), (3, 1, {0, 1, 3}, 2), (4, 4, {0, 2, 3}, 2)]
)
def test_values_that_mean_nothing_are_refused(byte: int, low: int, values: set[int], width: int) -> None:
    bench = make()
    for value in range(1 << width):
        page = bytearray(bench.good(sense6(0x0A))[4:])
        page[byte] = page[byte] & ~((1 << width) - 1 << low) | value << low
        task = bench.run(*select6(bytes(4) + page))
        assert (task.status == 0) is (value in values)
        if value not in values:
            assert pointer_of(task) == (False, 4 + byte, low + width - 1)
            assert values_now(bench, byte, low, width) in values


def values_now(bench: Bench, byte: int, low: int, width: int) -> int:
    return int(bench.good(sense6(0x0A))[4 + byte] >> low & (1 << width) - 1)


# Saving


def reset(bench: Bench) -> None:
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.lane.drain()
    bench.ready()


def restarted(bench: Bench, **settings: Any) -> Bench:
    """Another daemon, with what this one's disk remembers."""
    again = Bench()
    disk = again.disk(Volatile(1 << 20), **settings)
    disk.remember(bench.itl().lu.memory)
    again.ready()
    return again


def values(bench: Bench, page: int, byte: int) -> list[int]:
    """Current, changeable, default and saved value of a byte of a page."""
    return [bench.good(sense6(page, control=control))[4 + byte] for control in range(4)]


def change(bench: Bench, page: int, byte: int, mask: int, flags: int = 0x10) -> None:
    bench.good(*select6(bytes(4) + with_bits(bench.good(sense6(page))[4:], byte, mask), flags))


def test_saved_values_outlive_a_reset_and_a_restart() -> None:
    bench = make()
    change(bench, 0x0A, 5, 0x40, flags=0x11)
    change(bench, 0x08, 2, 0x04, flags=0x11)
    assert values(bench, 0x0A, 5) == [0x40, 0x40, 0, 0x40]
    assert values(bench, 0x08, 2) == [0, 4, 4, 0]
    change(bench, 0x0A, 5, 0x40)
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0x40]
    reset(bench)
    assert values(bench, 0x0A, 5)[0] == 0x40
    again = restarted(bench)
    assert values(again, 0x0A, 5) == [0x40, 0x40, 0, 0x40]
    assert values(again, 0x08, 2) == [0, 4, 4, 0]
    assert again.itl().lu.report_aborts


def test_saving_saves_every_page() -> None:
    """SPC-5 6.13: also those that are not in the list, and without a list."""
    bench = make()
    change(bench, 0x0A, 5, 0x40)
    change(bench, 0x08, 2, 0x04, flags=0x11)
    assert values(bench, 0x0A, 5)[3] == 0x40
    change(bench, 0x0A, 5, 0x40)
    bench.good(*select10(b"", 0x11))
    assert values(bench, 0x0A, 5)[3] == 0
    assert values(restarted(bench), 0x08, 2)[0] == 0


def test_the_administrators_later_word_counts() -> None:
    bench = make()
    change(bench, 0x08, 2, 0x04, flags=0x11)
    assert values(restarted(bench, write_cache=True), 0x08, 2) == [0, 4, 4, 0]
    assert values(restarted(bench, write_cache=False), 0x08, 2) == [0, 4, 0, 0]
    again = restarted(bench, write_cache=False)
    change(again, 0x08, 2, 0x04, flags=0x11)
    assert values(again, 0x08, 2) == [4, 4, 0, 4]


def test_reverting_to_defaults() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    change(bench, 0x0A, 5, 0x40, flags=0x11)
    bench.ready(nexus=other)
    bench.good(*select10(b"", 0x02))
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0x40]
    assert bench.refused(TUR, nexus=other) == MODE_PARAMETERS_CHANGED[:3]
    bench.good(*select6(b"", 0x03))
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0]
    bench.good(TUR, nexus=other)
    assert bench.itl().lu.memory.recall("mode pages") is None


class Failing(Forgetful):
    """Nothing can be kept."""

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        then(CheckCondition(INTERNAL_TARGET_FAILURE))


def test_what_cannot_be_saved_is_not_changed() -> None:
    bench = make()
    bench.disk(Volatile(1 << 20), number=1).remember(Failing())
    bench.ready(1)
    page = bench.good(sense6(0x0A), lun=1)[4:]
    asked = select6(bytes(4) + with_bits(page, 5, 0x40), 0x11)
    assert bench.refused(*asked, lun=1) == INTERNAL_TARGET_FAILURE[:3]
    assert bench.good(sense6(0x0A), lun=1)[4:] == page


def test_saving_waits_for_the_store_and_for_the_flush() -> None:
    bench = make()
    page = bench.good(sense6(0x08))[4:]
    task = bench.start(*select6(bytes(4) + with_bits(page, 2, 0x04), 0x11))
    assert task not in bench.done
    bench.lane.drain()
    assert task.status == 0
    assert bench.itl().lu.memory.recall("mode pages") is not None


class Slow(Forgetful):
    """Keeps when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        self.waiting.append(partial(super().keep, name, value, then))


def test_one_save_after_the_other() -> None:
    """Else the later one would save what was current before the earlier one."""
    bench = make()
    disk = bench.itl().lu
    disk.remember(memory := Slow())
    page = bench.good(sense6(0x0A))[4:]
    first = bench.start(*select6(bytes(4) + with_bits(page, 5, 0x40), 0x11))
    second = bench.start(*select6(bytes(4) + with_bits(page, 2, 0x04), 0x11))
    assert len(memory.waiting) == 1
    memory.waiting.pop()()
    assert (first.status, second in bench.done) == (0, False)
    memory.waiting.pop()()
    assert second.status == 0
    assert load(memory.recall(MEMORY)) == {"0a/00 D_SENSE": (1, 0)}
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0]


def test_a_save_of_what_is_current_waits_for_the_one_before() -> None:
    bench = make()
    bench.itl().lu.remember(memory := Slow())
    page = bench.good(sense6(0x0A))[4:]
    bench.start(*select6(bytes(4) + with_bits(page, 5, 0x40), 0x11))
    bench.start(*select6(b"", 0x11))
    memory.waiting.pop()()
    memory.waiting.pop()()
    assert load(memory.recall(MEMORY)) == {"0a/00 TAS": (1, 0)}


def test_what_is_saved_is_written_back_even_if_nobody_waits_any_more() -> None:
    bench = make()
    bench.itl().lu.remember(memory := Slow())
    page = bench.good(sense6(0x08))[4:]
    task = bench.start(*select6(bytes(4) + with_bits(page, 2, 0x04), 0x11))
    bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), task.tag)
    bench.lane.jobs.clear()
    memory.waiting.pop()()
    assert len(bench.lane.jobs) == 1


def test_a_unit_that_becomes_another_one_meanwhile_takes_nothing_along() -> None:
    bench = make()
    disk = bench.itl().lu
    disk.remember(memory := Slow())
    page = bench.good(sense6(0x0A))[4:]
    task = bench.start(*select6(bytes(4) + with_bits(page, 5, 0x40), 0x11))
    disk.remember(Forgetful())
    memory.waiting.pop()()
    assert sense_of(task) == BECOMING_READY[:3]
    assert values(bench, 0x0A, 5) == [0, 0x40, 0, 0]
    change(bench, 0x0A, 5, 0x40, flags=0x11)


def test_initiators_that_came_too_early_hear_what_was_saved() -> None:
    bench = make()
    change(bench, 0x0A, 5, 0x40, flags=0x11)
    again = Bench()
    disk = again.disk(Volatile(1 << 20))
    again.ready()
    disk.remember(bench.itl().lu.memory)
    assert again.refused(TUR) == MODE_PARAMETERS_CHANGED[:3]
    disk.remember(bench.itl().lu.memory)
    again.good(TUR)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=24),
            st.sampled_from(MODE_PAGES).flatmap(
                lambda page: st.binary(min_size=page.length - len(page.header()), max_size=page.length).map(
                    lambda rest: page.header() + rest[: page.length - len(page.header())]
                )
            ),
        ),
        max_size=3,
    ),
    st.integers(0, 255),
    st.booleans(),
)
def test_any_parameter_list_is_carried_out_or_changes_nothing(parts: list[bytes], flags: int, long: bool) -> None:
    bench = make()
    disk = bench.itl().lu
    everything = sense10(0x3F, 0xFF), sense10(0x3F, 0xFF, SAVED)
    before = [bench.good(cdb) for cdb in everything]
    data = b"".join(parts)
    task = bench.run(
        *(select10(bytes(8) + data, flags) if long or len(data) > 251 else select6(bytes(4) + data, flags))
    )
    assert task.status in (0, 2)
    after = [bench.good(cdb) for cdb in everything]
    if task.status == 2:
        assert after == before
    elif not flags & 1:
        assert after[1] == before[1]
    assert disk.faults == 0
