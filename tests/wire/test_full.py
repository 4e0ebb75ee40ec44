"""A file system fills up under a thin disk: told as such, nothing that was acknowledged is lost, and room helps."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.initiator import Initiator, read10, write10
from tests.wire.conftest import Site
from tgtd.rounds import TICK

pytestmark = pytest.mark.wire

STEP = 256 << 10
BLOCKS = STEP // 512
SYNCHRONIZE = bytes((0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0))
SPACE_ALLOCATION_FAILED = (7, 0x27, 7)
SOFT_THRESHOLD_REACHED = (6, 0x38, 7)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A directory on an ext4 of 24 MiB, which allocates late."""
    if os.geteuid() != 0 or not (shutil.which("mkfs.ext4") and shutil.which("losetup")):
        pytest.skip("to mount a file system needs root, mkfs.ext4 and a loop device")
    image, place = tmp_path / "fs.img", tmp_path / "small"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def piece(number: int) -> bytes:
    return struct.pack("<Q", number + 1) * (STEP // 8)


def fill(initiator: Initiator) -> int:
    """Write until it is full; how many pieces were acknowledged."""
    for number in range(128):
        done = initiator.write(write10(number * BLOCKS, BLOCKS), piece(number), lun=1)
        if done.status:
            assert done.asc == SPACE_ALLOCATION_FAILED
            return number
    raise AssertionError("it does not fill up")


def test_it_is_told_before(site: Site, small: Path) -> None:
    """The initiator hears of the threshold before the first write fails; so does whoever reads the log."""
    medium = f'{{ type = "file", path = "{small / "disk"}", size = "64 MiB", create = true }}'
    site.write(site.target(site.lun(1, medium=medium, more="pool_warning = 50")))
    site.start()
    try:
        with site.login(timeout=20) as initiator:
            initiator.read(bytes(6), 0, lun=1)
            for number in range(8):
                assert initiator.write(write10(number * BLOCKS, BLOCKS), piece(number), lun=1).status == 0
            time.sleep(2 * TICK)
            assert initiator.read(bytes(6), 0, lun=1).status == 0, "not yet"
            for number in range(8, 45):
                done = initiator.write(write10(number * BLOCKS, BLOCKS), piece(number), lun=1)
                assert done.status == 0 or done.asc == SOFT_THRESHOLD_REACHED
                if done.status:
                    break
            else:
                done = eventually_told(initiator)
            assert done.asc == SOFT_THRESHOLD_REACHED
            (lun,) = site.status()["targets"][0]["luns"]
            assert lun["pool"]["warned"]
            assert 50 <= lun["pool"]["percent"] < 100
            assert lun["counters"]["medium_errors"] == 0
            assert "WARNED" in site.tgtctl("status")
            assert fill(initiator) > 45
            assert initiator.read(bytes(6), 0, lun=1).status == 0, "told once"
            assert initiator.write(*unmap(0, 60 * BLOCKS), lun=1).status == 0
            end = time.monotonic() + 10
            while site.status()["targets"][0]["luns"][0]["pool"]["warned"]:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert site.log.count("pool_warning = 50") == 1
        assert site.log.count("has room again") == 1
    finally:
        site.stop()


def eventually_told(initiator: Initiator) -> Any:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        done = initiator.read(bytes(6), 0, lun=1)
        if done.status:
            return done
        time.sleep(0.05)
    raise AssertionError("nobody tells the initiator")


def unmap(lba: int, blocks: int) -> tuple[bytes, bytes]:
    return bytes((0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0)), struct.pack(">HHIQII", 22, 16, 0, lba, blocks, 0)


def test_it_fills_up(site: Site, small: Path) -> None:
    image = small / "disk"
    medium = f'{{ type = "file", path = "{image}", size = "64 MiB", create = true }}'
    site.write(site.target(site.lun(1, medium=medium)))
    site.start()
    try:
        with site.login(timeout=20) as initiator:
            initiator.read(bytes(6), 0, lun=1)
            written = fill(initiator)
            assert written > 40
            assert initiator.read(SYNCHRONIZE, 0, lun=1).status == 0, "what was acknowledged has its space"
            (lun,) = site.status()["targets"][0]["luns"]
            assert lun["counters"]["medium_errors"] == 1
            for number in range(written):
                assert initiator.read(read10(number * BLOCKS, BLOCKS), STEP, lun=1).data == piece(number)
            assert initiator.write(*unmap(0, 8 * BLOCKS), lun=1).status == 0
            again = initiator.write(write10(written * BLOCKS, BLOCKS), piece(written), lun=1)
            assert again.status == 0, "what was unmapped makes room"
            assert initiator.read(SYNCHRONIZE, 0, lun=1).status == 0
        site.kill()
        content = image.read_bytes()
        assert content[: 8 * STEP] == bytes(8 * STEP)
        for number in range(8, written + 1):
            assert content[number * STEP : (number + 1) * STEP] == piece(number)
    finally:
        site.stop()
