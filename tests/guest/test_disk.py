"""Disks as Linux uses them: file systems, discards, sizes that change, and the tools of sg3-utils."""

from __future__ import annotations

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.wire.conftest import Site

CHAP = (
    "[target.access.chap]\n"
    'incoming = [{ user = "alice", secret = "a secret of alice" }]\n'
    'outgoing = { user = "disks", secret = "a secret of disks" }\n'
)


def serve(site: Site, *luns: str, **more: str) -> None:
    site.write(site.target(*(luns or (site.lun(0),)), **more))
    site.start()


def file_system_holds(guest: Guest, device: str) -> None:
    """mkfs, write, unmount, fsck, mount again: the same bytes."""
    guest.run(
        f"mkfs.ext4 -q {device} && mount {device} /mnt && head -c 20M /dev/urandom >/mnt/file && "
        f"sha256sum /mnt/file >/run/sum && umount /mnt && blockdev --flushbufs {device} && e2fsck -fn {device} && "
        f"mount -o ro {device} /mnt && sha256sum -c /run/sum && umount /mnt",
        timeout=120,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"node.conn[0].iscsi.HeaderDigest": "CRC32C", "node.conn[0].iscsi.DataDigest": "CRC32C"},
        {"node.session.iscsi.InitialR2T": "Yes", "node.session.iscsi.ImmediateData": "No"},
    ],
    ids=["plain", "digests", "solicited"],
)
def test_file_system(guest: Guest, site: Site, open_iscsi: OpenIscsi, settings: dict[str, str]) -> None:
    serve(site)
    open_iscsi.login(site.port, **settings)
    file_system_holds(guest, open_iscsi.device(0))
