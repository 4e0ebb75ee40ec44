"""Single SCSI commands, sent by sg3-utils and the kernel's block layer."""

from __future__ import annotations

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site

ZEROS = "0" * 32
PATTERN = "5a" * 16


@pytest.fixture
def thin(site: Site, open_iscsi: OpenIscsi) -> str:
    """A thin disk of 64 MiB, full of 5Ah."""
    (site.media / "lun0.img").write_bytes(bytes((0x5A,)) * (64 << 20))
    serve(site, site.lun(0, more="thin = true"))
    open_iscsi.login(site.port)
    return open_iscsi.device(0)


def block(guest: Guest, device: str, lba: int) -> str:
    """The first 16 bytes of a block of 512, past the guest's page cache."""
    return guest.run(
        f"dd if={device} bs=512 skip={lba} count=1 iflag=direct status=none | head -c 16 | od -An -tx1 | tr -d ' \\n'"
    ).output


def blocks_used(site: Site) -> int:
    """How much of the medium the host's file system keeps, in bytes."""
    return (site.media / "lun0.img").stat().st_blocks * 512


def test_discard(guest: Guest, site: Site, thin: str) -> None:
    assert blocks_used(site) == 64 << 20
    guest.run(f"blkdiscard -o 1M -l 32M {thin}")
    assert blocks_used(site) == 32 << 20
    assert block(guest, thin, 2048) == ZEROS
    assert block(guest, thin, 2047) == PATTERN
    guest.run(f"blkdiscard -z -o 48M -l 1M {thin}")
    assert block(guest, thin, 98304) == ZEROS


def test_unmap(guest: Guest, site: Site, thin: str) -> None:
    guest.run(f"sg_unmap --force --lba=8,4096 --num=8,8 {thin}")
    assert [block(guest, thin, lba) for lba in (7, 8, 15, 16, 4096)] == [PATTERN, ZEROS, ZEROS, PATTERN, ZEROS]
    assert blocks_used(site) == (64 << 20) - 8192
    told = guest.run(f"sg_get_lba_status --lba=8 {thin}").output
    assert "deallocated" in told


def statuses(guest: Guest, device: str, options: str) -> list[str]:
    """LBA, blocks, provisioning and additional status of each descriptor, as sg_get_lba_status shows them."""
    output = guest.run(f"sg_get_lba_status --brief --maxlen=1024 {options} {device}").output
    assert output.startswith("Completion condition=3"), "as far as the medium goes"
    return [line for line in output.splitlines() if line.startswith("0x")]


@pytest.mark.parametrize("form", ["--16", "--32"])
def test_anchor(guest: Guest, site: Site, thin: str, form: str) -> None:
    """What is anchored reads as zeros, and keeps its space. Of small ranges a file system may keep zeros instead."""
    guest.run(f"sg_unmap --force --anchor --lba=4096 --num=1024 {thin}")
    guest.run(f"sg_write_same --16 --unmap --anchor --lba=8192 --num=1024 {thin}")
    guest.run(f"sg_write_same --10 --unmap --anchor --lba=16384 --num=1024 {thin}")
    guest.run(f"sg_unmap --force --lba=32768 --num=1024 {thin}")
    assert blocks_used(site) == (64 << 20) - 524288
    anchored = [f"0x{lba:016x}  0x400  2  0" for lba in (4096, 8192, 16384)]
    assert statuses(guest, thin, f"{form} --report-type=4") == anchored
    assert statuses(guest, thin, f"{form} --report-type=3") == [f"0x{32768:016x}  0x400  1  0"]
    assert statuses(guest, thin, f"{form} --report-type=2")[0] == f"0x{0:016x}  0x1000  3  0"
    assert statuses(guest, thin, f"{form} --report-type=0")[:2] == [f"0x{0:016x}  0x1000  0  0", anchored[0]]
    guest.run(f"sg_write_long --16 --wr_uncor --lba=4100 --xfer_len=0 {thin}")
    assert statuses(guest, thin, f"{form} --report-type=16") == [f"0x{4100:016x}  0x1  2  1"]
    refused = guest.run(f"sg_get_lba_status {form} --report-type=5 {thin}", status=None)
    assert refused.status == 5  # SG_LIB_CAT_ILLEGAL_REQ
    assert "Anchored LBAs supported (ANC_SUP): 1" in guest.run(f"sg_vpd --page=lbpv {thin}").output
    assert [block(guest, thin, lba) for lba in (4095, 4096, 8192, 17407, 17408)] == [PATTERN, *[ZEROS] * 3, PATTERN]


