"""tgtd.scsi.sbc.protection.transfers: blocks with their protection information, to and fro."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.protection.cdbs import (
    APPLICATION,
    ATOMIC_32,
    GUARD,
    OR,
    OR_32,
    READ,
    READ_32,
    REFERENCE,
    SELECT,
    WRITE,
    WRITE_32,
    WRITE_VERIFY,
    WRITE_VERIFY_32,
    block,
    blocks,
    long,
    own_tags,
    sixteen,
    ten,
)
from tests.scsi.sbc.test_scattered import descriptors, scattered
from tests.scsi.workbench import Bench, sense_of
from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room

MISSING = 0xFFFFFFFF


def make(kind: int, **settings: object) -> Bench:
    bench = Bench()
    bench.protected(kind, **settings)
    bench.ready()
    return bench


@pytest.mark.parametrize("block_size", [512, 4096])
def test_there_and_back(block_size: int) -> None:
    bench = make(1, block_size=block_size)
    sent = b"".join(block(n, 5 + n, 0x1234, size=block_size) for n in range(3))
    bench.good(ten(WRITE, 5, 3, 1), sent)
    assert bench.good(ten(READ, 5, 3, 1)) == sent
    assert bench.good(ten(READ, 5, 1)) == bytes(block_size)
    assert bench.good(ten(READ, 7, 1)) == b"\2" * block_size
    assert bench.good(sixteen(0x88, 6, 1, 5)) == sent[block_size + 8 : 2 * (block_size + 8)]


def test_more_than_a_worker_does_at_once() -> None:
    bench = make(1)
    sent = blocks(9, 0, 2048)
    bench.good(ten(WRITE, 0, 2048, 1), sent)
    assert bench.good(ten(READ, 0, 2048, 1)) == sent


def test_what_was_never_written() -> None:
    assert make(1).good(ten(READ, 3, 1, 1)) == bytes(512) + b"\xff" * 8


@pytest.mark.parametrize(
    ("kind", "reference", "read"), [(1, 4, ten(READ, 4, 1, 1)), (2, MISSING, None), (3, MISSING, ten(READ, 4, 1, 1))]
)
def test_what_is_made_for_plain_writes(kind: int, reference: int, read: bytes | None) -> None:
    bench = make(kind)
    bench.good(ten(WRITE, 4, 1), b"\7" * 512)
    assert bench.good(read or long(READ_32, 4, 1, 3)) == block(7, reference, 0xFFFF if kind == 2 else 0)
    bench.good(SELECT, own_tags())
    bench.good(ten(WRITE, 4, 1), b"\7" * 512)
    assert bench.good(read or long(READ_32, 4, 1, 3)) == block(7, reference, 0xFFFF)


@pytest.mark.parametrize(
    ("protect", "bad", "sense"),
    [
        (1, block(1, 9, crc=0), GUARD),
        (1, block(1, 8), REFERENCE),
        (2, block(1, 9, crc=0), None),
        (2, block(1, 8), REFERENCE),
        (3, block(1, 8, crc=0), None),
        (4, block(1, 9, crc=0), GUARD),
        (4, block(1, 8), None),
        (5, block(1, 9, crc=0), GUARD),
        (1, block(1, 99, 0xFFFF, crc=0), None),
    ],
)
def test_what_is_sent_is_checked_before_it_is_written(
    protect: int, bad: bytes, sense: tuple[int, int, int] | None
) -> None:
    bench = make(1)
    task = bench.run(ten(WRITE, 8, 2, protect), block(1, 8) + bad)
    if sense is None:
        assert task.status == 0
        assert bench.good(ten(READ, 8, 2, 3)) == block(1, 8) + bad
    else:
        assert sense_of(task) == sense
        assert task.sense[0] == 0xF0
        assert task.sense[3:7] == bytes((0, 0, 0, 9))
        assert bench.good(ten(READ, 8, 2)) == bytes(1024)


def test_what_is_read_is_checked() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 8, 1, 3), block(1, 8, crc=0))
    assert bench.refused(ten(READ, 8, 1)) == GUARD
    assert bench.refused(ten(READ, 8, 1, 4)) == GUARD
    assert bench.good(ten(READ, 8, 1, 2)) == block(1, 8, crc=0)
    bench.good(SELECT, bytes(4) + bytes.fromhex("0A0A 08 10 00 00") + bytes((0, 0, 0, 0, 0, 1)))  # DPICZ
    assert bench.good(ten(READ, 8, 1)) == b"\1" * 512
    assert bench.refused(ten(READ, 8, 1, 1)) == GUARD


@pytest.mark.parametrize("protect", [6, 7])
def test_reserved_values(protect: int) -> None:
    bench = make(1)
    for opcode in (READ, WRITE, 0x2F, 0x2E, 0x41):
        task = bench.run(ten(opcode, 0, 1, protect), bytes(520))
        assert sense_of(task) == (5, 0x24, 0)
        assert task.sense[15:18] == bytes((0xCF, 0, 1))


@pytest.mark.parametrize("opcode", [READ, WRITE, 0x2F, 0x2E, 0x41, 0xA8, 0xAA, 0x88, 0x8A, OR, 0x89, 0x9C])
def test_disks_without_it_refuse(opcode: int) -> None:
    """Whether they could have it or not."""
    for bench in (make(0), Bench()):
        if not bench.target.luns.get(0):
            bench.disk()
            bench.ready()
        task = bench.run(bytes((opcode, 0x20)))
        assert sense_of(task) == (5, 0x24, 0)
        assert task.sense[15:18] == bytes((0xCD, 0, 1))
        assert bench.refused(long(READ_32, 0, 1)) == (5, 0x20, 0)


@pytest.mark.parametrize("opcode", [READ, WRITE, 0x2F, 0x2E, 0x41, 0xA8, 0xAA, 0x88, 0x8A, OR, 0x89, 0x9C])
def test_type_2_wants_the_long_forms(opcode: int) -> None:
    """SBC-4 4.21.2.4."""
    assert make(2).refused(bytes((opcode, 0x20))) == (5, 0x20, 0)


@pytest.mark.parametrize("kind", [1, 3])
def test_the_long_forms_are_of_type_2(kind: int) -> None:
    for action in (READ_32, WRITE_32, WRITE_VERIFY_32, 10, 13, ATOMIC_32):
        assert make(kind).refused(long(action, 0, 0)) == (5, 0x20, 0)


def test_type_2() -> None:
    bench = make(2)
    sent = blocks(3, 100, 2, 0xAB00)
    assert bench.refused(long(WRITE_32, 8, 2, 1, reference=99), sent) == REFERENCE
    bench.good(long(WRITE_32, 8, 2, 1, reference=100), sent)
    assert bench.good(long(READ_32, 8, 2, 1, reference=100)) == sent
    assert bench.good(long(READ_32, 8, 2, 0, reference=100)) == b"\3" * 1024
    assert bench.refused(long(READ_32, 8, 2, 0, reference=7)) == REFERENCE
    assert bench.good(long(READ_32, 8, 2, 4, reference=7)) == sent
    assert bench.good(ten(READ, 8, 2)) == b"\3" * 1024
    expected = {"reference": 100, "tag": 0xAB00, "mask": 0xFF00}
    assert bench.good(long(READ_32, 8, 2, 1, reference=100, tag=0xCD00, mask=0xFF00)) == sent
    bench.good(SELECT, own_tags())
    assert bench.good(long(READ_32, 8, 2, 1, **expected)) == sent
    assert bench.refused(long(READ_32, 8, 2, 1, reference=100, tag=0xCD00, mask=0xFF00)) == APPLICATION
    assert bench.refused(long(WRITE_32, 8, 2, 1, reference=100, tag=0xCD00, mask=0xFF00), sent) == APPLICATION


def test_reference_tags_wrap() -> None:
    bench = make(2)
    sent = block(1, MISSING) + block(1, 0)
    bench.good(long(WRITE_32, 8, 2, 1, reference=MISSING), sent)
    assert bench.good(long(READ_32, 8, 2, 1, reference=MISSING)) == sent


def test_less_arrives_than_was_asked_for() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 0, 3, 1), blocks(1, 0, 2) + b"half")
    assert bench.good(ten(READ, 0, 3)) == b"\1" * 1024 + bytes(512)
    bench.good(ten(WRITE, 0, 3, 1), b"")
    bench.good(ten(WRITE, 0, 0, 1), b"")
    bench.good(ten(READ, 0, 0, 1))
    assert bench.refused(ten(WRITE, 2048, 1, 1), bytes(520)) == (5, 0x21, 0)
    assert bench.refused(ten(READ, 2047, 2, 1)) == (5, 0x21, 0)


@pytest.mark.parametrize("check", [0, 2])
def test_write_and_verify(check: int) -> None:
    bench = make(1)
    bench.good(ten(WRITE_VERIFY, 4, 2, 1, check), blocks(5, 4, 2))
    assert bench.good(ten(READ, 4, 2, 1)) == blocks(5, 4, 2)
    assert bench.refused(ten(WRITE_VERIFY, 4, 1, 1, check), block(5, 5)) == REFERENCE
    bench.good(ten(WRITE_VERIFY, 4, 2, 0, check), b"\6" * 1024)
    assert bench.good(ten(READ, 4, 2, 1)) == blocks(6, 4, 2)
    bench = make(2)
    bench.good(long(WRITE_VERIFY_32, 4, 2, 1, check, reference=1), blocks(5, 1, 2))
    bench.good(long(WRITE_VERIFY_32, 4, 2, 0, check, reference=1), b"\7" * 1024)
    assert bench.refused(long(WRITE_VERIFY_32, 4, 2, 1, 4), blocks(5, 0, 2)) == (5, 0x24, 0)


def test_orwrite() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 4, 1, 1), block(0x0F, 4, 1))
    assert bench.refused(sixteen(OR, 4, 1, 1), block(0xF0, 5)) == REFERENCE
    bench.good(sixteen(OR, 4, 1, 1), block(0xA0, 4, 0x77))
    assert bench.good(ten(READ, 4, 1, 1)) == block(0xAF, 4, 0x77)
    bench.good(sixteen(OR, 4, 1), b"\x10" * 512)
    assert bench.good(ten(READ, 4, 1, 1)) == block(0xBF, 4)
    assert bench.refused(sixteen(OR, 4, 1, 1), bytes(512)) == (5, 0x24, 0)
    bench.good(sixteen(OR, 4, 0, 1), b"")


def test_orwrite_of_32_bytes() -> None:
    """Type 2 has it without protection information only: it brings no expected tags (SBC-4 4.21.2.4)."""
    bench = make(1)
    bench.good(ten(WRITE, 4, 1, 1), block(0x0F, 4, 1))
    assert bench.refused(long(OR_32, 4, 1, 1), block(0xF0, 5)) == REFERENCE
    bench.good(long(OR_32, 4, 1, 1), block(0xA0, 4, 0x77))
    assert bench.good(ten(READ, 4, 1, 1)) == block(0xAF, 4, 0x77)
    clear = bytearray(long(OR_32, 4, 1, 1))
    clear[2] = 1
    bench.good(bytes(clear), block(0x0F, 4, 0x78))
    assert bench.good(ten(READ, 4, 1, 1)) == block(0x0F, 4, 0x78)
    bench.good(long(OR_32, 4, 1), b"\x10" * 512)
    assert bench.good(ten(READ, 4, 1, 1)) == block(0x1F, 4)
    assert bench.refused(long(OR_32, 4, 1, reference=1), b"\x10" * 512) == (5, 0x2C, 0x0C)
    bench = make(2)
    assert bench.refused(long(OR_32, 4, 1, 1), block(1, 4)) == (5, 0x20, 0)
    bench.good(long(OR_32, 4, 1), b"\x10" * 512)


def test_write_atomic() -> None:
    bench = make(1)
    bench.good(sixteen(0x9C, 4, 2, 1), blocks(1, 4, 2))
    assert bench.good(ten(READ, 4, 2, 1)) == blocks(1, 4, 2)
    bench.good(sixteen(0x9C, 4, 2), b"\2" * 1024)
    assert bench.good(ten(READ, 4, 2, 1)) == blocks(2, 4, 2)
    assert bench.refused(sixteen(0x9C, 4, 2, 1), blocks(1, 5, 2)) == REFERENCE
    bench = make(2)
    bench.good(long(ATOMIC_32, 4, 2, 1, reference=9), blocks(1, 9, 2))
    assert bench.good(long(READ_32, 4, 2, 1, reference=9)) == blocks(1, 9, 2)


def test_blocks_that_are_marked_bad() -> None:
    bench = make(1)
    bench.good(ten(0x3F, 4, 0, 2))
    assert bench.refused(ten(READ, 3, 2, 1)) == (3, 0x11, 0x14)
    bench.good(ten(WRITE, 4, 1, 1), block(1, 4))
    assert bench.good(ten(READ, 4, 1, 1)) == block(1, 4)


VERBS = {
    "read": (ten(READ, 4, 1, 1), None),
    "write": (ten(WRITE, 4, 1, 1), block(1, 4)),
    "compare": (ten(0x2F, 4, 1, 1, 2), block(0, 4)),
    "verify": (ten(WRITE_VERIFY, 4, 1, 1), block(1, 4)),
    "or": (sixteen(OR, 4, 1, 1), block(1, 4)),
    "atomic": (sixteen(0x9C, 4, 1, 1), block(1, 4)),
    "scattered": (scattered(1, 2, flags=0x20), descriptors((4, 1)).ljust(520, b"\0") + block(1, 4)),
    "same": (ten(0x41, 4, 2, 1), block(1, 4)),
    "no data": (sixteen(0x93, 4, 2, 1, 1), b""),
}


@pytest.mark.parametrize("name", VERBS)
def test_filters_have_their_say(name: str) -> None:
    """What carries protection information passes the filters before the medium as all else does."""
    bench = make(1)
    disk = bench.target.luns[0]
    assert isinstance(disk, Disk)
    assert disk.medium is not None
    disk.relayer(FailingMedium(disk.medium, (), "EIO", 4 << 9, 512, 1.0, 1))
    cdb, data = VERBS[name]
    sense = bench.refused(cdb, data)
    assert sense[:2] in ((3, 0x11), (3, 0x0C))
    if name != "compare":
        bench.good(cdb, data)  # it fails but once


@pytest.mark.parametrize("command", ["read", "same", "no data"])
def test_flushes_pass_the_filters_too(command: str) -> None:
    bench = Bench()
    medium = ProtectedMedium(Volatile(1 << 20), Volatile(room(1 << 20, 512)), 512, 1)
    disk = bench.disk(FailingMedium(medium, ("flush",), "EIO", 0, None, 1.0, 1), write_cache=command == "read")
    bench.ready()
    cdb, data = (ten(READ, 4, 1, 1, 8), None) if command == "read" else VERBS[command]
    assert bench.refused(cdb, data)[0] == 3
    assert disk.counters.medium_errors == 1


class Volatile(RamMedium):
    volatile = True
