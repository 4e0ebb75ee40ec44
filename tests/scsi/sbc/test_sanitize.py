"""tgtd.scsi.sbc.sanitize: what was there cannot be read any more, or nothing can."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from tests.scsi.workbench import TUR, Bench, cdb10, pointer_of, sense_of
from tgtd.media.ram import RamMedium
from tgtd.scsi.keyed import Keyed
from tgtd.scsi.sense import (
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    SANITIZE_FAILED,
    SANITIZE_IN_PROGRESS,
)
from tgtd.scsi.target import TaskManagement, encode_lun

MIB = 1 << 20
OVERWRITE, BLOCK_ERASE, CRYPTOGRAPHIC_ERASE, EXIT = 1, 2, 3, 0x1F
IMMED, AUSE = 0x80, 0x20
READ, WRITE = cdb10(0x28, 0, 8), cdb10(0x2A, 0, 8)
REQUEST_SENSE = bytes((3, 0, 0, 0, 252, 0))


def sanitize(action: int, length: int = 0, flags: int = 0) -> bytes:
    return struct.pack(">BB5xHx", 0x48, action | flags, length)


def pattern(data: bytes, count: int = 1, invert: bool = False) -> bytes:
    return struct.pack(">BBH", (0x80 if invert else 0) | count, 0, len(data)) + data


class Fragile(RamMedium):
    fails = False

    def write(self, offset: int, data: Any, durable: bool) -> None:
        if self.fails:
            raise OSError(errno.EIO, "broken")
        super().write(offset, data, durable)


def make(**settings: Any) -> tuple[Bench, Fragile]:
    bench = Bench()
    medium = Fragile(MIB)
    medium.write(0, b"secret" * 1000, False)
    bench.disk(medium, **settings)
    bench.ready()
    return bench, medium


@pytest.mark.parametrize(("count", "invert", "expected"), [(1, False, 0xA5), (2, True, 0xA5), (3, True, 0xA5)])
def test_overwrite(count: int, invert: bool, expected: int) -> None:
    """With INVERT the last pass is the pattern itself."""
    bench, _ = make()
    data = pattern(b"\xa5" * 512, count, invert)
    bench.good(sanitize(OVERWRITE, len(data)), data)
    assert bench.good(READ) == bytes([expected]) * 4096
    assert bench.good(cdb10(0x28, 2040, 8)) == bytes([expected]) * 4096


def test_block_erase() -> None:
    bench, _ = make(thin=True)
    bench.good(sanitize(BLOCK_ERASE))
    assert bench.good(READ) == bytes(4096)


def test_block_erase_is_for_thin_disks() -> None:
    bench, _ = make(thin=False)
    assert bench.refused(sanitize(BLOCK_ERASE)) == INVALID_FIELD_IN_CDB[:3]


def test_immediately() -> None:
    """Answered at once; until it ends only a few commands run, and others hear how far it is."""
    bench, _ = make()
    data = pattern(b"\x11" * 4)
    task = bench.start(sanitize(OVERWRITE, len(data), IMMED), data)
    assert task.status == 0
    for cdb in (TUR, READ, WRITE, sanitize(OVERWRITE, len(data))):
        refused = bench.start(cdb, data if cdb[0] == 0x48 else bytes(4096) if cdb == WRITE else None)
        assert sense_of(refused) == SANITIZE_IN_PROGRESS[:3]
    assert bench.start(bytes((0x12, 0, 0, 0, 96, 0))).status == 0  # INQUIRY
    sense = bytes(bench.start(REQUEST_SENSE).data_in or b"")
    assert (sense[2], sense[12], sense[13], sense[15]) == (2, 4, 0x1B, 0x80)
    bench.lane.drain()
    assert bench.good(READ) == b"\x11" * 4096


def test_a_reset_does_not_end_it() -> None:
    bench, _ = make()
    data = pattern(b"\x22")
    bench.start(sanitize(OVERWRITE, len(data), IMMED), data)
    bench.target.manage(TaskManagement.LOGICAL_UNIT_RESET, bench.nexus, encode_lun(0))
    bench.ready()
    assert sense_of(bench.start(TUR)) == SANITIZE_IN_PROGRESS[:3]
    bench.lane.drain()
    assert bench.good(READ) == b"\x22" * 4096


@pytest.mark.parametrize("unrestricted", [False, True])
def test_failure(unrestricted: bool) -> None:
    """Nothing is read any more until one succeeds; in unrestricted mode the failure can be left behind."""
    bench, medium = make()
    medium.fails = True
    data = pattern(b"\x33")
    flags = AUSE if unrestricted else 0
    assert bench.refused(sanitize(OVERWRITE, len(data), flags), data) == SANITIZE_FAILED[:3]
    medium.fails = False
    assert bench.refused(READ) == SANITIZE_FAILED[:3]
    assert bench.refused(TUR) == SANITIZE_FAILED[:3]
    if unrestricted:
        bench.good(sanitize(EXIT))
        assert bench.good(READ)[:6] == b"secret"
        return
    assert bench.refused(sanitize(EXIT)) == INVALID_FIELD_IN_CDB[:3]
    assert bench.refused(sanitize(OVERWRITE, len(data), AUSE), data) == INVALID_FIELD_IN_CDB[:3]
    bench.good(sanitize(OVERWRITE, len(data)), data)
    assert bench.good(READ) == b"\x33" * 4096


def test_exit_failure_mode_without_a_failure() -> None:
    bench, _ = make()
    bench.good(sanitize(EXIT))


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (pattern(b"x", 0), (False, 0, 4)),
        (b"\x41\0\0\1x", (False, 0, 6)),
        (b"\x01\1\0\1x", (False, 1, 7)),
        (b"\x01\0\0\0x", (False, 2, None)),
        (b"\x01\0\0\2x", (False, 2, None)),
    ],
)
def test_lists_that_are_wrong(data: bytes, where: tuple[bool, int, int | None]) -> None:
    bench, _ = make()
    task = bench.run(sanitize(OVERWRITE, len(data)), data)
    assert sense_of(task) == INVALID_FIELD_IN_PARAMETER_LIST[:3]
    assert pointer_of(task) == where
    assert bench.good(READ)[:6] == b"secret"


@pytest.mark.parametrize("length", [0, 4, 4 + 513])
def test_lengths_that_are_wrong(length: int) -> None:
    bench, _ = make()
    task = bench.run(sanitize(OVERWRITE, length), bytes(length))
    assert sense_of(task) == INVALID_FIELD_IN_CDB[:3]
    assert pointer_of(task)[:2] == (True, 7)


class Locked(RamMedium, Keyed):
    """Forgets its key, or cannot."""

    renewed = 0
    fails = False

    def renew(self) -> None:
        if self.fails:
            raise OSError(errno.EIO, "broken")
        self.renewed += 1


def locked() -> tuple[Bench, Locked]:
    bench, medium = Bench(), Locked(64 * MIB)
    bench.disk(medium)
    bench.ready()
    return bench, medium


@pytest.mark.parametrize("flags", [0, IMMED, AUSE])
def test_cryptographic_erase(flags: int) -> None:
    """Once, however large the disk is; all else waits."""
    bench, medium = locked()
    task = bench.start(sanitize(CRYPTOGRAPHIC_ERASE, 0, flags))
    assert (task.status == 0) == bool(flags & IMMED)
    assert sense_of(bench.start(READ)) == SANITIZE_IN_PROGRESS[:3]
    bench.lane.drain()
    assert task.status == 0
    assert medium.renewed == 1
    bench.good(READ)


def test_a_key_that_cannot_be_forgotten() -> None:
    bench, medium = locked()
    medium.fails = True
    assert bench.refused(sanitize(CRYPTOGRAPHIC_ERASE)) == SANITIZE_FAILED[:3]
    assert bench.refused(READ) == SANITIZE_FAILED[:3]
    medium.fails = False
    bench.good(sanitize(CRYPTOGRAPHIC_ERASE))
    assert medium.renewed == 1
    bench.good(READ)


def test_cryptographic_erase_takes_no_list_and_a_key() -> None:
    bench, medium = locked()
    assert bench.refused(sanitize(CRYPTOGRAPHIC_ERASE, 8)) == INVALID_FIELD_IN_CDB[:3]
    plain, _ = make()
    assert plain.refused(sanitize(CRYPTOGRAPHIC_ERASE)) == INVALID_FIELD_IN_CDB[:3]
    assert medium.renewed == 0
