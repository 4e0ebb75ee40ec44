"""tgtd.scsi.sbc.write: WRITE of each size, residuals, durability, atomic compare and write."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest

from tests.scsi.sbc.protection.cdbs import long
from tests.scsi.workbench import Bench, cdb10, cdb12, cdb16, pointer_of, sense_of
from tgtd.media.failing import FailingMedium
from tgtd.media.ram import RamMedium
from tgtd.scsi.medium import Buffer
from tgtd.scsi.sense import BUSY, GOOD, MISCOMPARE_DURING_VERIFY, WRITE_ERROR
from tgtd.scsi.target import TaskManagement, encode_lun

DATA = bytes(i * 11 & 0xFF for i in range(4096))
CDBS = {
    "6": lambda lba, count: bytes((0x0A, *lba.to_bytes(3, "big"), count, 0)),
    "10": lambda lba, count: cdb10(0x2A, lba, count),
    "12": lambda lba, count: cdb12(0xAA, lba, count),
    "16": lambda lba, count: cdb16(0x8A, lba, count),
    "verify 10": lambda lba, count: cdb10(0x2E, lba, count),
    "verify 12": lambda lba, count: cdb12(0xAE, lba, count),
    "verify 16": lambda lba, count: cdb16(0x8E, lba, count),
    "verify 10 bytchk": lambda lba, count: cdb10(0x2E, lba, count, 2),
}


class Noting(RamMedium):
    """Volatile memory that notes how it is written, and fails when told to."""

    volatile = True

    def __init__(self, size: int = 1 << 20) -> None:
        super().__init__(size)
        self.log: list[str] = []
        self.fails = False

    def write_now(self, offset: int, data: Buffer) -> bool:
        return False

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        self.log.append("durable" if durable else "cached")
        super().write(offset, data, durable)

    def flush(self) -> None:
        self.log.append("flush")
        if self.fails:
            raise OSError(errno.EIO, "broken")


def make(**settings: Any) -> tuple[Bench, Noting]:
    bench = Bench()
    medium = Noting()
    bench.disk(medium, **settings)
    bench.ready()
    return bench, medium


def content(bench: Bench, lba: int, count: int) -> bytes:
    return bench.good(cdb10(0x28, lba, count))


@pytest.mark.parametrize("size", CDBS)
def test_writes_where_it_should(size: str) -> None:
    bench, _ = make()
    bench.good(CDBS[size](5, 8), DATA)
    assert content(bench, 4, 10) == bytes(512) + DATA + bytes(512)
    assert bench.pool.used == 0


def test_blocks_of_4096() -> None:
    bench, _ = make(block_size=4096)
    bench.good(cdb10(0x2A, 2, 1), DATA)
    assert content(bench, 1, 3) == bytes(4096) + DATA + bytes(4096)


@pytest.mark.parametrize("size", [size for size in CDBS if size != "6"])
def test_no_blocks(size: str) -> None:
    bench, medium = make()
    bench.good(CDBS[size](0, 0))
    assert medium.log == []


@pytest.mark.parametrize("size", CDBS)
def test_beyond_the_end_writes_nothing(size: str) -> None:
    bench, medium = make()
    assert bench.refused(CDBS[size](2047, 2), DATA) == (5, 0x21, 0)
    assert medium.log == []


@pytest.mark.parametrize("size", CDBS)
@pytest.mark.parametrize(("arrives", "written"), [(0, 0), (511, 0), (512, 512), (1300, 1024)])
def test_less_arrives_than_the_cdb_says(size: str, arrives: int, written: int) -> None:
    """The whole blocks that came are written."""
    bench, _ = make()
    assert bench.run(CDBS[size](0, 8), DATA[:arrives]).status == GOOD
    assert content(bench, 0, 8) == DATA[:written] + bytes(4096 - written)


def test_less_was_fetched_than_the_cdb_says() -> None:
    """The disk grew between the transport's question and the command: nothing may be lost silently."""
    bench, _ = make()
    task = bench.task(cdb10(0x2A, 2047, 2), DATA)
    assert task.wanted_out == 0
    disk = bench.itl().lu
    disk.medium.grow(2 << 20)  # type: ignore[attr-defined]
    disk.grown(2 << 20)  # type: ignore[attr-defined]
    bench.ready()
    task.itl.execute(task)
    assert task.status == BUSY


@pytest.mark.parametrize(
    ("cache", "flags", "noted"),
    [(True, 0, "cached"), (True, 8, "durable"), (False, 0, "durable"), (False, 8, "durable")],
)
@pytest.mark.parametrize("opcode", [0x2A, 0xAA, 0x8A])
def test_durability_is_as_promised(cache: bool, flags: int, noted: str, opcode: int) -> None:
    bench, medium = make(write_cache=cache)
    shape = {0x2A: cdb10, 0xAA: cdb12, 0x8A: cdb16}[opcode]
    bench.good(shape(opcode, 0, 8, flags), DATA)
    assert medium.log == [noted]


