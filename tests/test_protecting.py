"""tgtd.protecting: which type a disk has, after edits, formats and restarts; and where what is beside it lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.inside import Inside, inside
from tgtd.protecting import status
from tgtd.scsi.memory import Forgetful
from tgtd.scsi.nexus import Nexus
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.sbc.protection.rules import unpack
from tgtd.scsi.target import encode_lun
from tgtd.scsi.task import SIMPLE, Task

SAME = 'wwid = "naa.6001405aabbccddeeff0011223344556"\n'
TYPE_3 = (bytes((0x04, 0xD0, 0, 0, 1, 0)), bytes((1, 0, 0, 0)))
"""A fast FORMAT UNIT."""


def command(it: Inside, nexus: Nexus, cdb: bytes, data: bytes = b"") -> Task:
    itl = nexus.lun(encode_lun(1))
    while itl.attentions:
        itl.take_attention()
    ended: list[Task] = []
    task = Task(itl, 1, SIMPLE, cdb.ljust(16, b"\0"), 1 << 20, ended.append, data)
    itl.lu.data_out_length(task)
    task.expected_out = len(data)
    itl.execute(task)
    it.turn_until(lambda: bool(ended))
    return task


def disk(it: Inside) -> Disk:
    device = it.unit(1).device
    assert isinstance(device, Disk)
    it.turn_until(lambda: device.medium is not None and not it.unit(1).settling)
    return device


def write(it: Inside, nexus: Nexus, fill: bytes) -> None:
    assert command(it, nexus, bytes.fromhex("2A0000000000 000001 00"), fill * 512).status == 0


def beside(it: Inside) -> tuple[int, int, int]:
    guarded = disk(it).guarded
    assert guarded is not None
    return next(unpack(guarded.fetch(0, 512)[1]))


UNWRITTEN = (0xFFFF, 0xFFFF, 0xFFFFFFFF)


def test_declared_formatted_edited(tmp_path: Path) -> None:
    """The later one wins, and a restart changes nothing."""
    with inside(tmp_path) as it:
        it.write(it.lun(1, more=f"{SAME}protection = 1"))
        it.start()
        nexus = it.nexus()
        assert disk(it).protection == 1
        write(it, nexus, b"x")
        assert beside(it)[2] == 0
        assert (it.media / "1.img.pi").stat().st_size == 16384
        assert command(it, nexus, *TYPE_3).status == 0
        assert disk(it).protection == 3
        assert beside(it) == UNWRITTEN
        wish = it.unit(1).wish
        assert status(disk(it), wish) == {"type": 3, "declared": 1, "path": f"{it.media}/1.img.pi"}
        write(it, nexus, b"y")
    with inside(tmp_path / "later") as it:
        for part in ("state", "media"):
            shutil.copytree(tmp_path / part, it.place / part, dirs_exist_ok=True)
        it.write(it.lun(1, more=f"{SAME}protection = 1"))
        it.start()
        assert disk(it).protection == 3
        assert beside(it)[2] == 0xFFFFFFFF
        assert beside(it) != UNWRITTEN
        it.write(it.lun(1, more=f"{SAME}protection = 2"))
        it.reload()
        assert disk(it).protection == 2
        assert beside(it) == UNWRITTEN
        assert command(it, it.nexus(), bytes.fromhex("28000000000000000100")).data_in == b"y" * 512
        it.write(it.lun(1, more=SAME))
        it.reload()
        assert (disk(it).protection, disk(it).guarded) == (0, None)
        write(it, it.nexus(), b"z")
        it.write(it.lun(1, more=f"{SAME}protection = 2"))
        it.reload()
        assert disk(it).protection == 2
        assert beside(it) == UNWRITTEN


@pytest.mark.parametrize("kind", [0, 3])
def test_in_memory(tmp_path: Path, kind: int) -> None:
    with inside(tmp_path) as it:
        it.write(
            '[[target.lun]]\nnumber = 1\ndevice = "disk"\nmedium = { type = "ram", size = "1 MiB" }\n'
            f"protection = {kind}\n"
        )
        it.start()
        assert disk(it).protection == kind
        assert disk(it).protectable


def test_a_file_that_grows(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        it.write(it.lun(1, more="protection = 1"))
        it.start()
        disk(it)
        it.write(it.lun(1, size="4 MiB", more="protection = 1"))
        it.reload()
        it.turn_until(lambda: disk(it).blocks == 8192)
        assert (it.media / "1.img.pi").stat().st_size == 65536
        assert command(it, it.nexus(), bytes.fromhex("28000000 1FFF 00000100")).data_in == bytes(512)


def test_a_read_only_disk_is_not_formatted(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        for name in ("1.img", "1.img.pi"):
            (it.media / name).write_bytes(bytes(1 << 20))
        it.write(it.lun(1, more="protection = 1\nread_only = true").replace(", create = true", ""))
        it.start()
        it.turn_until(lambda: not it.unit(1).settling)
        assert "protection = 1 is new here, and the LUN is read-only" in (it.unit(1).cause or "")


def test_others_have_none(tmp_path: Path) -> None:
    with inside(tmp_path) as it:
        it.write(it.lun(1))
        it.start()
        assert status(disk(it), it.unit(1).wish) is None
        assert disk(it).memory.recall("protection") is None
        assert not isinstance(disk(it).memory, Forgetful)
