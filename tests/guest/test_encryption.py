"""An encrypted disk, as Linux and sg3-utils see it; and what is left of it when its key is forgotten."""

from __future__ import annotations

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import file_system_holds, serve
from tests.wire.conftest import Site


def test_a_file_system_and_its_end(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    key, image = site.place / "key", site.media / "secret.img"
    key.touch(mode=0o600)
    key.write_text("a secret of this test\n")
    medium = (
        f'{{ type = "file", path = "{image}", size = "64 MiB", create = true, '
        f'encryption = {{ key = {{ file = "{key}" }} }} }}'
    )
    serve(site, site.lun(0, medium=medium))
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    file_system_holds(guest, device)
    guest.run(f"yes plaintext | head -c 1M | dd of={device} bs=64k seek=512 oflag=direct conv=fsync status=none")
    assert b"plaintext" not in image.read_bytes()
    assert "plaintext" in guest.run(f"dd if={device} bs=512 skip=65536 count=1 iflag=direct status=none").output
    guest.run(
        f"blkdiscard -o 48M -l 1M {device} && "
        f"dd if={device} bs=1M skip=48 count=1 iflag=direct status=none | cmp -n 1048576 - /dev/zero"
    )
    header = site.media / "secret.img.header"
    before = header.read_bytes()
    guest.run(f"sg_sanitize --crypto --quick --wait {device}")
    after = header.read_bytes()
    assert before[56:128] not in after, "the data's key, as it was wrapped, is not there any more"
    guest.run(f"blockdev --flushbufs {device}")
    guest.run(f"! dd if={device} bs=1M skip=32 count=1 iflag=direct status=none | grep -q plaintext")
    guest.run(f"! blkid -p {device}")
    file_system_holds(guest, device)
