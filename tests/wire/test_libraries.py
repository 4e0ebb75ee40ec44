"""Tape libraries over the wire: drives of another target, cartridges that a drive cannot read, new ones that somebody
makes, and what Wireshark thinks of it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.daemon import eventually
from tests.initiator import Initiator, inquiry
from tests.wire.conftest import IQN, Site
from tests.wire.test_dissection import UNKNOWN_TO_WIRESHARK, capture, dissect

pytestmark = pytest.mark.wire

OTHER = f"{IQN}-drives"
TUR = bytes(6)
DRIVE = '{ type = "tape" }'


@pytest.fixture
def library(site: Site) -> Site:
    """The robot and an LTO-8 drive in one target, an LTO-6 drive in another, beside a third; two workers."""
    (site.targets.parent / "tgtd.toml").write_text("workers = 2\n")
    (site.media / "tapes").mkdir()
    table = f'[target.lun.library]\ndrives = [1]\nother_drives = [{{ target = "{OTHER}", lun = 4 }}]\nslots = 6\n'
    robot = site.lun(0, medium=f'{{ type = "library", path = "{site.media}/tapes" }}', more=table, device="changer")
    site.write(site.target(robot, site.lun(1, medium=DRIVE, device="tape")))
    old = site.lun(4, medium=DRIVE, device="tape", more='personality = "lto-6"')
    site.write(site.target(old, name=OTHER), "b.toml")
    site.write(site.target(site.lun(1), name=f"{IQN}-disk"), "c.toml")
    site.start()
    return site


def make(site: Site, barcode: str) -> None:
    """As an administrator does, while everything runs."""
    site.tgtctl("medium", "create", "tape", str(site.media / "tapes" / f"{barcode}.tape"), "--size", "16 MiB")
    assert eventually(lambda: barcode in shown(site))


def shown(site: Site) -> str:
    return site.tgtctl("library", "show", IQN, "0")


def ready(initiator: Initiator, lun: int) -> Initiator:
    while initiator.read(TUR, 0, lun=lun).status:
        pass
    return initiator


def test_drives_of_two_generations_in_two_targets(library: Site) -> None:
    homes = {row["name"]: row["worker"] for row in library.status()["targets"]}
    assert homes[IQN] == homes[OTHER] != homes[f"{IQN}-disk"]
    for barcode in ("A00001L8", "B00001L6"):
        make(library, barcode)
    library.tgtctl("library", "load", IQN, "0", "A00001L8", f"{OTHER}/4")
    with library.login(target=OTHER) as drive:
        assert eventually(lambda: drive.read(TUR, 0, lun=4).asc[:2] == (3, 0x30))
        assert "A00001L8 cannot be used: incompatible medium" in library.tgtctl("status")
        library.tgtctl("library", "unload", IQN, "0", f"{OTHER}/4")
        library.tgtctl("library", "load", IQN, "0", "B00001L6", f"{OTHER}/4")
        ready(drive, 4)
        assert drive.write(bytes.fromhex("0a0000001000"), b"by an old drive.", lun=4).status == 0
        assert drive.read(bytes.fromhex("100000000100"), 0, lun=4).status == 0
    library.tgtctl("library", "unload", IQN, "0", f"{OTHER}/4")
    library.tgtctl("library", "load", IQN, "0", "A00001L8", "1")
    with library.login() as drive:
        ready(drive, 1)
        assert drive.write(bytes.fromhex("0a0000001000"), b"by a new drive..", lun=1).status == 0
    assert "drive (LUN 1)" in shown(library)


def test_capabilities_by_sdparm(library: Site, tmp_path: Path) -> None:
    """It has names for the bits of the extended page, and finds nothing else there."""
    if shutil.which("sdparm") is None:
        pytest.skip("sdparm is not installed")
    with library.login() as initiator:
        ready(initiator, 0)
        answer = initiator.read(bytes.fromhex("5a081f410000000200 00"), 512).data
    text = tmp_path / "answer"
    text.write_text(answer.hex(" "))
    words = ("sdparm", f"--inhex={text}", "--pdt=8", "--all", "--long")
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0].startswith("Extended device capabilities (SMC)")
    fields = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert [name for name, value in fields.items() if value == "1"] == ["MVPRV", "IEST", "TREXC", "LCKIE"]
    assert (len(fields), set(fields.values())) == (18, {"0", "1"})


def test_what_is_wrong_keeps_nothing_else_from_working(library: Site) -> None:
    make(library, "A00001L8")
    (library.media / "tapes" / "A00002L8.tape").write_bytes(b"no cartridge")
    assert eventually(lambda: "it is no cartridge" in shown(library))
    assert "cartridge A00002L8 cannot be used: it is no cartridge: it is too short" in library.tgtctl("status")
    assert "A00002L8" in library.tgtctl("check", str(library.targets.parent))
    library.tgtctl("library", "load", IQN, "0", "A00001L8", "1")
    with library.login() as drive:
        ready(drive, 1)


def test_wireshark(library: Site, tmp_path: Path) -> None:
    """Inventory in each form, moves, searches, mode and log pages; refusals too."""
    make(library, "A00001L8")
    file = tmp_path / "smc.pcapng"
    with capture(library.port, file), library.login() as robot:
        ready(robot, 0)
        robot.read(inquiry(), 255)
        for flags, more in ((0x00, 0), (0x10, 0), (0x10, 1), (0x14, 0)):
            cdb = struct.pack(">BBHHBBHxx", 0xB8, flags, 0, 0xFFFF, more, 0, 4096)
            assert robot.read(cdb, 4096).data
        assert robot.read(struct.pack(">BxHHHxxxx", 0xA5, 0, 1000, 500), 0).status == 0
        assert robot.read(struct.pack(">BxHHHxxxx", 0xA5, 0, 1000, 500), 0).asc == (5, 0x3B, 0x0E)
        assert robot.read(struct.pack(">BxHHHHxx", 0xA6, 0, 500, 1000, 1001), 0).status == 2
        assert robot.read(bytes.fromhex("2b000000 03e800000000"), 0).status == 0
        assert robot.read(bytes.fromhex("070000000000"), 0).status == 0
        assert robot.read(bytes.fromhex("370000000000 00000000"), 0).status == 0
        tag = b"A*".ljust(40, b"\0")
        assert robot.write(bytes.fromhex("b60000000005 0000 0028 0000"), tag).status == 0
        assert robot.read(bytes.fromhex("b510 0000 ffff 00 001000 0000"), 4096).data
        for page in (0x1D, 0x1E, 0x1F, 0x3F):
            assert robot.read(bytes((0x1A, 0x08, page, 0, 255, 0)), 255).data
        assert robot.read(bytes.fromhex("4d006e00000000ffff00"), 65535).data
        robot.logout()
    assert len(dissect(file, library.port, where="scsi_smc.opcode")) > 10
    found = dissect(file, library.port, "_ws.expert.message", where="_ws.malformed || _ws.expert.severity >= 6291456")
    assert {message for messages in found for message in messages} <= UNKNOWN_TO_WIRESHARK


def test_a_restart_is_no_other_use_of_a_cleaning_cartridge(library: Site) -> None:
    """Be the daemon ended or killed; taking it out and putting it in again is one."""
    make(library, "CLNU01L8")
    tape = str(library.media / "tapes" / "CLNU01L8.tape")

    def cleans() -> bool:
        with library.login() as drive:
            return eventually(lambda: drive.read(TUR, 0, lun=1).asc == (2, 0x30, 3))

    library.tgtctl("library", "load", IQN, "0", "CLNU01L8", "1")
    assert cleans()
    memory = library.place / "state" / "memory"
    assert eventually(lambda: any("tape-cleaning" in file.read_text() for file in memory.glob("*.json")))
    library.stop()
    library.start()
    assert cleans()
    library.kill()
    library.start()
    assert cleans()
    library.tgtctl("library", "unload", IQN, "0", "1")
    assert "used 1 of 50" in library.tgtctl("medium", "show", tape)
    library.tgtctl("library", "load", IQN, "0", "CLNU01L8", "1")
    assert cleans()
    library.tgtctl("library", "unload", IQN, "0", "1")
    assert "used 2 of 50" in library.tgtctl("medium", "show", tape)
