"""A thin disk whose pool becomes full, as Linux and sg3-utils see it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host on a tmpfs of 64 MiB: what is in it is known to the page."""
    if os.geteuid() != 0:
        pytest.skip("to mount a file system needs root")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        (shutil.which("mount") or "mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", place),
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def number(text: str, what: str) -> int:
    found = re.search(rf"{what}[^0-9]*(?:0x)?([0-9a-f]+)", text, re.IGNORECASE)
    assert found, (what, text)
    return int(found[1], 0)


def test_soft_threshold(guest: Guest, small: Path, site: Site, open_iscsi: OpenIscsi) -> None:
    """The pages decode; the kernel logs that the threshold is reached, and the command that was told is done anyway."""
    medium = f'{{ type = "file", path = "{small / "disk"}", size = "1 GiB", create = true }}'
    serve(site, site.lun(0, medium=medium, more="pool_warning = 75"))
    open_iscsi.login(site.port)
    disk, node = open_iscsi.device(0), open_iscsi.device(0, "scsi_generic")
    vital = guest.run(f"sg_vpd -p lbpv {node}").output
    assert number(vital, "Threshold exponent") == 11
    page = guest.run(f"sg_modes -r --dbd --page=0x1c,2 {disk} | tail -c +9 | od -An -v -tx1").output
    assert page.split() == ["5c", "02", "00", "14", *["00"] * 12, "80", "01", *["00"] * 5, "10"], page
    logs = guest.run(f"sg_logs -p 0xc {node}").output
    assert number(logs, "Available LBA mapping") == 64, logs
    guest.run(f"dd if=/dev/zero of={disk} bs=1M count=50 oflag=direct status=none")
    touch = f"dd if={disk} of=/dev/null bs=4096 count=1 iflag=direct status=none"
    assert open_iscsi.eventually(f"{touch}; dmesg | grep -i 'thin provisioning soft threshold'")

    guest.run(f"dd if=/dev/zero of={disk} bs=1M seek=50 count=4 oflag=direct status=none")
    assert open_iscsi.eventually(f"sg_logs -p 0xc {node} | grep -q 'Used LBA.*: 54$'")
    assert site.log.count("pool_warning = 75") == 1
