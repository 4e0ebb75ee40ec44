"""tgtd.scsi.passthrough.commands: what the passthrough says itself, and how CDBs leave."""

from __future__ import annotations

import pytest

from tests.scsi.passthrough.stand_in import PassBench
from tests.scsi.workbench import NAME, TUR, sense_of
from tgtd.scsi.access import PortGroup
from tgtd.scsi.passthrough.commands import cdb_of
from tgtd.scsi.sense import INVALID_COMMAND_OPERATION_CODE, INVALID_FIELD_IN_CDB, CheckCondition


def inquiry(page: int | None, room: int) -> bytes:
    return bytes((0x12, int(page is not None), page or 0)) + room.to_bytes(2, "big") + b"\0"


@pytest.mark.parametrize(
    ("opcode", "rest", "length"),
    [
        (0x12, b"", 6),
        (0x28, b"", 10),
        (0x5A, b"", 10),
        (0xA8, b"", 12),
        (0x88, b"", 16),
        (0x9E, b"", 16),
        (0xC0, b"", 10),
        (0xE5, bytes(10) + b"\1", 12),
        (0xFF, bytes(14) + b"\1", 16),
        (0x7F, bytes(6) + b"\x08", 16),
    ],
)
def test_a_cdb_is_as_long_as_its_group_says(opcode: int, rest: bytes, length: int) -> None:
    cdb = (bytes((opcode,)) + rest).ljust(16, b"\0")
    assert cdb_of(cdb) == cdb[:length]


def test_long_cdbs() -> None:
    cdb = bytes((0x7F, 0, 0, 0, 0, 0, 0, 0x18)).ljust(32, b"\7")
    assert cdb_of(cdb) == cdb
    with pytest.raises(CheckCondition) as refused:
        cdb_of(cdb[:31])
    assert (refused.value.sense, refused.value.field) == (INVALID_FIELD_IN_CDB, 7)


def test_inquiry_is_the_device_s() -> None:
    bench = PassBench()
    theirs = bench.real.bench.good(inquiry(None, 96))
    ours = bench.good(inquiry(None, 96))
    assert [at for at in range(96) if ours[at] != theirs[at]] == [3, 5]
    assert (theirs[3] ^ ours[3], theirs[5] ^ ours[5]) == (0x20, 0x08), "NORMACA and 3PC"
    assert bench.good(inquiry(0x80, 255)) == bench.real.bench.good(inquiry(0x80, 255))
    assert bench.good(inquiry(0xB1, 255)) == bench.real.bench.good(inquiry(0xB1, 255))


@pytest.mark.parametrize("room", [0, 1, 4, 5, 36, 255, 4096])
@pytest.mark.parametrize("page", [None, 0x00, 0x80, 0x83, 0xB0])
def test_allocation_length(page: int | None, room: int) -> None:
    bench = PassBench()
    whole = bench.good(inquiry(page, 4096))
    assert bench.good(inquiry(page, room)) == whole[:room]


def test_pages_that_are_changed_or_hidden() -> None:
    bench = PassBench()
    pages = bench.good(inquiry(0x00, 255))[4:]
    assert 0x83 in pages
    for hidden in (0x85, 0x87, 0x88, 0x8F):
        assert hidden not in pages
        assert bench.refused(inquiry(hidden, 255)) == INVALID_FIELD_IN_CDB[:3]
    assert NAME.encode() in bench.good(inquiry(0x83, 4096))
    limits = bench.good(inquiry(0xB0, 64))
    assert int.from_bytes(limits[8:12], "big") == bench.real.most_bytes >> 9


def test_who_it_was_while_it_is_away() -> None:
    bench = PassBench()
    there = {page: bench.good(inquiry(page, 252)) for page in (None, 0x00, 0x80, 0x83)}
    bench.unit.offline()
    for page, data in there.items():
        assert bench.good(inquiry(page, 252)) == data
    assert bench.refused(inquiry(0xB1, 252)) == INVALID_FIELD_IN_CDB[:3]
    assert bench.refused(bytes.fromhex("1200010000ff00")[:6]) == INVALID_FIELD_IN_CDB[:3]


def test_request_sense() -> None:
    bench = PassBench()
    cdb = bytes.fromhex("03000000ff00")
    other = bench.connect("b")
    assert bench.good(cdb, nexus=other)[2:3] == b"\6"
    assert not bench.real.asked
    assert bench.good(cdb)[2:3] == b"\0"
    assert bench.real.asked[0][0] == cdb
    bench.unit.offline()
    assert bench.good(cdb)[2:3] == b"\2"


def test_report_luns_is_ours() -> None:
    bench = PassBench()
    assert bench.good(bytes.fromhex("a00000000000000001000000")) == bytes.fromhex("0000000800000000") + bytes(8)
    assert not bench.real.asked


@pytest.mark.parametrize("cdb", ["83110000", "8400", "a30a", "a40a"])
def test_what_never_reaches_the_device(cdb: str) -> None:
    bench = PassBench()
    assert bench.refused(bytes.fromhex(cdb)) == INVALID_COMMAND_OPERATION_CODE[:3]
    assert not bench.real.asked


def opcodes(option: int, opcode: int = 0, action: int = 0, room: int = 65535) -> bytes:
    return bytes((0xA3, 0x0C, option, opcode)) + action.to_bytes(2, "big") + room.to_bytes(4, "big") + bytes(2)


def test_the_commands_of_both() -> None:
    bench = PassBench()
    listed = bench.good(opcodes(0))
    rows = {
        (row[0], int.from_bytes(row[2:4], "big")) for row in (listed[at : at + 8] for at in range(4, len(listed), 8))
    }
    assert {(0x28, 0), (0x2A, 0), (0x12, 0), (0xA0, 0), (0x5F, 0), (0x9E, 0x10)} <= rows
    assert not rows & {(0x83, 0), (0x84, 0), (0xA3, 0x0A)}
    assert bench.good(opcodes(0, room=12)) == listed[:12]


def test_one_command() -> None:
    bench = PassBench()
    assert bench.good(opcodes(1, 0x28)) == bench.real.bench.good(opcodes(1, 0x28))
    assert bench.good(opcodes(2, 0x5F, 1))[1] & 7 == 3
    assert bench.good(opcodes(1, 0x12))[-1] == 0, "NACA is refused"
    assert bench.good(opcodes(1, 0x83))[1] & 7 == 1
    assert bench.good(opcodes(2, 0xA3, 0x0A))[1] & 7 == 1
    assert sense_of(bench.run(opcodes(1, 0x5F))) == INVALID_FIELD_IN_CDB[:3]
    bench.unit.offline()
    assert bench.refused(opcodes(1, 0x28))[0] == 2
    assert bench.refused(TUR)[0] == 2


def test_port_groups_are_ours() -> None:
    bench = PassBench()
    report = b"\xa3\x0a" + bytes(7) + b"\xff\0\0"
    assert bench.refused(report)[:2] in ((5, 0x20), (5, 0x24))
    bench.target.regroup((PortGroup(1, explicit=True), PortGroup(2)))
    bench.ready()
    assert bench.good(inquiry(None, 96))[5] & 0x30 == 0x30
    assert bench.good(report) == bytes.fromhex("00000018 00CF0001 00000001 00000001 00CF0002 00000001 00000002")
    bench.good(b"\xa4\x0a" + bytes(7) + b"\x08\0\0", bytes.fromhex("00000000 01000001"))
    assert bench.good(report)[4] == 0x01
