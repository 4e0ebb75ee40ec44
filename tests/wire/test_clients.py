"""Clients that we did not write: libiscsi's tools and QEMU copy a real file system onto the LUN and back."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.wire.conftest import IQN, Site, run, sha256

pytestmark = pytest.mark.wire


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB of ext4 with files in it."""
    place = tmp_path_factory.mktemp("image")
    files = place / "files"
    files.mkdir()
    for number in range(40):
        (files / f"file{number}").write_bytes(os.urandom(100_000 + number * 777))
    image = place / "ext4.img"
    run("/sbin/mke2fs", "-q", "-t", "ext4", "-d", files, image, "64M")
    return image


def test_discovery_lists_target_and_luns(site: Site) -> None:
    site.write(site.target(site.lun(1), site.lun(7, "1 GiB")))
    site.start()
    listing = run("iscsi-ls", "-s", site.url())
    assert f"Target:{IQN} Portal:127.0.0.1:{site.port},1" in listing
    assert re.search(r"Lun:1 +Type:DIRECT_ACCESS \(Size:6[34]M\)", listing)
    assert re.search(r"Lun:7 +Type:DIRECT_ACCESS \(Size:1(023M|G)\)", listing)


def test_identity_pages(site: Site) -> None:
    site.write(site.target(site.lun(1, more='serial = "VM1"\nwwid = "naa.6001405123456789abcdef12deadbeef"')))
    site.start()
    assert "Version:" in run("iscsi-inq", site.url(1))
    assert "VM1" in run("iscsi-inq", "-e", "1", "-c", "128", site.url(1))
    designator = bytes.fromhex("6001405123456789abcdef12deadbeef").decode("latin-1")
    assert designator in run("iscsi-inq", "-e", "1", "-c", "131", site.url(1))


@pytest.mark.parametrize("block_size", [512, 4096])
@pytest.mark.parametrize("digest", ["none", "crc32c"])
def test_a_file_system_goes_there_and_back(
    site: Site, image: Path, block_size: int, digest: str, tmp_path: Path
) -> None:
    site.write(site.target(site.lun(1, more=f"block_size = {block_size}")))
    site.start()
    options = f"driver=iscsi,transport=tcp,portal=127.0.0.1:{site.port},target={IQN},lun=1,header-digest={digest}"
    run(
        "qemu-img",
        "convert",
        "-n",
        "-f",
        "raw",
        "--target-image-opts",
        image,
        f"driver=raw,file.{options.replace(',', ',file.')}",
    )
    run("qemu-img", "convert", "--image-opts", options, "-O", "raw", back := tmp_path / "back.img")
    assert "identical" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, site.url(1))
    assert sha256(back) == sha256(image)
    run("/sbin/e2fsck", "-fn", back)


def test_data_digests_carry_the_same_bytes(site: Site, image: Path) -> None:
    """Debian's libiscsi cannot do data digests: our own initiator does."""
    site.write(site.target(site.lun(1)))
    site.start()
    data = image.read_bytes()[: 8 << 20]
    with site.login(keys={"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}) as initiator:
        initiator.read(bytes(6), 0, lun=1)
        step = 1 << 20
        for offset in range(0, len(data), step):
            cdb = bytes((0x8A, 0)) + (offset // 512).to_bytes(8, "big") + (step // 512).to_bytes(4, "big") + b"\0\0"
            assert initiator.write(cdb, data[offset : offset + step], lun=1).status == 0
        for offset in range(0, len(data), step):
            cdb = bytes((0x88, 0)) + (offset // 512).to_bytes(8, "big") + (step // 512).to_bytes(4, "big") + b"\0\0"
            assert initiator.read(cdb, step, lun=1).data == data[offset : offset + step]


@pytest.mark.parametrize("medium", ['{ type = "ram", size = "64 MiB" }', '{ type = "null", size = "64 MiB" }'])
def test_other_media(site: Site, image: Path, medium: str) -> None:
    site.write(site.target(site.lun(1, medium=medium)))
    site.start()
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, site.url(1))
    compared = run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, site.url(1), status=None)
    assert ("identical" in compared) == ("ram" in medium)
