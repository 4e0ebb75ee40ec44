"""tgtd.media.block: on a loop device where one can be had."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tgtd.media import block
from tgtd.media.block import BlockDeviceMedium
from tgtd.media.options import OpenOptions
from tgtd.media.problem import MediumError

SIZE = 4 << 20


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    if os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("a loop device needs root and losetup")
    (tmp_path / "back").write_bytes(bytes(SIZE))
    made = subprocess.run(
        ["losetup", "--find", "--show", str(tmp_path / "back")], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    name = made.stdout.strip()
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


def get(medium: BlockDeviceMedium, offset: int, length: int) -> bytes:
    into = memoryview(bytearray(length))
    medium.read(offset, into)
    return bytes(into)


@pytest.mark.parametrize("direct", [False, True])
def test_a_loop_device(device: str, direct: bool) -> None:
    medium = BlockDeviceMedium.open(device, OpenOptions(direct=direct))
    assert medium.size == medium.resize_probe() == SIZE
    assert medium.block_sizes == (512, 1024, 2048, 4096)
    data = bytes(range(256)) * 32
    medium.write(4096, data, True)
    medium.flush()
    assert get(medium, 4096, len(data)) == data
    medium.zero(4096, 512, False)
    assert get(medium, 4096, 1024) == bytes(512) + data[512:1024]
    if medium.can_discard:
        medium.discard(8192, 4096)
        assert get(medium, 4096 + 512, 512) == data[512:1024]
    assert list(medium.extents(0, 512)) == [(0, 512, True)]
    with pytest.raises(MediumError, match="extend the device"):
        medium.grow(2 * SIZE)
    medium.grow(SIZE // 2)
    assert medium.size == SIZE // 2
    medium.close()


def test_one_at_a_time(device: str) -> None:
    medium = BlockDeviceMedium.open(device, OpenOptions(size=SIZE // 2))
    assert medium.size == SIZE // 2
    with pytest.raises(MediumError, match="mounted or otherwise in use"):
        BlockDeviceMedium.open(device)
    medium.close()


def test_more_is_declared_than_there_is(device: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(MediumError, match=f"has {SIZE} bytes, {2 * SIZE} are declared"):
        BlockDeviceMedium.open(device, OpenOptions(size=2 * SIZE, direct=True))
    assert len(os.listdir("/proc/self/fd")) == before


def test_read_only(device: str) -> None:
    medium = BlockDeviceMedium.open(device, OpenOptions(writable=False))
    assert not medium.can_discard
    medium.close()


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("/dev/null", {}, "not a block device"),
        ("/nonexistent", {}, "does not exist; attach the device"),
        ("/dev/null", {"create": True}, "cannot be created"),
    ],
)
def test_what_cannot_be_opened(path: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(MediumError, match=message):
        BlockDeviceMedium.open(path, OpenOptions(**options))


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EACCES, "DeviceAllow"), (errno.EROFS, "read_only = true"), (errno.EIO, "check the device")],
)
def test_errors_of_the_system(monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def refuse(*_: object) -> os.stat_result:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(MediumError, match=message):
        BlockDeviceMedium.open("/dev/some")


class Device:
    """Stands in for fcntl.ioctl: a device of 4096-byte sectors."""

    def __init__(self, read_only: int = 0) -> None:
        self.answers = {
            block.BLKROGET: read_only.to_bytes(4, "little"),
            block.BLKSSZGET: (4096).to_bytes(4, "little"),
            block.BLKGETSIZE64: SIZE.to_bytes(8, "little"),
        }

    def __call__(self, fd: int, request: int, argument: bytes) -> bytes:
        return self.answers[request]


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "x", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def test_blocks_are_multiples_of_the_sector(plain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.ioctl", Device())
    medium = BlockDeviceMedium(plain, None, "/dev/some", None, True)
    assert medium.block_sizes == (4096,)
    assert not medium.can_discard, "nobody says that it does"


def test_a_device_that_became_read_only(plain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.ioctl", Device(read_only=1))
    with pytest.raises(MediumError, match="is read-only"):
        BlockDeviceMedium(plain, None, "/dev/some", None, True)


def test_ranges_of_more_than_4_gib(tmp_path: Path) -> None:
    """A sparse file behind a loop device: discarded and zeroed by one call each, which take 64 bits."""
    if os.geteuid() != 0 or shutil.which("losetup") is None:
        pytest.skip("a loop device needs root and losetup")
    gib, back = 1 << 30, tmp_path / "back"
    with back.open("wb") as file:
        file.truncate(12 * gib)
    made = subprocess.run(["losetup", "--find", "--show", str(back)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    name = made.stdout.strip()
    try:
        medium = BlockDeviceMedium.open(name)
        for at in (0, 9 * gib):
            medium.write(at, b"x" * 4096, True)
        if medium.can_discard:
            medium.discard(4096, 11 * gib)
            assert get(medium, 9 * gib, 4096) == bytes(4096)
            assert get(medium, 0, 4096) == b"x" * 4096
        medium.close()
        with back.open("r+b") as file:
            file.truncate(13 * gib)
        subprocess.run(["losetup", "--set-capacity", name], check=True)
        medium = BlockDeviceMedium.open(name, OpenOptions(size=12 * gib))
        assert (medium.size, medium.resize_probe()) == (12 * gib, 13 * gib)
        medium.grow(13 * gib)
        assert get(medium, 13 * gib - 4096, 4096) == bytes(4096)
        medium.close()
    finally:
        subprocess.run(["losetup", "--detach", name], check=True)
