"""Disks as Linux uses them: file systems, digests, CHAP, discovery, discards, sizes and LUNs that change."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.wire.conftest import IQN, Site

DIGESTS = {"node.conn[0].iscsi.HeaderDigest": "CRC32C", "node.conn[0].iscsi.DataDigest": "CRC32C"}
SOLICITED = {"node.session.iscsi.InitialR2T": "Yes", "node.session.iscsi.ImmediateData": "No"}
ALICE, DISKS = "a secret of alice", "a secret of the target"


def serve(site: Site, *luns: str, access: str = "anyone = true", head: str = "") -> None:
    """Start the daemon with one target of these LUNs, or of one disk of 64 MiB."""
    site.write(site.target(*(luns or (site.lun(0),)), access=access, head=head))
    site.start()


def file_system_holds(guest: Guest, device: str) -> None:
    """mkfs, write, unmount, fsck, mount again: the same bytes."""
    guest.run(
        f"mkfs.ext4 -q {device} && mount {device} /mnt && head -c 12M /dev/urandom >/mnt/file && "
        f"sha256sum /mnt/file >/run/sum && umount /mnt && blockdev --flushbufs {device} && e2fsck -fn {device} && "
        f"mount -o ro {device} /mnt && sha256sum -c /run/sum && umount /mnt",
        timeout=120,
    )


def secrets(place: Path) -> str:
    """Mutual CHAP, as the keys of [target.access]."""
    keys = []
    for user, secret in (("alice", ALICE), ("disks", DISKS)):
        file = place / user
        file.touch(0o600)
        file.write_text(secret)
        keys.append(f'{{ user = "{user}", secret = {{ file = "{file}" }} }}')
    return f"chap = [{keys[0]}]\nchap_mutual = {keys[1]}\n"


def chap(password: str, what: str = "node.session.auth") -> dict[str, str | int]:
    """open-iscsi's side of it."""
    return {
        f"{what}.authmethod": "CHAP",
        f"{what}.username": "alice",
        f"{what}.password": password,
        f"{what}.username_in": "disks",
        f"{what}.password_in": DISKS,
    }


@pytest.mark.parametrize("settings", [{}, DIGESTS, SOLICITED], ids=["plain", "digests", "solicited"])
def test_file_system(guest: Guest, site: Site, open_iscsi: OpenIscsi, settings: dict[str, str]) -> None:
    serve(site)
    open_iscsi.login(site.port, **settings)
    file_system_holds(guest, open_iscsi.device(0))


def test_blocks_of_4096_bytes(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site, site.lun(0, more="block_size = 4096"))
    open_iscsi.login(site.port)
    file_system_holds(guest, open_iscsi.device(0))


def test_mutual_chap(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site, access=secrets(site.place))
    refused = open_iscsi.login(site.port, status=None, **chap("not the secret at all"))
    assert "authorization failure" in refused
    assert open_iscsi.login(site.port, status=None) != ""  # without CHAP
    assert IQN not in open_iscsi.sessions()
    open_iscsi.login(site.port, **chap(ALICE), **DIGESTS)
    file_system_holds(guest, open_iscsi.device(0))
    assert ALICE not in site.log
    assert DISKS not in site.log


def test_discovery(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """SendTargets names the host's own loopback: that is forwarded in the guest."""
    serve(site)
    open_iscsi.forward(site.port)
    found = guest.run(f"iscsiadm -m discovery -t sendtargets -p 127.0.0.1:{site.port}").output
    assert found.split() == [f"127.0.0.1:{site.port},1", IQN]
    guest.run(f"iscsiadm -m node -T {IQN} --login")
    file_system_holds(guest, open_iscsi.device(0))


def test_fio_verifies_random_sizes_and_trims(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site, site.lun(0, more="thin = true"))
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    common = f"--filename={device} --direct=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 --group_reporting"
    guest.run(
        f"fio --name=mixed {common} --rw=randwrite --bsrange=512-256k --bs_unaligned=0 --blockalign=512 --iodepth=16 "
        "--size=24M --verify_backlog=64",
        timeout=120,
    )
    guest.run(
        f"fio --name=trim {common} --rw=randtrimwrite --bs=4k --iodepth=8 --offset=32M --size=8M --do_verify=1",
        timeout=120,
    )


def test_it_grows_while_mounted(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site)
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    assert open_iscsi.size(device) == 64 << 20
    guest.run(f"mkfs.ext4 -q {device} && mount {device} /mnt && echo kept >/mnt/file")
    site.write(site.target(site.lun(0, size="96 MiB")))
    # The kernel meets CAPACITY DATA HAS CHANGED with the next command, and tells udev; a rescan makes it look.
    assert open_iscsi.eventually(
        f"dd if={device} of=/dev/null bs=4k count=1 iflag=direct status=none; "
        f"echo 1 >/sys/block/{device[5:]}/device/rescan; [ $(blockdev --getsize64 {device}) = {96 << 20} ]"
    )
    assert "Capacity data has changed" in guest.said()
    guest.run(f"resize2fs {device} && cat /mnt/file && umount /mnt && e2fsck -fn {device}")


def test_luns_come_and_go(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    serve(site)
    open_iscsi.login(site.port)
    first = open_iscsi.device(0)
    since = guest.heard()
    site.write(site.target(site.lun(0), site.lun(3)))
    # REPORTED LUNS DATA HAS CHANGED comes with the next command; the kernel says so, and leaves the rescan to us.
    assert open_iscsi.eventually(f"sg_turs {first}; dmesg | tail -n 20 | grep -q 'LUN assignments'")
    assert "LUN assignments on this target have changed" in guest.said(since)
    open_iscsi.rescan()
    third = open_iscsi.device(3)
    file_system_holds(guest, third)
    site.write(site.target(site.lun(0)))
    # The kernel never drops a disk by itself: its users do, once it says that it is gone.
    assert open_iscsi.eventually(f"sg_turs -v {third} 2>&1 | grep -q 'Logical unit not supported'")
    guest.run(f"echo 1 >/sys/block/{third[5:]}/device/delete")
    open_iscsi.rescan()
    assert open_iscsi.gone(3)
    file_system_holds(guest, first)
