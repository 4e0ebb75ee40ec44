"""tgtd.scsi.sbc.protection.formatting: FORMAT UNIT with FMTPINFO, and what is remembered of it."""

from __future__ import annotations

import pytest

from tests.scsi.sbc.protection.cdbs import READ, WRITE, blocks, ten
from tests.scsi.workbench import Bench
from tgtd.media.failing import FailingMedium
from tgtd.scsi.memory import WhenKept
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.formatting import NAME, Formatted

FMTDATA = 0x10
UNWRITTEN = bytes(512) + b"\xff" * 8
CAPACITY_16 = bytes.fromhex("9E10 0000000000000000 00000020 0000")


def make(kind: int = 0) -> Bench:
    bench = Bench()
    bench.protected(kind)
    bench.ready()
    return bench


def format_unit(information: int, fast: int = 0, flags: int = 0) -> bytes:
    return bytes((0x04, information << 6 | flags, 0, 0, fast, 0))


@pytest.mark.parametrize(
    ("information", "usage", "kind", "byte"), [(2, 0, 1, 0x01), (3, 0, 2, 0x03), (3, 1, 3, 0x05), (0, 0, 0, 0)]
)
@pytest.mark.parametrize("before", [0, 1])
def test_types(information: int, usage: int, kind: int, byte: int, before: int) -> None:
    """SBC-4 table 44, and P_TYPE and PROT_EN of READ CAPACITY(16)."""
    bench = make(before)
    bench.good(ten(WRITE, 0, 1), b"x" * 512)
    bench.good(format_unit(information, 0, FMTDATA), bytes((usage, 0, 0, 0)))
    disk = bench.target.luns[0]
    assert disk.protection == kind
    assert bench.itl().attentions == ([] if kind == before else bench.itl().attentions)
    bench.ready()
    assert bench.good(CAPACITY_16)[12] == byte
    assert bench.good(ten(READ, 0, 1)) == bytes(512)
    if kind in (1, 3):
        assert bench.good(ten(READ, 0, 1, 1)) == UNWRITTEN
    assert Formatted.decode(disk.memory.recall(NAME)) == Formatted(kind, 0, 512)


def test_fast_keeps_the_data_but_not_what_is_beside_them() -> None:
    bench = make(1)
    bench.good(ten(WRITE, 0, 2, 1), blocks(1, 0, 2))
    bench.good(format_unit(2, fast=1))
    assert bench.good(ten(READ, 0, 1, 1)) == b"\1" * 512 + b"\xff" * 8


@pytest.mark.parametrize(
    ("information", "usage", "sense", "field"),
    [
        (1, 0, (5, 0x24, 0), 0xCF0001),
        (0, 1, (5, 0x26, 0), 0x8A0000),
        (2, 1, (5, 0x26, 0), 0x8A0000),
        (3, 2, (5, 0x26, 0), 0x8A0000),
        (3, 8, (5, 0x26, 0), 0x8B0000),
    ],
)
def test_what_is_wrong(information: int, usage: int, sense: tuple[int, int, int], field: int) -> None:
    bench = make()
    task = bench.run(format_unit(information, 0, FMTDATA), bytes((usage, 0, 0, 0)))
    assert (task.sense[2], task.sense[12], task.sense[13]) == sense
    assert int.from_bytes(task.sense[15:18], "big") == field
    assert bench.target.luns[0].protection == 0


def test_intervals_are_blocks() -> None:
    """PROTECTION INTERVAL EXPONENT zero only."""
    bench = make()
    assert bench.refused(format_unit(3, 0, FMTDATA | 0x20), bytes((0, 0, 0, 1, 0, 0, 0, 0))) == (5, 0x26, 0)


def test_disks_that_cannot() -> None:
    bench = Bench()
    bench.disk()
    bench.ready()
    task = bench.run(format_unit(2))
    assert (task.sense[12], task.sense[15:18]) == (0x24, bytes((0xCF, 0, 1)))
    assert bench.good(bytes.fromhex("120000002400"))[5] & 1 == 0


def test_a_medium_with_bad_blocks() -> None:
    bench = make(1)
    bench.good(ten(0x3F, 4, 0, 2))
    bench.good(format_unit(3))
    assert bench.target.luns[0].protection == 2


@pytest.mark.parametrize(
    ("verb", "fast", "flags", "data"),
    [
        ("zero", 0, 0, None),
        ("zero", 1, 0, None),
        ("write", 0, FMTDATA, bytes.fromhex("00 88 0000 00 01 0002 A55A")),
        ("flush", 0, 0, None),
    ],
)
def test_filters_have_their_say(verb: str, fast: int, flags: int, data: bytes | None) -> None:
    """What is done to the data and beside them is seen by the layers of the medium, as on any disk."""
    bench = make(1)
    disk = bench.target.luns[0]
    assert isinstance(disk, Disk)
    assert disk.medium is not None
    disk.relayer(FailingMedium(disk.medium, (verb,), "EIO", 0, None, 1.0, 1))
    assert bench.refused(format_unit(2, fast, flags), data) == (3, 0x31, 1)
    bench.good(format_unit(2, fast, flags), data)
    if data is not None:
        assert bench.good(ten(READ, 9, 1)) == bytes.fromhex("A55A") * 256


def test_bad_blocks_are_formatted_too() -> None:
    bench = make(1)
    bench.good(ten(0x3F, 4, 0, 2))
    assert bench.refused(ten(READ, 4, 1)) == (3, 0x11, 0x14)
    bench.good(format_unit(2, fast=1))
    assert bench.refused(ten(READ, 4, 1)) == (3, 0x11, 0x14)
    bench.good(format_unit(2))
    assert bench.good(ten(READ, 4, 1, 1)) == UNWRITTEN


class Failing:
    """A memory that cannot write."""

    def recall(self, name: str) -> bytes | None:
        return None

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        then(OSError(28, "no room"))


def test_it_is_remembered_or_it_is_not_done() -> None:
    bench = make(1)
    disk = bench.target.luns[0]
    disk.memory = Failing()
    assert bench.refused(format_unit(3)) == (3, 0x31, 1)
    assert disk.protection == 1


def test_records() -> None:
    assert Formatted.decode(Formatted(2, 0, 4096).encode()) == Formatted(2, 0, 4096)
    for broken in (None, b"", b"1 2", b"9 0 512", b"a b c", b"1 2 3 4"):
        assert Formatted.decode(broken) is None


def test_pages_say_so() -> None:
    bench = make(1)
    assert bench.good(bytes.fromhex("120000002400"))[5] & 1
    assert bench.good(bytes.fromhex("120186004000"))[4] == 0x3F
    assert bench.good(bytes.fromhex("120186004000"))[7] & 0x20
    assert bench.good(bytes.fromhex("1201B4004000"))[4:] == bytes.fromhex("00000200 0F0F 0000")
    assert bench.good(bytes.fromhex("1201B0004000"))[8:12] == ((32 << 20) // 520).to_bytes(4, "big")
