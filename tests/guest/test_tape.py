"""Tape drives as Linux uses them: st with mt and tar, block by block and in fixed blocks."""

from __future__ import annotations

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import Site


def drive(site: Site, number: int, barcode: str, size: str = "64 MiB", more: str = "") -> str:
    """A LUN with a tape drive and a cartridge in it."""
    medium = f'{{ type = "tape", path = "{site.media}/{barcode}.tape", size = "{size}", create = true }}'
    return site.lun(number, medium=medium, more=more, device="tape")


@pytest.fixture
def st(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> str:
    """The non-rewinding device of an LTO-8 drive."""
    serve(site, drive(site, 0, "A00001L8"))
    guest.run("modprobe st")
    open_iscsi.login(site.port)
    return open_iscsi.device(0, "scsi_tape").replace("/st", "/nst")


def position(guest: Guest, st: str) -> tuple[int, int]:
    """File and block number, as st counts them."""
    status = guest.run(f"mt-st -f {st} status").output
    words = status.replace(",", " ").replace("=", " ").split()
    return int(words[words.index("number") + 1]), int(words[words.index("block") + 2])


def test_tar_and_back(guest: Guest, st: str) -> None:
    """Two archives on one tape, found by their filemarks."""
    guest.run(
        f"mkdir -p /run/one && head -c 9M /dev/urandom >/run/one/a && echo two >/run/two && "
        f"tar -cf {st} -C /run one && tar -cf {st} -C /run two && mt-st -f {st} rewind",
        timeout=120,
    )
    guest.run(f"tar -df {st} -C /run", timeout=120)
    guest.run(f"mt-st -f {st} rewind && mt-st -f {st} fsf 1 && tar -xOf {st} two | grep -x two")
    assert guest.run(f"mt-st -f {st} rewind && mt-st -f {st} eod && mt-st -f {st} status").output.count("EOD") == 1


def test_every_motion_of_mt(guest: Guest, st: str) -> None:
    guest.run(
        f"for n in 1 2 3; do head -c 30k /dev/urandom >/run/f$n; dd if=/run/f$n of={st} bs=10k status=none; done; "
        f"mt-st -f {st} rewind"
    )
    assert position(guest, st) == (0, 0)
    for motion, where in (
        ("fsf 1", (1, 0)),
        ("fsr 2", (1, 2)),
        ("bsr 1", (1, 1)),
        ("fsf 1", (2, 0)),
        ("bsf 1", (1, -1)),
        ("bsfm 1", (1, 0)),
        ("fsfm 1", (1, -1)),
        ("asf 2", (2, 0)),
        ("rewind", (0, 0)),
        ("eod", (3, -1)),
        ("seek 4", (-1, -1)),
    ):
        guest.run(f"mt-st -f {st} {motion}")
        if where[0] >= 0:
            assert position(guest, st) == where, motion
    assert guest.run(f"mt-st -f {st} tell").output.split() == ["At", "block", "4."]
    guest.run(f"dd if={st} bs=10k count=1 of=/run/read status=none && head -c 10k /run/f2 | cmp - /run/read")
    guest.run(f"mt-st -f {st} rewind; mt-st -f {st} fss 1", status=None)
    guest.run(f"mt-st -f {st} rewind && mt-st -f {st} weof 2 && mt-st -f {st} eof 1")
    assert position(guest, st) == (3, 0)
    guest.run(f"mt-st -f {st} offline")
    assert guest.run(f"mt-st -f {st} status", status=None).output.count("ONLINE") == 0
    guest.run(f"mt-st -f {st} load && mt-st -f {st} rewind")
    assert position(guest, st) == (0, 0)
    guest.run(f"mt-st -f {st} erase")
    assert guest.run(f"dd if={st} bs=10k count=1 status=none 2>/dev/null | wc -c").output.strip() == "0"


def test_fixed_blocks(guest: Guest, st: str) -> None:
    guest.run(f"mt-st -f {st} setblk 4096 && head -c 256k /dev/urandom >/run/data && dd if=/run/data of={st} bs=64k")
    guest.run(f"mt-st -f {st} rewind && dd if={st} bs=32k status=none | cmp - /run/data")
    status = guest.run(f"mt-st -f {st} status").output
    assert "Tape block size 4096 bytes" in status
    guest.run(f"mt-st -f {st} setblk 0 && mt-st -f {st} rewind")
    assert guest.run(f"dd if={st} bs=64k count=1 status=none | wc -c").output.strip() == "4096"


def test_to_the_end_of_the_tape(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """tar asks for the next volume where the tape ends, and reads both."""
    serve(site, drive(site, 0, "A00001L8", "8 MiB"), drive(site, 1, "A00002L8", "32 MiB"))
    guest.run("modprobe st")
    open_iscsi.login(site.port)
    first, second = (open_iscsi.device(lun, "scsi_tape").replace("/st", "/nst") for lun in (0, 1))
    guest.run(
        f"head -c 20M /dev/urandom >/run/big; cd /run && tar -cM -b 128 -f {first} -f {second} big && "
        f"mt-st -f {first} rewind && mt-st -f {second} rewind && mv big before && "
        f"tar -xM -b 128 -f {first} -f {second} && cmp big before",
        timeout=200,
    )


def test_what_it_is(guest: Guest, st: str, open_iscsi: OpenIscsi) -> None:
    generic = open_iscsi.generic(0)
    assert "IBM" in guest.run(f"sg_inq {generic}").output
    assert "ULT3580-TD8" in guest.run("lsscsi").output
    assert "0x5e" in guest.run(f"mt-st -f {st} status").output
    for command in (f"sg_vpd -a {generic}", f"sg_opcodes -u {generic}", f"sg_modes -a {generic}", f"sg_turs {generic}"):
        assert guest.run(command, status=None).status == 0, command
    assert "Maximum capacity in partition" in guest.run(f"sg_read_attr {generic}").output


def test_logs_and_compression(guest: Guest, st: str, open_iscsi: OpenIscsi) -> None:
    """What st compresses is counted, sg_logs reads every page, and tapeinfo finds no alert."""
    generic = open_iscsi.generic(0)
    guest.run(f"mt-st -f {st} compression 1 && seq 1000000 | head -c 4M >/run/text && dd if=/run/text of={st} bs=256k")
    guest.run(f"mt-st -f {st} rewind && dd if={st} bs=256k status=none | cmp - /run/text", timeout=120)
    pages = guest.run(f"sg_logs -a {generic}").output
    assert "Bytes transferred from server" in pages
    for line in (
        "Current temperature = <not available>",
        "Tape diagnostics data page",
        "Total unrecovered read errors: 0",
    ):
        assert line in pages
    for code in ("0x0c", "0x11", "0x14", "0x17", "0x1b", "0x2e"):
        assert guest.run(f"sg_logs -p {code} {generic}").status == 0, code
    counters = bytes.fromhex(guest.run(f"sg_logs -r -p 0xc {generic} | od -An -v -tx1").output)
    received, stored = (int.from_bytes(counters[at : at + 8], "big") for at in (8, 20))
    assert received == 4 << 20
    assert stored < received // 2
    assert "DataCompEnabled: yes" in guest.run(f"tapeinfo -f {generic}").output
