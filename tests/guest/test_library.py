"""A tape library as Linux uses it: mtx and its like, tar over two cartridges, and what outlives kill -9."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import daemon, eventually, free_port
from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.scsi.reserving import CONFLICT
from tests.wire.conftest import IQN, Site
from tgtd.demo import PORTAL, lay_out_library

ROOT = Path(__file__).parents[2]

TAPES = ("A00001L8", "A00002L8", "A00003L8")


def library(site: Site, *barcodes: str, drives: int = 2) -> str:
    """A target whose LUN 0 is the robot, and LUNs 1 and up its drives."""
    (site.media / "tapes").mkdir(exist_ok=True)
    numbers = list(range(1, drives + 1))
    table = (
        f"[target.lun.library]\ndrives = {numbers}\nslots = 6\ncreate = true\nsize = '16 MiB'\n"
        f"cartridges = {list(barcodes)}\n"
    )
    robot = site.lun(0, medium=f'{{ type = "library", path = "{site.media}/tapes" }}', more=table, device="changer")
    return site.target(robot, *(site.lun(one, medium='{ type = "tape" }', device="tape") for one in numbers))


@pytest.fixture
def robot(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> str:
    """The generic device of the changer."""
    site.write(library(site, *TAPES))
    site.start()
    guest.run("modprobe st; modprobe ch")
    open_iscsi.login(site.port)
    open_iscsi.device(2, "scsi_tape")
    return open_iscsi.generic(0)


def elements(guest: Guest, robot: str) -> dict[str, str]:
    """What `mtx status` says, by element: what is in it."""
    lines = guest.run(f"mtx -f {robot} status").output.splitlines()
    parts = [line.strip().split(":", 1) for line in lines if "Element" in line]
    return {name.strip(): rest.strip() for name, rest in parts}


def test_mtx(guest: Guest, robot: str, open_iscsi: OpenIscsi) -> None:
    before = elements(guest, robot)
    assert before["Data Transfer Element 0"] == "Empty"
    assert [before[f"Storage Element {number}"] for number in (1, 2, 3, 4)] == [
        *(f"Full :VolumeTag={barcode}" for barcode in TAPES),
        "Empty",
    ]
    assert before["Storage Element 8 IMPORT/EXPORT"] == "Empty"
    guest.run(f"mtx -f {robot} inventory && mtx -f {robot} load 2 0")
    after = elements(guest, robot)
    assert after["Data Transfer Element 0"] == "Full (Storage Element 2 Loaded):VolumeTag = A00002L8"
    assert after["Storage Element 2"] == "Empty"
    st = open_iscsi.device(1, "scsi_tape")
    guest.run(f"mt-st -f {st} status | grep ONLINE && echo hello | dd of={st} bs=512 conv=sync status=none")
    guest.run(f"mtx -f {robot} unload 2 0 && mtx -f {robot} load 2 1")
    other = open_iscsi.device(2, "scsi_tape")
    assert guest.run(f"dd if={other} bs=512 status=none | head -c 5").output == "hello"
    guest.run(f"mtx -f {robot} unload 2 1 && mtx -f {robot} first 0 && mtx -f {robot} next 0")
    assert "A00002L8" in elements(guest, robot)["Data Transfer Element 0"]
    guest.run(f"mtx -f {robot} previous 0 && mtx -f {robot} transfer 3 6 && mtx -f {robot} last 0")
    assert "A00003L8" in elements(guest, robot)["Data Transfer Element 0"]
    guest.run(f"mtx -f {robot} unload 3 0")
    guest.run(f"mtx -f {robot} transfer 1 5 && mtx -f {robot} transfer 5 8")
    assert "A00001L8" in elements(guest, robot)["Storage Element 8 IMPORT/EXPORT"]
    guest.run(f"mtx -f {robot} load 2 0 && mtx -f {robot} exchange 3 4", status=None)
    assert guest.run(f"mtx -f {robot} load 6 1", status=None).status != 0


def test_what_it_is(guest: Guest, robot: str) -> None:
    said = guest.run(f"loaderinfo -f {robot}").output
    for line in (
        "Number of Medium Transport Elements: 1",
        "Number of Storage Elements: 6",
        "Number of Import/Export Elements: 2",
        "Number of Data Transfer Elements: 2",
        "Transport Geometry Descriptor Page: Yes",
        "Device Configuration Page: Yes",
        "Transfer Data Transfer: ->Data Transfer, ->Import/Export, ->Storage",
    ):
        assert line in said
    assert "mediumx" in guest.run("lsscsi").output
    for command in ("sg_vpd -a", "sg_opcodes -u", "sg_logs -a", "sg_modes -a", "sg_turs", "sg_inq"):
        guest.run(f"{command} {robot}")
    assert "evice capabilities" in guest.run(f"sg_modes -p 0x1f {robot}").output
    assert "xtended device capabilities" in guest.run(f"sg_modes -p 0x1f,0x41 {robot}").output


def test_reserved_elements(guest: Guest, site: Site, robot: str) -> None:
    """sg_raw reserves slot 1; another initiator, slot 2. Each moves what is its own, until that one is gone."""
    guest.run(f"printf '\\0\\0\\0\\1\\3\\350' >/run/list && sg_raw -s 6 -i /run/list {robot} 16 01 07 00 06 00")
    with site.login() as other:
        while other.read(bytes(6), 0).status:
            pass
        move = bytes.fromhex("a5 00 0000 03e8 01f4 00000000")
        assert other.read(move, 0).status == CONFLICT
        assert other.write(bytes.fromhex("16 01 07 0006 00"), bytes.fromhex("0000 0001 03e9")).status == 0
        assert guest.run(f"mtx -f {robot} load 2 0", status=None).status != 0
        guest.run(f"mtx -f {robot} load 1 0")
        assert "RESERVE ELEMENT 7 by" in site.tgtctl("reservations")
        assert other.logout() == 0
    guest.run(f"mtx -f {robot} load 2 1 && sg_raw {robot} 17 01 07 00 00 00")
    assert "no reservations" in site.tgtctl("reservations")


def test_tar_over_two_cartridges(guest: Guest, robot: str, open_iscsi: OpenIscsi) -> None:
    """tar has the robot change the cartridge where the tape ends, and reads both back."""
    st = open_iscsi.device(1, "scsi_tape").replace("/st", "/nst")
    loaded = "sed -n 's/.*Storage Element \\([0-9]*\\) Loaded.*/\\1/p'"
    change = f"n=$(mtx -f {robot} status | {loaded}); mtx -f {robot} unload $n 0 && mtx -f {robot} load $((n + 1)) 0"
    guest.run(f"cat >/run/change <<'END'\n#!/bin/sh\n({change}) >&2\nEND\nchmod +x /run/change")
    guest.run(
        f"mtx -f {robot} load 1 0; head -c 20M /dev/urandom >/run/big; cd /run && "
        f"tar -cM -b 128 -F /run/change -f {st} big && mv big before && "
        f"mtx -f {robot} unload 2 0 && mtx -f {robot} load 1 0 && tar -xM -b 128 -F /run/change -f {st} && "
        "cmp big before",
        timeout=300,
    )


def test_edits_and_kill(guest: Guest, site: Site, robot: str, open_iscsi: OpenIscsi) -> None:
    """A cartridge is added live; where all are outlives kill -9, with what was synchronized on the one in the drive."""
    st = open_iscsi.device(1, "scsi_tape").replace("/st", "/nst")
    guest.run(f"mtx -f {robot} load 3 0 && head -c 64k /dev/urandom >/run/data && dd if=/run/data of={st} bs=64k")
    guest.run(f"mt-st -f {st} weof 1")
    site.write(library(site, *TAPES, "A00004L8"))
    site.tgtctl("reload")
    assert elements(guest, robot)["Storage Element 3"] == "Full :VolumeTag=A00004L8"
    before = elements(guest, robot)
    site.kill()
    site.start()
    assert open_iscsi.eventually(f"sg_turs {robot}")
    assert elements(guest, robot) == before
    assert open_iscsi.eventually(f"mt-st -f {st} rewind")
    guest.run(f"dd if={st} bs=64k status=none | cmp - /run/data")


def test_the_demonstration(guest: Guest, open_iscsi: OpenIscsi, tmp_path: Path) -> None:
    """What `make demo-library` says to try, word for word but for the port."""
    said = subprocess.run(
        [sys.executable, "-m", "tgtd.demo", str(tmp_path), "library"], capture_output=True, text=True, check=True
    ).stdout
    commands = said[said.index("modprobe") : said.index("  3. ")]
    port = free_port()
    config = lay_out_library(tmp_path)
    config.write_text(config.read_text().replace(PORTAL, f"127.0.0.1:{port}"))
    with daemon(tmp_path):
        open_iscsi.forward(port)
        told = guest.run(f"cd {ROOT}; set -e\n{commands.replace(PORTAL, f'127.0.0.1:{port}')}").output
    assert "Storage Element 1:Full :VolumeTag=A00001L8" in told
    assert "ONLINE" in told


def test_the_operator(guest: Guest, site: Site, robot: str) -> None:
    assert "A00001L8" in site.tgtctl("library", "show", IQN, "0")
    site.tgtctl("library", "load", IQN, "0", "A00001L8", "2")
    assert "A00001L8" in elements(guest, robot)["Data Transfer Element 1"]
    site.tgtctl("library", "unload", IQN, "0", "2")
    assert elements(guest, robot)["Data Transfer Element 1"] == "Empty"
    site.tgtctl("library", "export", IQN, "0", "A00001L8")
    assert "A00001L8" not in str(elements(guest, robot))
    site.tgtctl("library", "import", IQN, "0", "A00001L8")
    assert "A00001L8" in elements(guest, robot)["Storage Element 7 IMPORT/EXPORT"]
    site.tgtctl("library", "move", IQN, "0", "10", "1005")
    assert "A00001L8" in elements(guest, robot)["Storage Element 6"]
    (site.media / "tapes" / "A00002L8.tape").unlink()
    site.tgtctl("library", "load", IQN, "0", "A00002L8", "2")
    assert eventually(lambda: "no such file" in site.tgtctl("library", "show", IQN, "0"))
