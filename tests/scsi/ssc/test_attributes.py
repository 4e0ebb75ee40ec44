"""READ ATTRIBUTE and WRITE ATTRIBUTE (SPC-5 7.4)."""

from __future__ import annotations

import struct

import pytest

from tests.scsi.ssc.taping import Tape
from tgtd.media.cartridge.cartridge import Cartridge
from tgtd.scsi.ssc.attributes import ATTRIBUTES


def read(action: int = 0, first: int = 0, room: int = 0xFFFF, partition: int = 0) -> bytes:
    return struct.pack(">BB5xBHIBB", 0x8C, action, partition, first, room, 0, 0)


def write(length: int, partition: int = 0) -> bytes:
    return struct.pack(">BB5xBHIBB", 0x8D, 0, partition, 0, length, 0, 0)


def listed(*attributes: tuple[int, int, bytes]) -> bytes:
    body = b"".join(struct.pack(">HBH", number, kind, len(value)) + value for number, kind, value in attributes)
    return struct.pack(">I", len(body)) + body


def values(answer: bytes) -> dict[int, tuple[int, bytes]]:
    assert struct.unpack_from(">I", answer)[0] == len(answer) - 4
    found, at = {}, 4
    while at < len(answer):
        number, kind, length = struct.unpack_from(">HBH", answer, at)
        found[number] = (kind, answer[at + 5 : at + 5 + length])
        at += 5 + length
    return found


def test_what_the_cartridge_says_of_itself(tape: Tape) -> None:
    found = values(tape.good(read()))
    assert found[0x0001] == (0x80, (67).to_bytes(8, "big"))
    assert found[0x0006] == (0x80, b"\x5e")
    assert found[0x0408] == (0x80, b"\0")
    assert set(found) == {row.number for row in ATTRIBUTES if row.value is not None}
    for row in ATTRIBUTES:
        if row.value is not None:
            assert len(found[row.number][1]) == row.length


def test_what_hosts_keep_outlives_the_drive(tape: Tape) -> None:
    data = listed((0x0801, 1, b"our backup"), (0x080C, 0, bytes(70)), (0x1400, 0, b"\1\2"))
    tape.good(write(len(data)), data)
    assert values(tape.good(read(first=0x0801)))[0x0801] == (1, b"our backup")
    numbers = tape.good(read(action=1, first=0x0801))
    assert struct.unpack(">I3H", numbers)[1:] == (0x0801, 0x080C, 0x1400)
    away = listed((0x080C, 0, b""))
    tape.good(write(len(away)), away)
    tape.cartridge.close()
    again = Cartridge.open(str(tape.file))
    assert again.attributes(0) == {0x0801: (1, b"our backup"), 0x1400: (0, b"\1\2")}
    tape.cartridge = again


def test_a_length_that_counts_itself(tape: Tape) -> None:
    """As LTFS sends it."""
    data = listed((0x0800, 1, b"OPEN"))
    tape.good(write(len(data)), struct.pack(">I", len(data)) + data[4:])
    assert tape.cartridge.attributes(0) == {0x0800: (1, b"OPEN")}


def test_the_volume_change_reference(tape: Tape) -> None:
    """It is another one whenever something else is on the tape, and only then."""

    def reference() -> bytes:
        return values(tape.good(read()))[0x0009][1]

    seen = [reference()]
    for step in ((b"one",), (1,), (b"two",)):
        tape.write(*step)
        seen.append(reference())
    tape.good(bytes.fromhex("010000000000"))
    assert reference() == seen[-1]
    tape.write(b"one")
    seen.append(reference())
    tape.good(bytes.fromhex("010000000000"))
    tape.good(bytes.fromhex("040000000000"))
    seen.append(reference())
    assert len(set(seen)) == len(seen)
    tape.write(*(b"%d" % number for number in range(600)))
    last = reference()
    tape.cartridge.close()
    tape.cartridge = Cartridge.open(str(tape.file))
    assert tape.cartridge.reference.to_bytes(4, "big") == last


@pytest.mark.parametrize(
    ("data", "sense"),
    [
        (listed((0x0001, 0, bytes(8))), (5, 0x26, 0)),
        (listed((0x0801, 0, b"x")), (5, 0x26, 0)),
        (listed((0x0801, 0x81, b"x")), (5, 0x26, 0)),
        (listed((0x0801, 1, bytes(33))), (5, 0x26, 0)),
        (listed((0x0999, 1, b"x")), (5, 0x26, 0)),
        (listed((0x0801, 1, b"good"), (0x0001, 0, b"x")), (5, 0x26, 0)),
        (listed((0x0801, 1, b"good"))[:-1], (5, 0x1A, 0)),
        (b"\0\0\0\2\x08\x01\1", (5, 0x1A, 0)),
        (b"\0\0\0\3\x08\x01\1", (5, 0x1A, 0)),
        (b"\0\0", (5, 0x1A, 0)),
    ],
)
def test_lists_that_are_refused_change_nothing(tape: Tape, data: bytes, sense: tuple[int, int, int]) -> None:
    assert tape.refused(write(len(data)), data) == sense
    assert tape.cartridge.attributes(0) == {}


def test_memory_is_bounded(tape: Tape) -> None:
    for number in range(16):
        data = listed((0x1400 + number, 0, bytes(1024)))
        tape.good(write(len(data)), data)
    data = listed((0x1500, 0, b"x"))
    assert tape.refused(write(len(data)), data) == (5, 0x26, 0)


def test_memory_is_bounded_by_all_who_write_at_once(tape: Tape) -> None:
    lists = [listed(*((0x1400 + 8 * turn + number, 0, bytes(1024)) for number in range(8))) for turn in range(5)]
    tasks = [tape.start(write(len(data)), data) for data in lists]
    tape.lane.drain()
    assert [task.status for task in tasks] == [0, 0, 2, 2, 2]


def test_other_lists(tape: Tape) -> None:
    assert tape.good(read(action=3)) == bytes.fromhex("00020001")
    supported = tape.good(read(action=5))
    assert len(supported) == 4 + 2 * len(ATTRIBUTES)
    assert tape.refused(read(action=7)) == (5, 0x24, 0)
    assert tape.refused(read(partition=1)) == (5, 0x24, 0)
    assert tape.refused(read(first=0x0801)) == (5, 0x24, 0)
    assert len(tape.good(read(room=11))) == 11


def test_what_it_has_seen(tape: Tape) -> None:
    """Megabytes, and drives; all of it outlives the drive."""
    block = bytes(1_000_000)
    tape.write(block, block, 1)
    tape.good(bytes.fromhex("010000000000"))
    tape.read(len(block))
    found = values(tape.good(read()))
    assert [int.from_bytes(found[number][1], "big") for number in range(0x220, 0x224)] == [2, 1, 2, 1]
    name = f"{tape.drive.identity.vendor:<8}{tape.drive.identity.serial}".encode()
    assert found[0x020A] == (0x81, name.ljust(40))
    assert found[0x020B] == (0x81, b" " * 40)
    tape.good(bytes.fromhex("010000000000"))
    tape.good(bytes.fromhex("040000000000"))
    tape.cartridge.close()
    again = Cartridge.open(str(tape.file))
    assert (again.written, again.fetched, again.drives) == (2 * len(block), len(block), [name.decode()])
    for number in range(6):
        again.count_load(0, f"drive {number}")
    assert again.drives == ["drive 5", "drive 4", "drive 3", "drive 2"]
    tape.cartridge = again
