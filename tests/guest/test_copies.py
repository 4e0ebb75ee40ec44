"""Copies that disks make by themselves, asked for by sg_xcopy."""

from __future__ import annotations

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site, sha256

MIB = 1 << 20
SIZE = 64 * MIB


@pytest.fixture
def pair(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> tuple[str, str]:
    """A disk with random data, and an empty one, thin both."""
    serve(site, site.lun(0, more="thin = true"), site.lun(1, more="thin = true"))
    open_iscsi.login(site.port)
    source, copy = open_iscsi.device(0), open_iscsi.device(1)
    guest.run(f"dd if=/dev/urandom of={source} bs=1M count=8 seek=4 oflag=direct status=none")
    generic = [guest.run(f"ls /sys/block/{one[5:]}/device/scsi_generic").output.strip() for one in (source, copy)]
    return f"/dev/{generic[0]}", f"/dev/{generic[1]}"


def same(site: Site) -> bool:
    return sha256(site.media / "lun0.img") == sha256(site.media / "lun1.img")


def used(site: Site) -> int:
    return (site.media / "lun1.img").stat().st_blocks * 512


@pytest.mark.parametrize("on", ["src", "dst"])
def test_sg_xcopy(guest: Guest, site: Site, pair: tuple[str, str], on: str) -> None:
    """The whole disk, asked of either end."""
    source, copy = pair
    told = guest.run(f"sg_xcopy --on_{on} if={source} of={copy} bs=512 count={SIZE // 512}").output
    assert "131072" in told
    assert same(site)
    assert used(site) == 8 * MIB


def test_what_sg_copy_results_understands(guest: Guest, pair: tuple[str, str]) -> None:
    told = guest.run(f"sg_copy_results --params {pair[0]}").output
    assert "Maximum target descriptor count: 64" in told
    assert "Segment descriptor 0x02: Copy from block device to block device" in told
    told = guest.run(f"sg_vpd --page=tpc {pair[0]}").output
    for words in (
        "Block Device ROD Token Limits",
        "Supported Commands",
        "ROD Token Features",
        "Supported ROD token and ROD types",
    ):
        assert words.lower() in told.lower()
    assert "change vulnerable" in told
    assert "3PC=1" in guest.run(f"sg_inq {pair[0]}").output
