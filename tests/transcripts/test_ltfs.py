"""What LTFS sends to a drive (its reference implementation, by sg): a volume is formatted, mounted, and written to.

The commands are those of mkltfs and ltfs 2.4.8.4, each kind once and in their order, without what they repeat; labels,
indexes and files are stand-ins. The program is packaged nowhere, or it would run in the guest.
"""

from __future__ import annotations

import os
import struct

import pytest

from tests.transcripts.stage import Answer, In, Out, Row, play, standard, vital
from tests.wire.conftest import Site
from tests.wire.test_tapes import drive
from tgtd.media.guards import GUARDS

pytestmark = pytest.mark.wire

INDEX, DATA = 0, 1
"""Partitions."""
FILEMARK, SHORT = (0x0, 0x00, 0x01), (0x0, 0x00, 0x00)
NOT_THERE, END_OF_DATA = (0x5, 0x24, 0x00), (0x8, 0x00, 0x05)

PARAMETERS = bytes.fromhex("0000881000000008 5e00000000000000")
"""Header of mode parameters, and the block descriptor of an LTO-8 medium and blocks of any length."""
LABEL, INNER, FIRST_INDEX = b"VOL1A00001L".ljust(79) + b"4", b"<ltfslabel/>", b"<ltfsindex/>"
FILE = os.urandom(512 << 10)
CRC32C = 2


def sense(page: int, subpage: int, room: int) -> In:
    return In(struct.pack(">BxBB3xHx", 0x5A, page, subpage, room), room)


def select(*pages: str) -> Out:
    data = PARAMETERS + b"".join(map(bytes.fromhex, pages))
    return Out(struct.pack(">BB5xHx", 0x55, 0x10, len(data)), data)


def locate(partition: int, number: int, change: bool = True) -> Out:
    return Out(struct.pack(">BBxBQ4x", 0x92, 2 * change, partition, number))


def write(block: bytes) -> Out:
    return Out(b"\x0a\0" + len(block).to_bytes(3, "big") + b"\0", block)


def read(length: int, quiet: bool = False) -> In:
    return In(bytes((0x08, 2 * quiet)) + length.to_bytes(3, "big") + b"\0", length)


def marks(count: int, immediate: bool = False) -> Out:
    return Out(bytes((0x10, int(immediate), 0, 0, count, 0)))


def attribute(partition: int, number: int, room: int) -> In:
    return In(struct.pack(">BB5xBHIxx", 0x8C, 0, partition, number, room), room)


def remember(partition: int, number: int, kind: int, value: bytes) -> Out:
    """WRITE ATTRIBUTE; the length in front counts itself."""
    length = 9 + len(value)
    cdb = struct.pack(">BB5xBxxIxx", 0x8D, 1, partition, length)
    return Out(cdb, struct.pack(">IHBH", length, number, kind, len(value)) + value)


def at(partition: int, number: int, file: int) -> bytes:
    return struct.pack(">B3xIQQ8x", 0x80 * (not number), partition, number, file)


def starts(*parts: str) -> Answer:
    expected = bytes.fromhex("".join(parts))
    return lambda data: data.startswith(expected)


def protected(block: bytes) -> bytes:
    return block + GUARDS[CRC32C](block)


POSITION = In(bytes.fromhex("34060000000000000000"), 32)
LOAD = Out(bytes.fromhex("1b0000000100"))
CAPACITIES = In(bytes.fromhex("4d005700000000ffff00"), 0xFFFF)
VOLUME_REFERENCE = attribute(0, 0x0009, 13)
COHERENCY = struct.pack(">BQQQ", 8, 1, 1, 5) + struct.pack(">H", 43) + b"LTFS\0".ljust(42, b"0") + b"\0"
NAMED = bytes.fromhex("0a00020f")