def test_write_and_verify_is_durable() -> None:
    bench, medium = make()
    bench.good(cdb10(0x2E, 0, 8), DATA)
    assert medium.log == ["durable"]


@pytest.mark.parametrize("shape", [lambda lba, n, f: cdb10(0x35, lba, n, f), lambda lba, n, f: cdb16(0x91, lba, n, f)])
def test_synchronize_cache(shape: object) -> None:
    assert callable(shape)
    bench, medium = make()
    bench.good(shape(0, 0, 0))
    bench.good(shape(2047, 1, 0))
    assert medium.log == ["flush", "flush"]
    assert bench.refused(shape(2047, 2, 0)) == (5, 0x21, 0)
    assert bench.refused(shape(2048, 0, 0)) == (5, 0x21, 0)


def test_synchronize_cache_that_fails() -> None:
    bench, medium = make()
    medium.fails = True
    assert bench.refused(cdb10(0x35, 0, 0)) == WRITE_ERROR[:3]


def test_synchronize_cache_at_once_and_its_failure_later() -> None:
    """IMMED does not wait; what went wrong is told by the next one."""
    bench, medium = make()
    medium.fails = True
    task = bench.start(cdb10(0x35, 0, 0, 2))
    assert task.status == GOOD
    bench.lane.drain()
    medium.fails = False
    assert bench.refused(cdb10(0x35, 0, 0)) == WRITE_ERROR[:3]
    bench.good(cdb10(0x35, 0, 0))


def test_data_of_which_too_little_was_fetched() -> None:
    """The disk grew in between: the initiator is told to try again."""
    bench, _ = make()
    disk = bench.itl().lu
    for cdb, length in ((compare_and_write(2047, 2), 2048), (cdb16(0x93, 2047, 2), 512)):
        task = bench.task(cdb, bytes(length))
        assert task.wanted_out == 0
        disk.grown(2 << 20)  # type: ignore[attr-defined]
        bench.ready()
        task.itl.execute(task)
        assert task.status == BUSY
        disk.grown(1 << 20)  # type: ignore[attr-defined]


def compare_and_write(lba: int, count: int, flags: int = 0) -> bytes:
    return struct.pack(">BBQ3xBBB", 0x89, flags, lba, count, 0, 0)


def test_compare_and_write() -> None:
    bench, medium = make()
    bench.good(compare_and_write(3, 2), bytes(1024) + DATA[:1024])
    assert content(bench, 3, 2) == DATA[:1024]
    bench.good(compare_and_write(3, 2, flags=8), DATA[:1024] + bytes(1024))
    assert content(bench, 3, 2) == bytes(1024)
    assert medium.log == ["cached", "durable"]
    bench.good(compare_and_write(3, 0))


def test_miscompare_says_where_and_writes_nothing() -> None:
    bench, medium = make()
    expected = bytearray(1024)
    expected[700] = 1
    task = bench.run(compare_and_write(3, 2), bytes(expected) + DATA[:1024])
    assert sense_of(task) == MISCOMPARE_DURING_VERIFY[:3]
    assert task.sense[0] == 0xF0
    assert int.from_bytes(task.sense[3:7], "big") == 700
    assert medium.log == []


def test_compare_and_write_of_too_much_or_too_little() -> None:
    bench, _ = make()
    assert pointer_of(bench.run(compare_and_write(0, 129), bytes(129 * 1024))) == (True, 13, None)
    for count, length in ((1, 512), (1, 2048), (0, 512)):
        assert pointer_of(bench.run(compare_and_write(0, count), bytes(length))) == (True, 13, None)
    assert bench.refused(compare_and_write(2048, 1), bytes(1024)) == (5, 0x21, 0)


def test_nobody_comes_in_between() -> None:
    """Writes under way are waited for; reads and writes that come later wait, even what the cache could answer."""
    bench, _ = make()
    before = bench.start(cdb10(0x2A, 0, 1), DATA[:512])
    atomic = bench.start(compare_and_write(0, 1), DATA[:512] + DATA[512:1024])
    read = bench.start(cdb10(0x28, 0, 1))
    write = bench.start(cdb10(0x2A, 0, 1), bytes(512))
    assert len(bench.lane.jobs) == 1
    bench.lane.step()
    assert bench.done == [before]
    assert len(bench.lane.jobs) == 1
    bench.lane.step()
    assert bench.done == [before, atomic]
    assert len(bench.lane.jobs) == 2
    bench.lane.step()
    assert bytes(read.data_in or b"") == DATA[512:1024]
    bench.lane.drain()
    assert write.status == GOOD
    assert content(bench, 0, 1) == bytes(512)


