"""Mode pages as sg3-utils and the kernel read and write them; what is saved outlives the daemon."""

from __future__ import annotations

import re

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site

TAS = "--page=0xa --contents=0a,0a,0,0,0,40,0,0,0,0,0,0 --mask=0,0,0,0,0,40,0,0,0,0,0,0"


@pytest.fixture
def disk(site: Site, open_iscsi: OpenIscsi) -> str:
    serve(site, site.lun(0, more='management = ["https://storage.example/1"]'))
    open_iscsi.login(site.port)
    return open_iscsi.device(0)


def page(guest: Guest, device: str, code: str, control: int) -> list[int]:
    """The bytes of a mode page."""
    told = guest.run(
        f"sg_modes -r --dbd --control={control} --page={code} {device} | tail -c +9 | od -An -v -tx1"
    ).output
    return [int(byte, 16) for byte in told.split()]


def test_every_page_decodes(guest: Guest, disk: str) -> None:
    told = guest.run(f"sg_modes -a {disk}").output
    for name in ("Read-Write error recovery", "Disconnect-Reconnect", "Caching", "Control", "Power condition"):
        assert name.lower() in told.lower(), told
    for code in ("1", "2", "8", "0xa", "0x1a", "0x1c", "0xa,1"):
        assert [len(page(guest, disk, code, control)) > 3 for control in range(4)] == [True] * 4
    extended = guest.run(f"sg_vpd --page=ei --long {disk}").output
    assert "RTD_SUP=1" in extended, extended
    assert "WU_SUP=1" in extended
    addresses = guest.run(f"sg_vpd --page=mna {disk}").output
    assert "https://storage.example/1" in addresses
    policy = guest.run(f"sg_vpd --page=mpp {disk}").output
    assert re.search(r"page code: 0x2\n\s+MLUS=1,  Policy: shared", policy), policy
    assert "page code: 0x3f,  subpage code: 0xff" in policy


def test_saved_values_outlive_the_daemon(guest: Guest, site: Site, disk: str) -> None:
    guest.run(f"sg_wr_mode {TAS} --save {disk}")
    assert [page(guest, disk, "0xa", control)[5] for control in range(4)] == [0x40, 0x40, 0, 0x40]
    site.kill()
    site.start()
    guest.run(f"dd if={disk} of=/dev/null bs=4k count=1 iflag=direct status=none")
    assert [page(guest, disk, "0xa", control)[5] for control in range(4)] == [0x40, 0x40, 0, 0x40]
    guest.run(f"sg_wr_mode --rtd --save {disk}")
    assert [page(guest, disk, "0xa", control)[5] for control in (0, 3)] == [0, 0]


def test_what_the_kernel_sets_is_saved(guest: Guest, site: Site, disk: str) -> None:
    """It sets SP where PS is set."""
    cache = f"/sys/class/scsi_disk/$(basename $(readlink /sys/block/{disk[5:]}/device))/cache_type"
    assert guest.run(f"cat {cache}").output.strip() == "write back"
    guest.run(f"echo 'write through' >{cache}")
    assert [page(guest, disk, "8", control)[2] for control in range(4)] == [0, 4, 4, 0]
    assert guest.run(f"cat {cache}").output.strip() == "write through"
    guest.run(f"echo 'write back' >{cache}")
    assert page(guest, disk, "8", 3)[2] == 4
