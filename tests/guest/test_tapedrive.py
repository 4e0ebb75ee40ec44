"""What a tape drive tells Linux of cartridges, what goes on behind commands, and kill -9 while it writes."""

from __future__ import annotations

import time

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.guest.test_tape import drive
from tests.wire.conftest import Site
from tgtd.cli import main

_STEP = 64 << 10


def tape(guest: Guest, site: Site, open_iscsi: OpenIscsi, *luns: str) -> tuple[str, str]:
    """The non-rewinding device of LUN 0, and its generic one."""
    serve(site, *(luns or (drive(site, 0, "A00001L8", "256 MiB"),)))
    guest.run("modprobe st")
    open_iscsi.login(site.port)
    return open_iscsi.device(0, "scsi_tape").replace("/st", "/nst"), open_iscsi.generic(0)


def test_what_is_told_of_cartridges(
    guest: Guest, site: Site, open_iscsi: OpenIscsi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Attributes, and alerts: of a cartridge as usual, of one that cleans, and of one that is too old."""
    luns = (drive(site, number, barcode) for number, barcode in enumerate(("A00001L8", "CLN001L8", "A00001L5")))
    _, generic = tape(guest, site, open_iscsi, *luns)
    attributes = guest.run(f"sg_read_attr {generic}").output
    assert "Load count: 1" in attributes
    assert "Medium density code: 94" in attributes or "Medium density code: 0x5e" in attributes
    told = guest.run(f"tapeinfo -f {generic}").output
    for line in ("Medium Type: 0x88", "Density Code: 0x5e", "Block Position: 0", "BOP: yes"):
        assert line in told, told
    assert "TapeAlert" not in told

    for lun, sense, flag in (
        (1, "Cleaning cartridge installed", "Cleaning media"),
        (2, "Incompatible medium installed", "Unsupported format"),
    ):
        generic = open_iscsi.generic(lun)
        assert sense in guest.run(f"sg_turs -v {generic}", status=None).output
        assert f"{flag}: 1" in guest.run(f"sg_logs -p 0x2e {generic}").output
        assert f"{flag}: 0" in guest.run(f"sg_logs -p 0x2e {generic}").output, "it is told once"
    open_iscsi.clean()
    site.stop()
    assert main(["medium", "show", f"{site.media}/CLN001L8.tape"]) == 0
    assert "used 1 of 50 times" in capsys.readouterr().out


def test_what_goes_on_behind_commands(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """st does not wait: it goes where it was told to, and hears of what went wrong with the command after that."""
    st, generic = tape(guest, site, open_iscsi)
    guest.run(
        f"for n in 1 2 3; do echo $n | dd of={st} bs=1k conv=sync status=none; done; mt-st -f {st} stoptions no-wait"
    )
    guest.run(f"mt-st -f {st} rewind && mt-st -f {st} seek 4")
    assert guest.run(f"dd if={st} bs=1k count=1 status=none | head -c 1").output == "3"
    guest.run(f"mt-st -f {st} seek 2 && mt-st -f {st} erase && mt-st -f {st} rewind")
    assert guest.run(f"sg_raw {generic} 13 20 00 00 00 00", status=None).status == 0
    guest.run(f"sg_raw -r 20 -o /run/position {generic} 34 00 00 00 00 00 00 00 00 00")
    assert guest.run("od -An -tu1 -j 7 -N 1 /run/position").output.split() == ["2"], (
        "VERIFY goes to the end of the data, which ERASE has left there"
    )
    guest.run(f"sg_raw {generic} 2b 01 00 00 00 00 63 00 00 00")
    late = guest.run(f"sg_raw {generic} 00 00 00 00 00 00", status=None).output
    assert "deferred" in late
    assert "End-of-data" in late
    ioctl = f"fcntl.ioctl(os.open('{st}', os.O_RDWR), 0x40086D01, struct.pack('hi', 35, 2))"  # MTIOCTOP, MTWEOFI
    guest.run(f'mt-st -f {st} eod && python3 -c "import fcntl, os, struct; {ioctl}"')
    guest.run(f"echo more | dd of={st} bs=1k conv=sync status=none")
    assert guest.run(f"mt-st -f {st} tell").output == "At block 6.\n"
    file = site.media / "A00001L8.tape"
    with file.open("r+b") as stored:
        stored.seek(file.read_bytes().index(b"more"))
        stored.write(b"less")
    guest.run(f"mt-st -f {st} rewind && mt-st -f {st} fsf 3")
    guest.run(f"dd if={st} bs=1k status=none", status=1)
    assert guest.run(f"mt-st -f {st} tell").output == "At block 5.\n", "behind the block that cannot be read"


def test_killed_while_it_writes(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """What is on the tape then is what was written, from its beginning on, and all of it up to the last filemark."""
    st, _ = tape(guest, site, open_iscsi)
    guest.run(f"head -c 96M /dev/urandom >/run/data && dd if=/run/data of={st} bs={_STEP} count=32 status=none")
    finish = guest.start(f"dd if=/run/data of={st} bs={_STEP} status=none", timeout=120)
    file = site.media / "A00001L8.tape"
    deadline = time.monotonic() + 60
    while file.stat().st_blocks * 512 < 8 << 20:
        assert time.monotonic() < deadline, "nothing is written"
        time.sleep(0.02)
    site.kill()
    site.start()
    finish()
    assert open_iscsi.eventually(f"mt-st -f {st} rewind")
    guest.run(f"dd if={st} bs={_STEP} status=none >/run/first && head -c {32 * _STEP} /run/data | cmp - /run/first")
    guest.run(f"dd if={st} bs={_STEP} status=none >/run/second; mt-st -f {st} status", timeout=120)
    written = int(guest.run("stat -c %s /run/second").output)
    assert written % _STEP == 0
    guest.run(f"cmp -n {written} /run/data /run/second")
    guest.run(f"mt-st -f {st} eod && echo after | dd of={st} bs=1k conv=sync status=none && mt-st -f {st} bsfm 1")


def test_a_drive_with_a_format_of_its_own(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """st writes on it, and is told its density; what was made by `create` is a cartridge of that format then."""
    own = 'formats = [{ code = 0x52, name = "3592J1A2", capacity = "500 GB" }]\nproduct = "03592E05"\n'
    st, generic = tape(guest, site, open_iscsi, drive(site, 0, "MONDAY", "64 MiB", own))
    assert "03592E05" in guest.run(f"sg_inq {generic}").output
    guest.run(f"echo hello | dd of={st} bs=1k conv=sync status=none && mt-st -f {st} rewind")
    assert guest.run(f"dd if={st} bs=1k count=1 status=none | head -c 5").output == "hello"
    assert "0x52" in guest.run(f"mt-st -f {st} status").output
    guest.run(f"sg_raw -r 56 -o /run/densities {generic} 44 01 00 00 00 00 00 00 38 00")
    assert "3592J1A2" in guest.run("cat /run/densities").output