def test_orwrite(guest: Guest, thin: str) -> None:
    """ORWRITE (16) and (32)."""
    guest.run("tr '\\0' '\\201' </dev/zero | head -c 512 >/run/bits")
    for form, lba in (("--16", 30), ("--32", 31)):
        guest.run(f"sg_write_x {form} --or --in=/run/bits --lba={lba} --num=1 {thin}")
        assert [block(guest, thin, lba), block(guest, thin, 32)] == ["db" * 16, PATTERN]


def test_write_scattered(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """WRITE SCATTERED (16), and (32) on a disk of type 2. sg_write_x makes the lists; what it sends itself is of a
    draft in which the length leaves the list out, and is refused."""
    serve(site, site.lun(0), site.lun(1, more="protection = 2"))
    open_iscsi.login(site.port)
    disk, other = open_iscsi.device(0), open_iscsi.device(1)
    guest.run("cd /run; for n in 1 2 3; do tr '\\0' $n </dev/zero | head -c 512; done >blocks")
    what = "--scattered=2 --lba=40,7 --num=2,1 --in=blocks --bs=512"
    for form, device, cdb in (
        ("--16", disk, "9f 12 00 00 00 01 00 00 00 02 00 00 00 04 00 00"),
        ("--32", other, "7f 00 00 00 00 00 00 18 00 11 00 00 00 01 00 00 00 02" + " 00" * 13 + " 04"),
    ):
        guest.run(f"cd /run; sg_write_x {form} {what} -xx {device}; (head -c 512 sg_write_x.bin; cat blocks) >sent")
        guest.run(f"sg_raw -s 2048 -i /run/sent {device} {cdb}")
        found = [block(guest, device, lba)[:2] for lba in (40, 41, 42, 7)]
        assert found == ["31", "32", "00", "33"], form
    assert guest.run(f"cd /run; sg_write_x --16 {what} {disk}", status=None).status == 5  # SG_LIB_CAT_ILLEGAL_REQ
    limits = guest.run(f"sg_vpd --page=0xb7 {disk}").output
    assert "Maximum scattered LBA range transfer length: 65535" in limits, limits
    assert "Maximum scattered LBA range descriptor count: 1024" in limits
    assert "Maximum scattered transfer length: 65536" in limits


def test_write_same(guest: Guest, thin: str) -> None:
    guest.run(f"printf 'ab%.0s' $(seq 256) >/run/block; sg_write_same --lba=100 --num=50 --in=/run/block {thin}")
    assert block(guest, thin, 100) == block(guest, thin, 149) == "6162" * 8
    assert block(guest, thin, 150) == PATTERN
    guest.run(f"sg_write_same --16 --unmap --lba=104 --num=8 {thin}")
    assert block(guest, thin, 104) == ZEROS


def test_compare_and_write(guest: Guest, thin: str) -> None:
    """The first half is compared, the second is written."""
    guest.run(
        "tr '\\0' '\\132' </dev/zero | head -c 512 >/run/same; tr '\\0' '\\133' </dev/zero | head -c 512 >/run/new; "
        "cat /run/same /run/new >/run/swap"
    )
    guest.run(f"sg_compare_and_write --lba=20 --num=1 --in=/run/swap {thin}")
    assert block(guest, thin, 20) == "5b" * 16
    again = guest.run(f"sg_compare_and_write --lba=20 --num=1 --in=/run/swap {thin}", status=None)
    assert again.status == 14  # SG_LIB_CAT_MISCOMPARE
    assert block(guest, thin, 20) == "5b" * 16


def test_what_it_says_of_itself(guest: Guest, site: Site, thin: str) -> None:
    """Each page decodes, and the block layer draws the right conclusions."""
    pages = guest.run(f"sg_vpd -a {thin}").output
    for name in ("Unit serial number", "Device identification", "Block limits", "Logical block provisioning"):
        assert name.lower() in pages.lower(), pages
    commands = guest.run(f"sg_opcodes -u {thin}", status=None)
    assert commands.status == 0, commands.output
    assert "Compare and write" in commands.output
    assert "Unmap" in commands.output
    luns = guest.run(f"sg_luns {thin}").output
    assert "Lun list length = 8" in luns
    queue = f"/sys/block/{thin[5:]}/queue"
    assert int(guest.run(f"cat {queue}/discard_max_bytes").output) > 0
    assert guest.run(f"cat {queue}/write_cache").output.strip() == "write back"
    serial = next(lun["serial"] for target in site.status()["targets"] for lun in target["luns"])
    assert serial in guest.run(f"sg_inq -p sn {thin}").output


def test_reservations_of_two_initiators(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """Write exclusive: who holds it writes, who does not is turned away, and preempts."""
    serve(site)
    second = open_iscsi.interface("second", "iqn.2026-11.org.test:second")
    open_iscsi.login(site.port)
    mine = open_iscsi.device(0)
    open_iscsi.login(site.port, interface=second)
    other = open_iscsi.device(0, session=1)
    write = "dd if=/dev/zero bs=4k count=1 oflag=direct status=none of="
    guest.run(f"sg_persist --out --register --param-sark=1 {mine}")
    guest.run(f"sg_persist --out --reserve --param-rk=1 --prout-type=1 {mine}")
    guest.run(f"{write}{mine}")
    assert guest.run(f"{write}{other}", status=None).status != 0
    guest.run(f"sg_persist --out --register --param-sark=2 {other}")
    assert "0x1" in guest.run(f"sg_persist --in --read-keys {other}").output
    guest.run(f"sg_persist --out --preempt --param-rk=2 --param-sark=1 --prout-type=1 {other}")
    guest.run(f"{write}{other}")
    assert "iqn.2026-11.org.test:second" in guest.run(f"sg_persist --in --read-full-status {other}").output
    guest.run(f"sg_turs {mine}", status=None)  # RESERVATIONS PREEMPTED is told once
    assert guest.run(f"{write}{mine}", status=None).status != 0
    guest.run(f"sg_persist --out --clear --param-rk=2 {other}")
    guest.run(f"sg_turs {mine}", status=None)
    guest.run(f"{write}{mine}")


def test_sanitize_and_format(guest: Guest, thin: str) -> None:
    """Nothing of what was there can be read afterwards."""
    guest.run(
        f"printf 'no' >/run/pattern; sg_sanitize --quick --wait --overwrite --pattern=/run/pattern {thin}", timeout=120
    )
    assert block(guest, thin, 0) == block(guest, thin, 131071) == "6e6f" * 8
    guest.run(f"sg_sanitize --quick --wait --block {thin}", timeout=120)
    assert block(guest, thin, 0) == ZEROS
    guest.run(f"printf x | dd of={thin} bs=512 conv=sync oflag=direct status=none; sg_raw {thin} 04 00 00 00 00 00")
    assert block(guest, thin, 0) == ZEROS


def test_a_bad_block(guest: Guest, thin: str) -> None:
    """Marked by command, met by the kernel, mended by writing or by reassigning."""
    guest.run(f"sg_write_long --wr_uncor --lba=2000 {thin}; sg_write_long --wr_uncor --16 --lba=2008 {thin}")
    read = f"dd if={thin} bs=512 count=1 iflag=direct status=none of=/dev/null skip="
    since = guest.heard()
    assert guest.run(f"{read}2000", status=None).status != 0
    assert "critical medium error" in guest.said(since)
    guest.run(f"dd if=/dev/zero of={thin} bs=512 seek=2000 count=1 oflag=direct status=none && {read}2000")
    assert guest.run(f"{read}2008", status=None).status != 0
    guest.run(f"sg_reassign --address=2008 {thin} && {read}2008")
    assert block(guest, thin, 2008) == PATTERN


def test_atomic_writes(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """A disk in memory has them, and the block layer knows."""
    serve(site, site.lun(0, medium='{ type = "ram", size = "16 MiB" }'))
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    guest.run(f"printf 'ab%.0s' $(seq 512) >/run/two; sg_write_x --atomic=0 --lba=64 --num=2 --in=/run/two {device}")
    assert block(guest, device, 65) == "6162" * 8
    if not guest.run("uname -r | grep -E '^6[.]([0-9]|10)[.]'", status=None).output:  # 6.11 has them in the block layer
        assert int(guest.run(f"cat /sys/block/{device[5:]}/queue/atomic_write_max_bytes").output) > 0
