"""tgtd.scsi.sbc.protection.tagpage: what the Application Tag mode page says is checked, and written."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.sbc.protection.cdbs import (
    APPLICATION,
    READ,
    READ_32,
    SAME,
    VERIFY,
    WRITE,
    WRITE_32,
    block,
    blocks,
    long,
    ten,
)
from tests.scsi.test_mode import reset, select10, sense6, sense10, with_bits
from tests.scsi.workbench import TUR, Bench, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room
from tgtd.scsi.sense import MODE_PARAMETERS_CHANGED
from tgtd.scsi.task import Task

BLOCKS = 2048
ATO, ATMPE, DPICZ = 0x80, 0x20, 0x08
Descriptor = tuple[int, int, int, int]
"""LAST, application tag, LBA, blocks."""
HALVES: tuple[Descriptor, ...] = ((0, 0xAAAA, 0, 1024), (1, 0xBBBB, 1024, 1024))


def make(kind: int = 1) -> Bench:
    bench = Bench()
    bench.protected(kind)
    bench.ready()
    return bench


def page(*descriptors: Descriptor) -> bytes:
    """The page, ready for a MODE SELECT."""
    parts = b"".join(struct.pack(">B5xHQQ", last << 7, tag, lba, count) for last, tag, lba, count in descriptors)
    return (bytes.fromhex("4A02006C") + bytes(12) + parts).ljust(112, b"\0")


def select(bench: Bench, *descriptors: Descriptor, flags: int = 0x10) -> Task:
    return bench.run(*select10(bytes(8) + page(*descriptors), flags))


def switch(bench: Bench, byte: int, mask: int, flags: int = 0x10) -> None:
    now = bench.good(sense6(0x0A))[4:]
    bench.good(*select10(bytes(8) + with_bits(now, byte, mask), flags))


def told(kind: int = 1, *descriptors: Descriptor) -> Bench:
    """A disk whose application tags are owned and told: AAAAh in its first half, BBBBh in the other."""
    bench = make(kind)
    assert select(bench, *(descriptors or HALVES)).status == 0
    switch(bench, 5, ATO | ATMPE)
    return bench


def information_of(task: Task) -> int:
    valid, information = struct.unpack(">BxxI", task.sense[:7])
    assert valid & 0x80
    return int(information)


def test_layout() -> None:
    """By bytes, as SBC-4 tables 233 and 234 have it."""
    bench = make()
    assert bench.good(sense10(0x0A, 2))[8:].hex() == "ca02006c" + "00" * 108
    changeable = bench.good(sense10(0x0A, 2, 1))[8:]
    assert changeable.hex() == "ca02006c" + "00" * 12 + ("800000000000" + "ff" * 18) * 4
    assert select(bench, *HALVES).status == 0
    shown = "00000000" + "0000aaaa" + f"{0:016x}{1024:016x}" + "80000000" + "0000bbbb" + f"{1024:016x}{1024:016x}"
    assert bench.good(sense10(0x0A, 2))[24:72].hex() == shown
    assert bench.good(sense6(0x0A, 2))[4:] == bench.good(sense10(0x0A, 2))[8:]


def test_disks_without_protection_information_have_none_of_it() -> None:
    for bench in (make(0), Bench()):
        if not bench.target.luns.get(0):
            bench.disk()
            bench.ready()
        assert bench.refused(sense6(0x0A, 2)) == (5, 0x24, 0)
        assert sense_of(select(bench, *HALVES)) == (5, 0x26, 0)
        assert bench.good(sense6(0x0A, control=1))[4 + 5] & (ATO | ATMPE) == 0


def test_it_is_among_all_pages() -> None:
    """Which are then too long for the shorter MODE SENSE."""
    bench = make()
    assert page()[4:] in bench.good(sense10(0x3F, 0xFF))
    assert bench.refused(sense6(0x3F, 0xFF)) == (5, 0x24, 0)
    bench.good(sense6(0x3F))


@pytest.mark.parametrize(
    ("descriptors", "at", "bit"),
    [
        ([(1, 1, 5, 2043)], 24, 7),
        ([(0, 1, 0, 1000), (1, 2, 999, 1048)], 48, 7),
        ([(1, 1, 0, 2049)], 32, 7),
        ([(1, 1, 0, 2046)], 32, 7),
        ([(0, 1, 0, 1000), (1, 2, 1000, (1 << 64) - 1000)], 56, 7),
        ([(0, 1, 0, 2048)], 88, 7),
        ([(1, 1, 0, 0)], 16, 7),
    ],
    ids=["not from block 0", "overlap", "past the end", "before the end", "wraps", "no last", "the last says nothing"],
)
def test_what_does_not_go_together(descriptors: list[Descriptor], at: int, bit: int) -> None:
    bench = make()
    assert select(bench, *HALVES).status == 0
    before = bench.good(sense10(0x0A, 2))
    task = select(bench, *descriptors)
    assert sense_of(task) == (5, 0x26, 0)
    assert pointer_of(task) == (False, 8 + at, bit)
    assert bench.good(sense10(0x0A, 2)) == before


@pytest.mark.parametrize(("at", "bit"), [(4, 3), (15, 0), (16, 6), (17, 7), (21, 0)])
def test_reserved_bits(at: int, bit: int) -> None:
    bench = make()
    task = bench.run(*select10(bytes(8) + with_bits(page(*HALVES), at, 1 << bit)))
    assert (sense_of(task), pointer_of(task)) == ((5, 0x26, 0), (False, 8 + at, bit))


@pytest.mark.parametrize("end", [BLOCKS - 1, BLOCKS])
def test_where_the_last_range_ends(end: int) -> None:
    """By the standard before the last block, of which nothing is known then."""
    bench = told(1, (1, 0xAAAA, 0, end))
    assert bench.refused(ten(WRITE, BLOCKS - 2, 1, 1), block(1, BLOCKS - 2)) == APPLICATION
    task = bench.run(ten(WRITE, BLOCKS - 1, 1, 1), block(1, BLOCKS - 1))
    assert task.status == (0 if end < BLOCKS else 2)


def test_a_page_can_be_sent_back_as_it_was_read() -> None:
    bench = make()
    for _ in range(2):
        bench.good(*select10(bytes(8) + bench.good(sense10(0x0A, 2))[8:]))
        assert select(bench, *HALVES).status == 0


def test_what_is_sent_is_checked() -> None:
    bench = told()
    good = block(1, 1023, 0xAAAA) + block(2, 1024, 0xBBBB)
    bench.good(ten(WRITE, 1023, 2, 1), good)
    task = bench.run(ten(WRITE, 1023, 2, 1), blocks(3, 1023, 2, 0xAAAA))
    assert sense_of(task) == APPLICATION
    assert information_of(task) == 1024
    assert bench.good(ten(READ, 1023, 2, 1)) == good
    bench.good(ten(WRITE, 1024, 1, 4), block(4, 1024, 0x1111))


@pytest.mark.parametrize("protect", [0, 1, 2, 5])
def test_what_is_read_is_checked(protect: int) -> None:
    bench = make()
    bench.good(ten(WRITE, 1020, 8, 1), blocks(1, 1020, 8, 0xAAAA))
    assert select(bench, *HALVES).status == 0
    read = ten(READ, 1020, 8, protect)
    bench.good(read)
    switch(bench, 5, ATO)
    bench.good(read)
    switch(bench, 5, ATMPE)
    task = bench.run(read)
    assert sense_of(task) == APPLICATION
    assert information_of(task) == 1024
    assert bench.refused(ten(VERIFY, 1020, 8, protect)) == APPLICATION
    bench.good(ten(READ, 1020, 4, protect))
    switch(bench, 5, ATO)
    bench.good(read)


def test_what_is_not_looked_at() -> None:
    bench = make()
    bench.good(ten(WRITE, 4, 1, 1), block(1, 4, 0x1111))
    assert select(bench, *HALVES).status == 0
    switch(bench, 5, ATO | ATMPE)
    assert bench.refused(ten(READ, 4, 1)) == APPLICATION
    bench.good(ten(READ, 4, 1, 3))
    bench.good(ten(READ, 4, 1, 4))
    switch(bench, 2, DPICZ)
    bench.good(ten(READ, 4, 1))
    assert bench.refused(ten(READ, 4, 1, 1)) == APPLICATION


def test_blocks_that_are_not_checked() -> None:
    """FFFFh, which a WRITE without protection information leaves."""
    bench = told()
    bench.good(ten(WRITE, 4, 1), b"\1" * 512)
    assert bench.good(ten(READ, 4, 1, 1)) == block(1, 4, 0xFFFF)
    bench.good(ten(WRITE, 5, 1, 1), block(1, 5, 0xFFFF))


def test_nothing_said_nothing_known() -> None:
    bench = make()
    switch(bench, 5, ATO | ATMPE)
    bench.good(ten(WRITE, 4, 1, 1), block(1, 4, 0x1234))
    bench.good(ten(READ, 4, 1, 1))


def test_compare() -> None:
    """Tags that are known are compared (SBC-4 table 128): a block that was written before they were told."""
    bench = make()
    bench.good(ten(WRITE, 4, 1, 1), block(1, 4, 0x1111))
    assert select(bench, *HALVES).status == 0
    compare = ten(VERIFY, 4, 1, 1, 2)
    switch(bench, 5, ATO)
    bench.good(compare, block(1, 4, 0xAAAA))
    switch(bench, 5, ATMPE)
    task = bench.run(compare, block(1, 4, 0xAAAA))
    assert sense_of(task) == (0xE, 0x10, 2)
    assert information_of(task) == 4


def test_write_same_gives_each_block_its_own() -> None:
    bench = told()
    bench.good(ten(SAME, 1020, 8, 1), block(7, 1020, 0xAAAA))
    assert bench.good(ten(READ, 1020, 8, 1)) == blocks(7, 1020, 4, 0xAAAA) + blocks(7, 1024, 4, 0xBBBB)
    assert bench.refused(ten(SAME, 1020, 8, 1), block(7, 1020, 0xBBBB)) == APPLICATION


def test_write_same_of_type_3_writes_what_was_sent() -> None:
    bench = told(3)
    bench.good(ten(SAME, 1022, 2, 1), block(7, 5, 0xAAAA))
    bench.good(ten(SAME, 1022, 4, 1), block(7, 5, 0xAAAA))
    assert bench.refused(ten(READ, 1022, 4, 1)) == APPLICATION
    bench.good(ten(READ, 1022, 2, 1))


def test_the_long_forms_say_it_themselves() -> None:
    bench = told(2)
    bench.good(long(WRITE_32, 4, 1, 1, reference=4, tag=0x1234, mask=0xFFFF), block(1, 4, 0x1234))
    bench.good(long(READ_32, 4, 1, 1, reference=4))
    assert bench.refused(ten(READ, 4, 1)) == APPLICATION


def test_saved_values() -> None:
    bench = make()
    assert select(bench, *HALVES, flags=0x11).status == 0
    switch(bench, 5, ATO | ATMPE, flags=0x11)
    assert select(bench, (1, 0x1111, 0, BLOCKS)).status == 0
    assert bench.good(sense10(0x0A, 2, 3))[8:] == bytes((0xCA,)) + page(*HALVES)[1:]
    reset(bench)
    assert bench.good(sense10(0x0A, 2)) == bench.good(sense10(0x0A, 2, 3))
    assert bench.refused(ten(WRITE, 4, 1, 1), block(1, 4, 0x1111)) == APPLICATION


def test_saved_values_are_in_force_when_the_medium_comes_later() -> None:
    """As it does when a daemon starts: the disk knows only then that it has protection information."""
    bench = make()
    assert select(bench, *HALVES, flags=0x11).status == 0
    switch(bench, 5, ATO | ATMPE, flags=0x11)
    again = Bench()
    disk = again.disk(False)
    disk.remember(bench.itl().lu.memory)
    disk.insert(ProtectedMedium(RamMedium(1 << 20), RamMedium(room(1 << 20, 512)), 512, 1))
    again.ready()
    assert again.good(sense10(0x0A, 2)) == bench.good(sense10(0x0A, 2))
    assert again.refused(ten(WRITE, 4, 1, 1), block(1, 4, 0x1111)) == APPLICATION
    switch(again, 5, ATO)
    disk.offline()
    disk.insert(ProtectedMedium(RamMedium(1 << 20), RamMedium(room(1 << 20, 512)), 512, 1))
    again.ready()
    assert again.good(sense6(0x0A))[4 + 5] & ATO == 0, "only once: what was changed since stays"


def test_the_others_hear_of_it() -> None:
    bench = make()
    other = bench.connect("b")
    bench.ready(nexus=other)
    assert select(bench, *HALVES).status == 0
    assert bench.refused(TUR, nexus=other) == MODE_PARAMETERS_CHANGED[:3]


def test_a_disk_that_has_grown() -> None:
    """Of what came on top nothing is known, until somebody tells."""
    bench = told()
    disk = bench.target.luns[0]
    assert isinstance(disk, Disk)
    disk.store().grow(2 << 20)
    disk.grown(2 << 20)
    bench.ready()
    bench.good(ten(WRITE, 2048, 1, 1), block(1, 2048, 0x1234))
    assert bench.refused(ten(WRITE, 2047, 1, 1), block(1, 2047, 0x1234)) == APPLICATION
    assert select(bench, *HALVES).status == 0, "what was read may be written back"
    assert sense_of(select(bench, (1, 0xBBBB, 0, 2048))) == (5, 0x26, 0)
    assert select(bench, *HALVES[:1], (1, 0xBBBB, 1024, 3072)).status == 0
    assert bench.refused(ten(WRITE, 2048, 1, 1), block(1, 2048, 0x1234)) == APPLICATION
