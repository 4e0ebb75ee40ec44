"""SET DATA ENCRYPTION pages and the commands around them, as the tests put them together."""

from __future__ import annotations

import struct
from typing import Any

from tests.scsi.ssc.taping import Tape
from tgtd.scsi.task import Task

KEY, OTHER = bytes(range(32)), bytes(range(32, 64))
PUBLIC, LOCAL, ALL = 0x00, 0x20, 0x40
OFF, ON = 0, 2
RAW, DECRYPT, MIXED = 1, 2, 3


def page(
    scope: int = ALL,
    flags: int = 0,
    encryption: int = ON,
    decryption: int = MIXED,
    key: bytes = KEY,
    kad: bytes = b"",
    algorithm: int = 1,
    kad_format: int = 0,
) -> bytes:
    """scope: the whole byte, with LOCK."""
    body = struct.pack(">BBBBBBB7xH", scope, flags, encryption, decryption, algorithm, 0, kad_format, len(key))
    return struct.pack(">HH", 0x10, len(body) + len(key) + len(kad)) + body + key + kad


NOTHING = page(encryption=OFF, decryption=OFF, key=b"", algorithm=0)


def kad(kind: int, data: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(data)) + data


def asked(specific: int, protocol: int = 0x20, room: int = 0xFFFF) -> bytes:
    return struct.pack(">BBHxxIBB", 0xA2, protocol, specific, room, 0, 0)


def told(length: int, specific: int = 0x10, protocol: int = 0x20) -> bytes:
    return struct.pack(">BBHxxIBB", 0xB5, protocol, specific, length, 0, 0)


def set_key(tape: Tape, data: bytes | None = None, nexus: Any = None, **more: Any) -> None:
    data = page(**more) if data is None else data
    tape.good(told(len(data)), data, nexus=nexus)


def refused(tape: Tape, data: bytes) -> Task:
    return tape.run(told(len(data)), data)