def tells_partitions(data: bytes) -> bool:
    """Volume statistics: the capacity of two partitions in megabytes (0202h), in records of 8 bytes."""
    place = 4
    while data[place : place + 2] != b"\x02\x02":
        place += 4 + data[place + 3]
    records = data[place + 4 : place + 4 + data[place + 3]]
    numbers, sizes = zip(*struct.iter_unpack(">xxHI", records), strict=True)
    return numbers == (INDEX, DATA) and all(sizes)


def rows_of(*lines: tuple[str, Out | In] | tuple[str, Out | In, Answer]) -> tuple[Row, ...]:
    return tuple(Row("ltfs", *line) for line in lines)


FORMAT = rows_of(
    ("who is it", standard(255), starts("01 80 07 32")),
    ("its serial number", vital(0x80), lambda data: data[1] == 0x80),
    ("how long commands take", In(bytes.fromhex("a30c80000000000010000000"), 4096), lambda data: len(data) > 500),
    ("register", Out(bytes.fromhex("5f060000000000001800"), bytes(8) + bytes.fromhex("40000000") + NAMED + bytes(8))),
    ("reserve", Out(bytes.fromhex("5f010300000000001800"), bytes.fromhex("40000000") + NAMED + bytes(16))),
    ("let the medium go", Out(bytes.fromhex("1e0000000000"))),
    ("how long blocks may be", In(bytes.fromhex("050000000000"), 6), bytes.fromhex("00ffffff0001")),
    ("load", LOAD),
    ("where is it", POSITION, at(INDEX, 0, 0)),
    ("which medium is it", sense(0x3F, 0, 255), lambda data: data[2] == 0x88 and data[8] == 0x5E),
    ("keep the medium", Out(bytes.fromhex("1e0000000100"))),
    (
        "is there block protection",
        sense(0x0A, 0xF0, 48),
        lambda data: data[16:] == bytes.fromhex("4af0001c") + bytes(28),
    ),
    ("not now", select("4af0001c" + "00" * 28)),
    ("which partition", sense(0x10, 0, 32), lambda data: data[16:20] == bytes.fromhex("100e0000")),
    (
        "may it write anywhere",
        sense(0x10, 0x01, 48),
        lambda data: data[16:20] == bytes.fromhex("d001001c") and data[21] < 0x10,
    ),
    ("to the beginning", locate(0, 0, change=False)),
    ("all of the capacity", Out(bytes.fromhex("0b0000ffff00"))),
    ("how may it be divided", sense(0x11, 0, 28), lambda data: data[18:20] == bytes.fromhex("0300")),
    ("into two", select("110e03013c0309000001ffff00000000")),
    ("do so", Out(bytes.fromhex("040001000000"))),
    ("does it compress", sense(0x0F, 0, 32), lambda data: data[18] & 0x40),
    ("it shall", select("0f0ec080000000ff000000ff00000000")),
    *(
        line
        for partition in (DATA, INDEX)
        for line in (
            (f"to partition {partition}", locate(partition, 0)),
            ("there it is", POSITION, at(partition, 0, 0)),
            ("a label", write(LABEL)),
            ("a filemark", marks(1, immediate=True)),
            ("the label of LTFS", write(INNER)),
            ("a filemark", marks(1, immediate=True)),
            ("is the volume locked", attribute(0, 0x1623, 10), NOT_THERE),
            ("all is written", marks(0)),
            ("a filemark", marks(1, immediate=True)),
            ("an index", write(FIRST_INDEX)),
            ("a filemark", marks(1, immediate=True)),
            ("behind it", POSITION, at(partition, 7, 4)),
            (
                "which state of the volume is it",
                VOLUME_REFERENCE,
                lambda data: data[4:9] == bytes.fromhex("0009800004"),
            ),
            ("remember it", remember(partition, 0x080C, 0, COHERENCY)),
        )
    ),
    ("how large are the partitions", CAPACITIES, tells_partitions),
    ("vendor", remember(0, 0x0800, 1, b"IBM".ljust(8))),
    ("application", remember(0, 0x0801, 1, b"LTFS".ljust(32))),
    ("version", remember(0, 0x0802, 1, b"2.4.8.4".ljust(8))),
    ("label", remember(0, 0x0803, 2, b"name".ljust(160, b"\0"))),
    ("in which characters", remember(0, 0x0805, 0, b"\x81")),
    ("barcode", remember(0, 0x0806, 1, b"A00001".ljust(32))),
    ("of which format", remember(0, 0x080B, 1, b"2.4.0".ljust(16))),
    ("not locked", remember(0, 0x1623, 0, b"\0")),
    ("pool", remember(0, 0x0808, 2, bytes(160))),
    ("release", Out(bytes.fromhex("5f020300000000001800"), bytes.fromhex("40000000") + NAMED + bytes(16))),
)