def test_what_is_aborted_while_it_waits_for_its_turn() -> None:
    bench, medium = make()
    bench.start(cdb10(0x2A, 0, 1), DATA[:512])
    atomic = bench.start(compare_and_write(0, 1), bytes(1024))
    read = bench.start(cdb10(0x28, 0, 1))
    for task in (atomic, read):
        bench.target.manage(TaskManagement.ABORT_TASK, bench.nexus, encode_lun(0), task.tag)
        task.release()
    bench.lane.drain()
    bench.done[-1].release()
    assert bench.pool.used == 0
    assert medium.log == ["cached"]
    assert not bench.itl().lu.turns.closed  # type: ignore[attr-defined]
    content(bench, 0, 1)


class Losing(RamMedium):
    """Tells once that what was written is lost, as kernels do."""

    volatile = True
    lost = True

    def flush(self) -> None:
        if self.lost:
            self.lost = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_now(self, offset: int, data: Any) -> bool:
        super().write(offset, data, False)
        return True

    def write(self, offset: int, data: Any, durable: bool) -> None:
        super().write(offset, data, durable)
        if durable:
            self.flush()


@pytest.mark.parametrize(
    ("cdb", "data"),
    [
        (cdb10(0x28, 0, 1, 0x08), None),
        (cdb10(0x2A, 0, 1, 0x08), bytes(512)),
        (cdb10(0x2E, 0, 1), bytes(512)),
        (cdb16(0x8E, 0, 1), bytes(512)),
        (cdb10(0x2F, 0, 1), None),
        (cdb12(0xAF, 0, 1, 2), b"x" * 512),
        (cdb16(0x8F, 0, 1, 6), b"x" * 512),
        (cdb16(0x8B, 0, 1, 0x08), bytes(512)),
        (struct.pack(">BBQHHBB", 0x9C, 0, 0, 0, 1, 0, 0), bytes(512)),
        (struct.pack(">BBQ3xBBB", 0x89, 0x08, 0, 1, 0, 0), b"x" * 512 + bytes(512)),
        (bytes.fromhex("9F120800 00010000 0001 00000002 0000"), bytes(32) + struct.pack(">QI20x", 0, 1) + bytes(960)),
        (struct.pack(">BBBB3xBHBxQIII", 0x7F, 0, 0, 0, 0x18, 0x0E, 0x08, 0, 0, 0, 1), bytes(512)),
        (bytes((0x1B, 0, 0, 0, 0, 0)), None),
        (bytes((0x15, 0x10, 0, 0, 24, 0)), bytes(4) + bytes((0x08, 18)) + bytes(18)),
    ],
)
def test_what_another_command_meets_is_told_at_the_next_flush(cdb: bytes, data: bytes | None) -> None:
    bench = Bench()
    bench.disk(Losing(1 << 20))
    bench.ready()
    assert bench.good(cdb10(0x2A, 0, 1), b"x" * 512) == b""
    assert bench.refused(cdb, data)[0] in (3, 7)
    bench.good(bytes((0x1B, 0, 0, 0, 1, 0)))
    assert bench.refused(cdb10(0x35, 0, 0)) == (7, 0x27, 7)
    bench.good(cdb10(0x35, 0, 0))


@pytest.mark.parametrize(
    ("action", "flags", "data"),
    [(9, 8, None), (10, 0, None), (11, 8, bytes(512)), (12, 0, bytes(512)), (14, 8, bytes(512)), (15, 0, bytes(512))],
)
def test_so_is_what_the_long_forms_meet(action: int, flags: int, data: bytes | None) -> None:
    bench = Bench()
    bench.protected(2, below=Losing(1 << 20))
    bench.ready()
    bench.good(cdb10(0x2A, 0, 1), b"x" * 512)
    assert bench.refused(long(action, 0, 1, flags=flags), data) == (7, 0x27, 7)
    assert bench.refused(cdb10(0x35, 0, 0)) == (7, 0x27, 7)
    bench.good(cdb10(0x35, 0, 0))


@pytest.mark.parametrize(("action", "data"), [(9, None), (11, bytes(512)), (14, bytes(512))])
def test_long_forms_without_fua_meet_nothing(action: int, data: bytes | None) -> None:
    bench = Bench()
    bench.protected(2, below=Losing(1 << 20))
    bench.ready()
    bench.good(long(action, 0, 1), data)
    assert bench.refused(cdb10(0x35, 0, 0)) == (7, 0x27, 7)


def test_a_plain_command_that_fails_concerns_no_flush() -> None:
    bench = Bench()
    medium = FailingMedium(Losing(1 << 20), ("read",), "EIO", 0, None, 1.0, 0)
    medium.medium.lost = False  # type: ignore[attr-defined]
    bench.disk(medium)
    bench.ready()
    assert bench.refused(cdb10(0x28, 0, 1)) == (3, 0x11, 0)
    bench.good(cdb10(0x35, 0, 0))
