"""Parameter lists of copies, and a bench with two disks."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from tests.scsi.workbench import IDENTITY, Bench
from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.settings import DiskSettings
from tgtd.scsi.target import Target

SOURCE, OTHER = (bytes.fromhex(f"6000000000000000000000000000{n:04x}") for n in (1, 2))
MIB = 1 << 20


def cscd(wwid: bytes = SOURCE, kind: int = 3, code_set: int = 1, device_type: int = 0, block_size: int = 0) -> bytes:
    """An identification descriptor."""
    head = struct.pack(">BBHBBxB", 0xE4, device_type, 0, code_set, kind, len(wwid))
    return head + wwid.ljust(20, b"\0") + struct.pack(">I", block_size)


def move(source: int, destination: int, count: int, here: int, there: int, flags: int = 0) -> bytes:
    """A block to block segment descriptor."""
    return struct.pack(">BBHHH2xHQQ", 2, flags, 24, source, destination, count, here, there)


def narrow(*parts: bytes, identifier: int = 1, flags: int = 0) -> bytes:
    """The list of EXTENDED COPY(LID1): CSCD descriptors are told from segments by their type."""
    cscds = b"".join(part for part in parts if part[0] >= 0xE0)
    moves = b"".join(part for part in parts if part[0] < 0xE0)
    return struct.pack(">BBH4xII", identifier, flags, len(cscds), len(moves), 0) + cscds + moves


def wide(*parts: bytes, identifier: int = 1, flags: int = 0, immediate: bool = False) -> bytes:
    cscds = b"".join(part for part in parts if part[0] >= 0xE0)
    moves = b"".join(part for part in parts if part[0] < 0xE0)
    head = struct.pack(">BBH11xBB3xI18xHHH", 1, flags, 32, immediate, 0xFF, identifier, len(cscds), len(moves), 0)
    return head + cscds + moves


def out(action: int, data: bytes) -> tuple[bytes, bytes]:
    """EXTENDED COPY of a service action, with its list."""
    return struct.pack(">BB8xIxx", 0x83, action, len(data)), data


def receive(action: int, identifier: int = 1, room: int = 1024) -> bytes:
    cdb = bytearray(struct.pack(">BB8xIxx", 0x84, action, room))
    if action in (0x05, 0x07):
        cdb[2:6] = identifier.to_bytes(4, "big")
    elif action in (0x00, 0x04):
        cdb[2] = identifier
    return bytes(cdb)


def abort(identifier: int = 1) -> bytes:
    return struct.pack(">BBI10x", 0x83, 0x1C, identifier)


class Pair(Bench):
    """LUN 0 holds a pattern, LUN 1 nothing; each is `size` bytes long."""

    def __init__(self, size: int = 8 * MIB, medium: Any = None, **settings: Any) -> None:
        super().__init__()
        self.first = self.disk(medium or RamMedium(size))
        self.second = self.another(1, RamMedium(size), **settings)
        self.ready(0, 1)
        self.pattern = bytes(range(1, 255)) * (size // 254 + 1)
        self.first.store().write(0, self.pattern[:size], True)

    def another(self, number: int, medium: Any, target: Target | None = None, **settings: Any) -> Disk:
        identity = replace(IDENTITY, wwid=bytes.fromhex(f"6000000000000000000000000000{number + 1:04x}"))
        disk = Disk(identity, self.pool, self.lane, medium, DiskSettings(**settings))
        (target or self.target).add_lun(number, disk)
        return disk

    def content(self, disk: Disk, offset: int, length: int) -> bytes:
        into = bytearray(length)
        disk.store().read(offset, memoryview(into))
        return bytes(into)
