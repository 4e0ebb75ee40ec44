"""Disks with removable media, and those that are write protected, as Linux takes them."""

from __future__ import annotations

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import IQN, Site

REMOVABLE = "removable = true"


def reads(guest: Guest, device: str) -> bool:
    return guest.run(f"dd if={device} of=/dev/null bs=4096 count=1 iflag=direct", status=None).status == 0


def test_eject_and_load(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """The kernel sees the medium go and come, and what is mounted is not ejected, by whatever initiator."""
    serve(site, site.lun(0, more=REMOVABLE))
    open_iscsi.login(site.port)
    disk = open_iscsi.device(0)
    node = open_iscsi.device(0, "scsi_generic")
    name = disk.rsplit("/", 1)[1]
    assert guest.run(f"cat /sys/block/{name}/removable").output.strip() == "1"
    guest.run(f"mkfs.ext4 -q {disk} && mount {disk} /mnt && echo kept >/mnt/file && sync")
    refused = guest.run(f"sg_start --eject {node}", status=None)
    assert refused.status != 0
    assert "removal prevented" in guest.run(f"sg_raw {node} 1b 00 00 00 02 00", status=None).output.lower()
    assert guest.run("cat /mnt/file").output.strip() == "kept"
    guest.run(f"umount /mnt && sg_start --eject {node}")
    assert "Medium not present" in guest.run(f"sg_turs -v {node}", status=None).output
    assert not reads(guest, disk)
    assert "No medium found" in guest.run(f"blockdev --getsize64 {disk}", status=None).output
    guest.run(f"sg_start --load {node}")
    assert open_iscsi.eventually(f"blockdev --rereadpt {disk}; dd if={disk} of=/dev/null bs=4096 count=1 iflag=direct")
    guest.run(f"mount {disk} /mnt && grep kept /mnt/file")
    assert "--force" in site.tgtctl("medium", "eject", IQN, "0", status=1)
    guest.run("umount /mnt")
    site.tgtctl("medium", "eject", IQN, "0")
    assert not reads(guest, disk)
    site.tgtctl("medium", "load", IQN, "0")
    assert open_iscsi.eventually(f"dd if={disk} of=/dev/null bs=4096 count=1 iflag=direct")


def test_another_medium_is_put_in(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """By an edit; the kernel hears "medium may have changed", and takes its size anew."""
    serve(site, site.lun(0, size="64 MiB", more=REMOVABLE))
    open_iscsi.login(site.port)
    disk = open_iscsi.device(0)
    assert open_iscsi.size(disk) == 64 << 20
    site.write(site.target(site.lun(0, size="32 MiB", more=REMOVABLE).replace("lun0.img", "other.img")))
    site.tgtctl("reload")
    assert open_iscsi.eventually(f"[ $(blockdev --getsize64 {disk}) = {32 << 20} ]")
    site.write(site.target(site.lun(0, size="32 MiB", more=REMOVABLE + "\nonline = false").replace("lun0", "other")))
    site.tgtctl("reload")
    node = open_iscsi.device(0, "scsi_generic")
    assert "Medium not present" in guest.run(f"sg_turs -v {node}; sg_turs -v {node}", status=None).output
    assert not reads(guest, disk)


def test_a_write_protected_disk_is_read_only(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site, site.lun(0, more=REMOVABLE))
    serve_again = site.target(site.lun(0, more=f"{REMOVABLE}\nread_only = true"))
    site.write(serve_again)
    site.tgtctl("reload")
    open_iscsi.login(site.port)
    disk = open_iscsi.device(0)
    name = disk.rsplit("/", 1)[1]
    assert guest.run(f"cat /sys/block/{name}/ro").output.strip() == "1"
    assert reads(guest, disk)
    assert guest.run(f"dd if=/dev/zero of={disk} bs=4096 count=1 oflag=direct", status=None).status != 0
    node = open_iscsi.device(0, "scsi_generic")
    told = guest.run(f"sg_raw -s 512 -i /dev/zero {node} 2a 00 00 00 00 00 00 00 01 00", status=None).output
    assert "Write protected" in told
