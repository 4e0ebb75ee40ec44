"""tgtd.scsi.ssc.logs: what the log pages of a tape drive say is what happened."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

from tests.scsi.ssc.taping import MIB, REWIND, Tape
from tests.scsi.test_log import parsed, select, sense
from tests.scsi.workbench import sense_of
from tgtd.media.cartridge.cartridge import MOST_CLEANINGS, Cartridge, Making
from tgtd.scsi.ssc.logs import LOG_PAGES
from tgtd.scsi.ssc.trouble import explain

PREVENT, UNLOAD = bytes.fromhex("1e0000000100"), bytes.fromhex("1b0000000000")


def numbers(tape: Tape, page: int) -> dict[int, int]:
    return {code: int.from_bytes(value, "big") for code, value in parsed(tape.good(sense(page))).items()}


def rot(tape: Tape, at: int) -> None:
    """Damage a byte of the file, from its end."""
    with tape.file.open("r+b") as file:
        data = bytearray(tape.file.read_bytes())
        place = data.rfind(b"rotten") + at
        file.seek(place)
        file.write(bytes((data[place] ^ 1,)))


def test_every_page_that_is_listed_is_whole(tape: Tape) -> None:
    listed = tape.good(sense(0))[4:]
    assert list(listed) == [0, *sorted(page.code for page in LOG_PAGES)]
    for loaded in (True, False):
        for code in listed[1:]:
            parsed(tape.good(sense(code)))
        if loaded:
            tape.good(UNLOAD)


def test_bytes(tape: Tape) -> None:
    tape.write(b"a" * 3000, 1, b"b" * 2000)
    tape.good(REWIND)
    tape.read(1000, flags=2)
    assert [numbers(tape, 0x0C)[code] for code in range(4)] == [5000, 5000, 3000, 1000]
    assert numbers(tape, 2) == {3: 0, 5: 5000, 6: 0}
    assert numbers(tape, 3) == {3: 0, 5: 1000, 6: 0}
    tape.good(select(0, page=0x0C, flags=2))
    assert [numbers(tape, 0x0C)[code] for code in range(4)] == [0, 0, 0, 0]
    assert numbers(tape, 2)[5] == 5000
    assert (numbers(tape, 0x1B)[0], numbers(tape, 0x1B)[1]) == (100, 100)
    assert numbers(tape, 0x32)[7] == 5000


def test_capacities(tape: Tape) -> None:
    tape.write(b"x" * (3 * MIB))
    page = numbers(tape, 0x0C)
    assert (page[4], page[5] + page[6]) == (3, 67)
    assert numbers(tape, 0x31) == {1: 60, 2: 0, 3: 64, 4: 0}
    volume = parsed(tape.good(sense(0x17)))
    assert struct.unpack(">BxHI", volume[0x202]) == (7, 0, 67)
    assert struct.unpack(">BxHI", volume[0x203]) == (7, 0, 3)
    assert volume[0x42] == b"A00001L8".ljust(32)
    assert (volume[0], volume[0x0E], volume[0x81]) == (b"\1", b"\0\0\0\3", b"\0")
    assert volume[0x10] == (3).to_bytes(8, "big")
    tape.good(UNLOAD)
    assert numbers(tape, 0x31) == {1: 0, 2: 0, 3: 0, 4: 0}
    assert numbers(tape, 0x17) == {0: 0}


def test_usage(tape: Tape) -> None:
    """What the cartridge has seen since it was made, be it in this drive or another; LOG SELECT lets it be."""
    lengths = {code: len(value) for code, value in parsed(tape.good(sense(0x30))).items()}
    assert lengths == {1: 4, 3: 4, 4: 2, 5: 2, 6: 2, 8: 4, 9: 2, 10: 2, 11: 2}
    assert {code: count for code, count in numbers(tape, 0x30).items() if count} == {1: 1}
    tape.write(b"rotten" * 10)
    tape.good(REWIND)
    rot(tape, 3)
    tape.read(60)
    tape.good(REWIND)
    tape.read(60)
    explain(tape.drive, OSError(errno.EIO, "a test"), writing=True, cdb=bytes(6))
    tape.good(select(0, page=0x30, flags=2))
    assert {code: count for code, count in numbers(tape, 0x30).items() if count} == {1: 1, 4: 1, 9: 2}
    volume = numbers(tape, 0x17)
    assert [volume[code] for code in (3, 4, 5, 6, 8, 9)] == [0, 1, 0, 0, 0, 2]
    cartridge = tape.drive.take_out()
    assert cartridge is not None
    assert set(numbers(tape, 0x30).values()) == {0}
    cartridge.close()
    again = tape.cartridge = Cartridge.open(str(tape.file))
    assert (again.unwritten, again.unread) == (1, 2)
    tape.drive.put_in(again)
    tape.lane.drain()
    tape.ready()
    assert {code: count for code, count in numbers(tape, 0x30).items() if count} == {1: 2, 4: 1, 9: 2}


def test_status(tape: Tape) -> None:
    assert parsed(tape.good(sense(0x11)))[0] == bytes((0x21, 0x37, 0, 0))
    tape.good(PREVENT)
    assert parsed(tape.good(sense(0x11)))[0] == bytes((0xA1, 0x17, 0, 0))
    assert numbers(tape, 0x14)[0x80] == 1
    tape.good(bytes.fromhex("1e0000000000"))
    tape.good(UNLOAD)
    assert parsed(tape.good(sense(0x11)))[0] == bytes((0x61, 0x34, 0, 0))
    assert numbers(tape, 0x14)[0x0D] == 1


def test_condition(tape: Tape) -> None:
    assert parsed(tape.good(sense(0x3E))) == {0: bytes(4), 1: b"\0\1\1\0", 2: b"\0\0\0\1", 3: b"\xff" * 4}
    tape.write(b"rotten" * 10)
    tape.good(REWIND)
    rot(tape, 3)
    tape.read(60)
    tape.drive.faults = 1
    assert parsed(tape.good(sense(0x3E)))[1] == b"\0\2\2\0", "the drive and the medium are degraded"
    tape.drive.partition().lost = 1
    assert parsed(tape.good(sense(0x3E)))[1] == b"\0\2\3\0"
    tape.drive.faults = tape.drive.partition().lost = 0
    tape.good(UNLOAD)
    assert parsed(tape.good(sense(0x3E)))[1] == b"\0\1\0\0"
    tape.good(bytes.fromhex("1b0000000100"))
    assert parsed(tape.good(sense(0x3E))) == {0: bytes(4), 1: b"\0\1\1\0", 2: b"\0\0\0\2", 3: b"\xff" * 4}


def test_condition_with_a_cleaning_cartridge(tape: Tape, tmp_path: Path) -> None:
    cleaner = Cartridge.create(str(tmp_path / "cleaner"), Making("CLN001L8", MIB, "clean"))
    for uses, expired in ((0, 0), (MOST_CLEANINGS - 2, 0), (MOST_CLEANINGS, 1)):
        cleaner.label.loads = uses
        tape.drive.take_out()
        tape.lane.drain()
        tape.drive.put_in(cleaner)
        tape.lane.drain()
        page = parsed(tape.good(sense(0x3E)))
        assert page[1] == bytes((expired, 1, 0, 0))
        assert int.from_bytes(page[3], "big") == min(uses + 1, MOST_CLEANINGS)
    cleaner.close()


def test_an_error_and_who_hears_of_it(tape: Tape) -> None:
    other = tape.connect("b")
    tape.ready(nexus=other)
    tape.write(b"rotten" * 10)
    tape.good(REWIND)
    rot(tape, 3)
    task = tape.read(60)
    assert sense_of(task)[0] == 3
    assert (numbers(tape, 3)[6], numbers(tape, 2)[6], numbers(tape, 0x14)[0x0F]) == (1, 0, 1)
    assert numbers(tape, 0x12) == {0: 1 << 61 | 1 << 59}
    assert parsed(tape.good(sense(0x11)))[0][3] == 1
    tape.good(sense(0x2E, room=4))
    assert [code for code, up in numbers(tape, 0x2E).items() if up] == [3, 5]
    assert [code for code, up in numbers(tape, 0x2E).items() if up] == [], "told once"
    flags = parsed(tape.good(sense(0x2E), nexus=other))
    assert [code for code, up in flags.items() if up != b"\0"] == [3, 5]
    assert len(flags) == 64
    assert str(tape.drive.records.history.errors[-1]["cdb"])[:12] == "080000003c00"


def test_alerts_end_with_a_reset_and_with_the_cartridge(tape: Tape) -> None:
    tape.good(PREVENT)
    assert tape.refused(UNLOAD) == (5, 0x53, 2)
    assert numbers(tape, 0x12) == {0: 1 << (64 - 0x0A)}
    tape.good(select(0, page=0x2E, flags=2))
    assert numbers(tape, 0x12) == {0: 0}
    tape.refused(UNLOAD)
    cartridge = tape.drive.take_out()
    assert cartridge is not None
    tape.drive.put_in(cartridge)
    tape.ready()
    assert numbers(tape, 0x12) == {0: 0}


def test_what_else_a_tape_drive_answers(tape: Tape) -> None:
    assert tape.good(bytes.fromhex("a30f00000000000000ff0000"))[:2] == b"\0\x0a"
    tape.good(bytes.fromhex("3b020000000000000300"), b"abc")
    assert tape.good(bytes.fromhex("3c020000000000000300")) == b"abc"
    tape.good(bytes.fromhex("a40600000000000000030000"), b"abc")
    assert tape.good(bytes.fromhex("a30500000000000000ff0000")) == b"\0\0\0\x03abc"
