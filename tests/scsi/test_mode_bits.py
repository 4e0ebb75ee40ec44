"""Every bit of every mode page: what the changeable values say is what MODE SELECT does (SPC-5 6.13, 7.5)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from tests.scsi.test_fields import Furnished
from tests.scsi.workbench import pointer_of, sense_of
from tgtd.scsi.task import Task

CURRENT, CHANGEABLE, DEFAULT = range(3)
HEADER = 8
INVALID_FIELD = (0x5, 0x26, 0x00)
PF, SP = 0x10, 0x01


def sense(bench: Furnished, control: int, page: int = 0x3F, subpage: int = 0xFF) -> bytes:
    """The pages, without header and block descriptors."""
    answer = bench.good(bytes((0x5A, 0x08, control << 6 | page, subpage, 0, 0, 0, 0x10, 0, 0)))
    return answer[HEADER:]


def select(bench: Furnished, page: bytes, save: int = 0) -> Task:
    data = bytes(HEADER) + bytes((page[0] & 0x7F,)) + page[1:]
    return bench.run(struct.pack(">BB5xHx", 0x55, PF | save, len(data)), data)


def split(pages: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(pages):
        size = 4 + int.from_bytes(pages[at + 2 : at + 4], "big") if pages[at] & 0x40 else 2 + pages[at + 1]
        yield pages[at : at + size]
        at += size
    assert at == len(pages)


def name_of(page: bytes) -> tuple[int, int]:
    return page[0] & 0x3F, page[1] if page[0] & 0x40 else 0


PAGES = [name_of(page) for page in split(sense(Furnished("thin"), CURRENT))]


@pytest.mark.parametrize(("page", "subpage"), PAGES, ids=[f"{page:02X}-{subpage:02X}" for page, subpage in PAGES])
def test_every_bit(page: int, subpage: int) -> None:
    """A bit that cannot be changed is refused where it stands, and one that can be is changed; nothing else is."""
    bench = Furnished("thin")
    (whole,) = split(sense(bench, CURRENT, page, subpage))
    (mask,) = split(sense(bench, CHANGEABLE, page, subpage))
    assert len(mask) == len(whole)
    assert mask[:2] == whole[:2] or mask[1:2] == whole[1:2]
    for at in range(4 if whole[0] & 0x40 else 2, len(whole)):
        for bit in range(8):
            before = sense(bench, CURRENT)
            changed = bytearray(whole)
            changed[at] ^= 1 << bit
            task = select(bench, bytes(changed))
            bench.ready(0, nexus=bench.other)
            if mask[at] >> bit & 1 and task.status == 0:
                assert sense(bench, CURRENT, page, subpage)[at] == changed[at], (at, bit)
                assert select(bench, whole).status == 0
                bench.ready(0, nexus=bench.other)
            else:
                assert sense_of(task) == INVALID_FIELD, (at, bit, task.status)
                in_cdb, byte, _ = pointer_of(task)
                assert not in_cdb
                assert mask[at] >> bit & 1 or byte == HEADER + at, (at, bit, byte)
            assert sense(bench, CURRENT) == before, (at, bit)
    assert bench.itl().lu.faults == 0


@pytest.mark.parametrize(("page", "subpage"), PAGES, ids=[f"{page:02X}-{subpage:02X}" for page, subpage in PAGES])
def test_a_page_that_is_cut_short_or_too_long(page: int, subpage: int) -> None:
    bench = Furnished("thin")
    (whole,) = split(sense(bench, CURRENT, page, subpage))
    before = sense(bench, CURRENT)
    for length in range(1, len(whole)):
        assert sense_of(select(bench, whole[:length]))[:2] in ((0x5, 0x1A), (0x5, 0x26)), length
    longer = bytearray(whole) + bytes(2)
    longer[3 if whole[0] & 0x40 else 1] += 2
    assert sense_of(select(bench, bytes(longer)))[:2] in ((0x5, 0x1A), (0x5, 0x26))
    assert select(bench, whole + b"\x3e\0").status == 0x02
    assert sense(bench, CURRENT) == before


def test_defaults_are_what_a_fresh_disk_has() -> None:
    bench = Furnished("thin")
    assert sense(bench, DEFAULT) == sense(bench, CURRENT)
