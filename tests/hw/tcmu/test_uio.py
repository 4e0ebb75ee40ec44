"""A backstore's device found and taken over; the tree of sysfs and configfs is made of files here."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.hw.tcmu.kernel import Kernel
from tgtd.hw.tcmu.uio import Uio, locate


class Host:
    """Backstores user_7/… with their devices."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sys, self.dev = root / "sys", root / "dev"
        self.dev.mkdir()
        self.core = root / "core/user_7"

    def backstore(self, name: str, node: str = "uio3", kernel: Kernel | None = None, config: str = "/tgtd/x") -> Path:
        raw = bytes((kernel or Kernel()).raw)
        raw += bytes(-len(raw) % 4096)
        place = self.sys / "class/uio" / node
        (place / "maps/map0").mkdir(parents=True)
        (place / "name").write_text(f"tcm-user/7/{name}{config}\n")
        (place / "maps/map0/size").write_text(f"0x{len(raw):016x}\n")
        (self.dev / node).write_bytes(raw)
        (self.core / name / "action").mkdir(parents=True)
        return self.core / name

    def open(self, backstore: Path) -> Uio:
        return Uio.open(backstore, self.sys, self.dev)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_found_by_its_name(host: Host) -> None:
    disk = host.backstore("disk", "uio0")
    host.backstore("disk2", "uio1")
    bare = host.backstore("bare", "uio2", config="")
    assert locate(disk, host.sys) == "uio0"
    assert locate(bare, host.sys) == "uio2"
    assert locate(host.core / "dis", host.sys) is None
    assert locate(host.root / "core/user_8/disk", host.sys) is None
    assert locate(disk, host.root / "none") is None


def test_one_that_goes_away_meanwhile(host: Host) -> None:
    disk = host.backstore("disk", "uio5")
    (host.sys / "class/uio/uio4").mkdir()
    assert locate(disk, host.sys) == "uio5"


def test_opened_with_its_ring_reset(host: Host) -> None:
    disk = host.backstore("disk")
    device = host.open(disk)
    assert (disk / "action/reset_ring").read_bytes() == b"1", "answered BUSY"
    assert device.name == "user_7/disk (uio3)"
    assert len(device.memory) == (host.dev / "uio3").stat().st_size
    device.memory[20] = 7
    assert (host.dev / "uio3").read_bytes()[20] == 7, "it is shared"
    device.give_back(300)
    assert (disk / "action/free_kept_buf").read_bytes() == b"300"
    device.close()
    device.close()


def test_heard_and_told(host: Host) -> None:
    device = host.open(host.backstore("disk"))
    os.close(device.fd)
    device.fd, other = os.pipe2(os.O_NONBLOCK)
    device.hear()  # nothing to read is no trouble
    os.write(other, b"\1\0\0\0")
    device.hear()
    os.close(device.fd)
    device.fd = other
    with pytest.raises(BrokenPipeError):
        device.tell()
    device.close()


def test_memory_outlives_the_device_while_it_is_used(host: Host) -> None:
    device = host.open(host.backstore("disk"))
    used = device.memory[4096:8192]
    device.close()
    used[:] = b"x" * 4096
    with pytest.raises(ValueError, match="released"):
        len(device.memory)


def test_no_device(host: Host) -> None:
    with pytest.raises(OSError, match="is it enabled") as trouble:
        host.open(host.core / "disk")
    assert trouble.value.errno == errno.ENODEV


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "another program serves it"),
        (errno.EACCES, "fabrics.conf"),
        (errno.EPERM, "fabrics.conf"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_devices_that_cannot_be_opened(host: Host, monkeypatch: pytest.MonkeyPatch, number: int, words: str) -> None:
    def refuse(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    disk = host.backstore("disk")
    monkeypatch.setattr("tgtd.hw.tcmu.uio.os.open", refuse)
    with pytest.raises(OSError, match=words) as trouble:
        host.open(disk)
    assert trouble.value.errno == number


def test_no_node(host: Host) -> None:
    disk = host.backstore("disk")
    (host.dev / "uio3").unlink()
    with pytest.raises(OSError, match="devtmpfs"):
        host.open(disk)


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_nothing_is_left_open_when_it_fails(host: Host) -> None:
    before = descriptors()
    strange = host.backstore("strange", "uio1", Kernel(version=3))
    with pytest.raises(OSError, match="version 3"):
        host.open(strange)
    disk = host.backstore("disk", "uio2")
    (disk / "action").rmdir()
    with pytest.raises(OSError, match="cannot take over"):
        host.open(disk)
    odd = host.backstore("odd", "uio4")
    (host.sys / "class/uio/uio4/maps/map0/size").write_text("many\n")
    with pytest.raises(OSError, match="many"):
        host.open(odd)
    assert descriptors() == before