MOUNT = rows_of(
    ("load", LOAD),
    ("protect blocks by CRC32C", select("4af0001c 02 04 c0" + "00" * 25)),
    ("so it is", sense(0x0A, 0xF0, 48), lambda data: data[20:23] == bytes.fromhex("0204c0")),
    ("to the index partition", locate(INDEX, 0)),
    ("its label", read(4100, quiet=True), protected(LABEL)),
    ("a filemark", read(4100, quiet=True), FILEMARK),
    ("the label of LTFS", read(4100, quiet=True), protected(INNER)),
    ("is it locked", attribute(0, 0x1623, 10), lambda data: data[4:] == bytes.fromhex("1623000001 00")),
    ("a page of other drives", sense(0x25, 0, 48), NOT_THERE),
    *(
        (f"coherency of {partition}", attribute(partition, 0x080C, 79), lambda data: data[9:] == COHERENCY)
        for partition in (INDEX, DATA)
    ),
    ("is it that state", VOLUME_REFERENCE, lambda data: len(data) == 13),
    ("to the index", locate(INDEX, 5)),
    ("too much room for it", read(0x80004), SHORT),
    ("a filemark", read(0x80004), FILEMARK),
    ("a filemark back", Out(struct.pack(">BBxxq4x", 0x91, 1, -1))),
    ("before it", POSITION, at(INDEX, 6, 3)),
    ("and over it", Out(struct.pack(">BBxxq4x", 0x91, 1, 1))),
    ("who made it", attribute(0, 0x0800, 17), lambda data: data[9:] == b"IBM".ljust(8)),
    ("its label", attribute(0, 0x0803, 169), lambda data: data[9:13] == b"name"),
    ("beyond the data", locate(DATA, 0xFFFFFFFFFFFFFFFF), END_OF_DATA),
    ("there it ends", POSITION, at(DATA, 7, 4)),
)

WRITE = rows_of(
    ("a file", write(protected(FILE))),
    ("not what was sent", write(protected(FILE)[:-1] + b"?"), (0x4, 0x10, 0x01)),
    ("once more", write(protected(FILE))),
    ("a filemark", marks(1)),
    ("an index", write(protected(FIRST_INDEX))),
    ("a filemark", marks(1)),
    ("behind it", POSITION, at(DATA, 12, 6)),
    ("another state", VOLUME_REFERENCE, lambda data: len(data) == 13),
    ("over the index", locate(INDEX, 4)),
    ("a filemark", marks(1, immediate=True)),
    ("an index", write(protected(FIRST_INDEX))),
    ("a filemark", marks(1)),
    ("to the file", locate(DATA, 7)),
    ("it is there", read(0x80004), protected(FILE)),
    ("no more protection", select("4af0001c" + "00" * 28)),
    ("once more", read(0x80000), FILE),
    ("how it is", Out(bytes.fromhex("4d007700000000ffff00")), NOT_THERE),
)


def test_a_volume(site: Site) -> None:
    site.write(site.target(drive(site, 1, "2 GiB")))
    site.start()
    play(site, 1, (*FORMAT, *MOUNT, *WRITE))
