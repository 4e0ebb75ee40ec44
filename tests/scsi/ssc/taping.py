"""A tape drive on the workbench, with a cartridge in a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scsi.workbench import CHECK_CONDITION, IDENTITY, Bench
from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.codecs import codecs
from tgtd.media.guards import GUARDS
from tgtd.media.tape import TapeMedium
from tgtd.media.tapecipher import ciphers
from tgtd.scsi.ssc.drive import TapeDrive, TapeSettings
from tgtd.scsi.ssc.personality import PERSONALITIES
from tgtd.scsi.task import Task

MIB = 1 << 20
REWIND = bytes.fromhex("010000000000")
FILEMARK, EOM, ILI = 0x80, 0x40, 0x20


class Tape(Bench):
    """LUN 0 is a drive with a blank cartridge in it."""

    def __init__(self, place: Path, capacity: int = 64 * MIB, kind: str = "data", personality: str = "lto-8") -> None:
        super().__init__()
        self.file = place / "cartridge"
        self.drive = TapeDrive(
            IDENTITY,
            self.pool,
            self.lane,
            TapeSettings(PERSONALITIES[personality], codecs, ciphers=ciphers(), guards=GUARDS),
        )
        self.target.add_lun(0, self.drive)
        code = self.drive.write_density
        self.cartridge = Cartridge.create(str(self.file), Making("A00001L8", capacity, kind, code))
        self.drive.insert(TapeMedium(self.cartridge))
        self.lane.drain()
        self.ready()

    def write(self, *objects: bytes | int) -> None:
        """Blocks of any length, and numbers of filemarks."""
        for one in objects:
            if isinstance(one, int):
                self.good(struct.pack(">BBBHB", 0x10, 0, 0, one, 0))
            else:
                self.good(bytes((0x0A, 0)) + len(one).to_bytes(3, "big") + b"\0", one)

    def read(self, length: int, flags: int = 0) -> Task:
        return self.run(bytes((0x08, flags)) + length.to_bytes(3, "big") + b"\0")

    def space(self, code: int, count: int) -> Task:
        return self.run(bytes((0x11, code)) + (count & 0xFFFFFF).to_bytes(3, "big") + b"\0")

    def where(self) -> tuple[int, int, int]:
        """Partition, object and file number, by the long form."""
        answer = self.good(bytes.fromhex("34060000000000000000"))
        return struct.unpack_from(">4xIQQ", answer)


def stopped(task: Task) -> tuple[int, int, int, int, int | None]:
    """Sense key, code, qualifier, flags of stream devices, and INFORMATION of a command that was stopped."""
    assert task.status == CHECK_CONDITION
    sense = task.sense
    information = struct.unpack_from(">i", sense, 3)[0] if sense[0] & 0x80 else None
    return sense[2] & 0x0F, sense[12], sense[13], sense[2] & 0xE0, information


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[Tape]:
    bench = Tape(tmp_path)
    yield bench
    bench.cartridge.close()


def other(place: Path, **more: Any) -> Tape:
    place.mkdir()
    return Tape(place, **more)
