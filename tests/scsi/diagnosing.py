"""SEND DIAGNOSTIC and RECEIVE DIAGNOSTIC RESULTS, and a disk that gets them."""

from __future__ import annotations

from tests.scsi.workbench import Bench

PF = 0x10
LIST = bytes(4)


def diagnose(code: int, flags: int = 0, length: int = 0) -> bytes:
    return bytes((0x1D, code << 5 | flags, 0)) + length.to_bytes(2, "big") + b"\0"


def receive(page: int = 0, flags: int = 1, room: int = 255) -> bytes:
    return bytes((0x1C, flags, page)) + room.to_bytes(2, "big") + b"\0"


def make() -> Bench:
    bench = Bench()
    bench.disk()
    bench.ready()
    return bench
