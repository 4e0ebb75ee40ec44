"""Logs, self-tests, buffers, clock and names of a disk, as sg3_utils reads and writes them."""

from __future__ import annotations

import json
import re

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site


@pytest.fixture
def disk(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> str:
    serve(site)
    open_iscsi.login(site.port)
    return open_iscsi.device(0)


def again(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> str:
    """The same disk after the daemon died and came back."""
    site.kill()
    site.start()
    device = open_iscsi.device(0)
    assert open_iscsi.eventually(f"sg_turs {device}")
    return device


def counted(text: str, what: str) -> int:
    """The number behind "what" in the output of sg_logs."""
    found = re.search(rf"{re.escape(what)}\s*[=:]\s*(\d+)", text, re.IGNORECASE)
    assert found, text
    return int(found[1])


def test_every_log_page_decodes(guest: Guest, disk: str) -> None:
    guest.run(f"dd if={disk} of=/dev/null bs=1M count=4 iflag=direct status=none")
    guest.run(f"dd if=/dev/zero of={disk} bs=1M count=2 oflag=direct status=none; sg_verify --count=16 {disk}")
    told = guest.run(f"sg_logs -A {disk}").output
    for name in (
        "Supported log pages and subpages",
        "Write error counter page",
        "Read error counter page",
        "Verify error counter page",
        "Non-medium error page",
        "Start-stop cycle counter page",
        "Application client page",
        "Self-test results page",
        "Background scan results page",
        "General Statistics and Performance",
        "Informational Exceptions page",
    ):
        assert name in told, told
    assert "unable to decode" not in told.lower()
    assert "error" not in [line.strip().lower() for line in told.splitlines()]
    read = guest.run(f"sg_logs -p 3 {disk}").output
    assert counted(read, "Total bytes processed") >= 4 << 20
    assert counted(guest.run(f"sg_logs -p 2 {disk}").output, "Total bytes processed") == 2 << 20
    assert counted(guest.run(f"sg_logs -p 5 {disk}").output, "Total bytes processed") == 16 * 512
    assert counted(guest.run(f"sg_logs -p 0x19 {disk}").output, "number of logical blocks received") == 4096
    assert "Time interval" in told or "time interval" in told
    guest.run(f"sg_logs -R -p 2 {disk}")
    assert counted(guest.run(f"sg_logs -p 2 {disk}").output, "Total bytes processed") == 0


def test_self_tests(guest: Guest, site: Site, open_iscsi: OpenIscsi, disk: str) -> None:
    guest.run(f"sg_senddiag --test {disk}")
    guest.run(f"sg_senddiag --selftest=5 {disk} && sg_senddiag --selftest=6 {disk}")
    guest.run(f"sg_senddiag --selftest=2 {disk}")
    ended = "grep -A1 'background extended' | grep -q 'completed without error'"
    assert open_iscsi.eventually(f"sg_logs -p 0x10 {disk} | {ended}")
    told = guest.run(f"sg_logs -p 0x10 {disk}").output
    assert "foreground extended" in told
    assert told.count("completed without error") == 3
    guest.run(f"sg_write_long --wr_uncor --lba=5000 {disk}")
    failed = guest.run(f"sg_senddiag --selftest=6 {disk}", status=None)
    assert failed.status != 0
    told = guest.run(f"sg_logs -p 0x10 {again(guest, site, open_iscsi)}").output
    assert "address of first error = 0x1388" in told, told
    assert told.count("completed without error") == 3
    (target,) = site.status()["targets"]
    assert "5000" in target["luns"][0]["failed_self_test"]
    assert "self-test" in site.tgtctl("status")


def test_diagnostic_pages(guest: Guest, disk: str) -> None:
    told = guest.run(f"sg_senddiag --list {disk}").output
    assert "Supported diagnostic pages" in told
    assert "1" in guest.run(f"sg_senddiag --extdur {disk}").output


def test_buffers(guest: Guest, open_iscsi: OpenIscsi, disk: str) -> None:
    """sg_read_buffer 1.46 sends an allocation length of zero; so sg_raw reads, and it decodes."""
    guest.run("head -c 4096 /dev/urandom >/run/echo")
    guest.run(f"sg_write_buffer --mode=echo --in=/run/echo --length=4096 {disk}")
    guest.run(f"sg_raw -r 4096 -o /run/back {disk} 3c 0a 00 00 00 00 00 10 00 00 && cmp /run/back /run/echo")
    guest.run(f"sg_write_buffer --mode=data --in=/run/echo --length=512 --offset=512 {disk}")
    guest.run(
        f"sg_raw -r 512 -o /run/back {disk} 9b 02 00 00 00 00 00 00 02 00 00 00 02 00 00 00 && "
        "cmp -n 512 /run/back /run/echo"
    )
    guest.run(f"sg_raw -r 4 -o /run/back {disk} 3c 0b 00 00 00 00 00 00 04 00")
    echo = guest.run("sg_read_buffer --inhex=/run/back --raw --mode=echo_desc").output
    assert re.search(r"EBOS\W*1", echo), echo
    assert "4096" in echo
    guest.run(f"sg_raw -r 4 -o /run/back {disk} 3c 03 00 00 00 00 00 00 04 00")
    assert "4096" in guest.run("sg_read_buffer --inhex=/run/back --raw --mode=desc").output
    guest.run(f"sg_test_rwbuf --size=4096 --times=3 {disk}")
    assert "Read" in guest.run(f"sg_rbuf --size=65536 {open_iscsi.device(0, 'scsi_generic')}").output


def test_error_history(guest: Guest, disk: str) -> None:
    guest.run(f"sg_write_long --wr_uncor --lba=2000 {disk}")
    guest.run(f"dd if={disk} bs=512 skip=2000 count=1 iflag=direct status=none of=/dev/null", status=None)
    guest.run(f"sg_raw -r 2088 -o /run/back {disk} 3c 1c 00 00 00 00 00 08 28 00")
    told = bytes.fromhex(guest.run("od -An -v -tx1 /run/back").output)
    assert told[:10] == b"tgtd    \1\x12", "not yet retrieved, made by this command"
    assert told[32::8] == bytes((0, 1, 2, 3, 0x10))
    guest.run(f"sg_raw -r 65536 -o /run/back {disk} 3c 1c 10 00 00 00 01 00 00 00")
    (error,) = json.loads(guest.run("cat /run/back").output)["errors"]
    assert error["cdb"].startswith("2800000007d000000100")
    guest.run(f"sg_raw {disk} 3c 1c ff 00 00 00 00 00 00 00")


def test_clock_and_names(guest: Guest, site: Site, open_iscsi: OpenIscsi, disk: str) -> None:
    told = guest.run(f"sg_timestamp -oo --srep {disk}").output
    assert int(told.split()[-1]) > 1_700_000_000, told
    guest.run(f"sg_timestamp --milliseconds=86400000 {disk}")
    assert 86400 <= int(guest.run(f"sg_timestamp --srep {disk}").output) < 90000
    guest.run(f"printf 'the first disk' | sg_ident --set {disk}")
    guest.run(f"printf 'Fürst\\0' | sg_ident --set --itype=2 {disk}")
    device = again(guest, site, open_iscsi)
    assert "the first disk" in guest.run(f"sg_ident --ascii {device}").output
    assert "Fürst" in guest.run(f"sg_ident --ascii --itype=2 {device}").output
    guest.run(f"sg_ident --clear {device}")
    assert "first" not in guest.run(f"sg_ident --ascii {device}", status=None).output
