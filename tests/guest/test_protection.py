"""Disks with protection information, as Linux and sg3-utils see them."""

from __future__ import annotations

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site


def test_formats_and_long_commands(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """Type 1 from the configuration, ext4 on it, then type 2 by sg_format, and back."""
    serve(site, site.lun(0, more="protection = 1"))
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    told = guest.run(f"sg_readcap -16 {device}").output
    assert "prot_en=1, p_type=0" in told
    assert "PROTECT=1" in guest.run(f"sg_inq {device}").output.upper()
    assert "SPT=7 GRD_CHK=1 APP_CHK=1 REF_CHK=1" in guest.run(f"sg_vpd -p ei {device}").output
    guest.run(f"mkfs.ext4 -q {device} && mkdir -p /run/pi && mount {device} /run/pi")
    guest.run("head -c 8M /dev/urandom >/run/pi/f && sha256sum /run/pi/f >/run/sum && sync")
    guest.run(f"umount /run/pi && echo 3 >/proc/sys/vm/drop_caches && mount {device} /run/pi")
    guest.run("sha256sum -c /run/sum && umount /run/pi")
    guest.run(f"sg_verify --lba=0 --count=2048 --vrprotect=1 {device}")
    guest.run(f"sg_raw -r 8320 -o /run/raw {device} 28 20 00 00 00 00 00 00 10 00")
    assert guest.run("stat -c %s /run/raw").output.strip() == str(16 * 520)
    guest.run(f"sg_raw -s 8320 -i /run/raw {device} 2a 20 00 00 00 00 00 00 10 00")
    told = "4a 02 00 6c" + " 00" * 12 + " 80" + " 00" * 5 + " ab cd" + " 00" * 13 + " 02 00 00" + " 00" * 72
    guest.run(f"echo {told} | sg_wr_mode --page=0xa,2 --contents=- {device}")
    guest.run(f"sg_wr_mode --page=0xa --contents=0a,0a,00,10,00,a0,00,00,00,00,00,01 {device}")
    wrong = guest.run(f"sg_raw -s 8320 -i /run/raw {device} 2a 20 00 00 00 00 00 00 10 00", status=None)
    assert "Logical block application tag check failed" in wrong.output, wrong.output
    guest.run(f"sg_format --format --fmtpinfo=3 --pfu=0 --quick --early {device}; sleep 2; sg_turs {device}; true")
    assert "prot_en=1, p_type=1" in guest.run(f"sg_readcap -16 {device}").output
    guest.run(f"head -c 512 /dev/zero >/run/block; sg_write_same --32 --lba=8 --num=4 --in=/run/block {device}")
    guest.run(f"sg_write_x --normal --32 --lba=8 --num=1 --in=/run/block --bs=512 {device}")
    guest.run(f"sg_format --format --quick --early {device}; sleep 2; sg_turs {device}; true")
    assert "prot_en=0" in guest.run(f"sg_readcap -16 {device}").output
