"""Tape drives over the wire: initiators that mean no good, kill -9, and resets in the middle of long writes."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.daemon import eventually
from tests.initiator import Initiator, Result
from tests.wire.conftest import Site
from tests.wire.test_hostile import LUN_RESET, MOST_MEMORY, Hostile, memory

pytestmark = [pytest.mark.wire, pytest.mark.slow]

REWIND = bytes.fromhex("010000000000")
FILEMARK = bytes.fromhex("100000000100")
POSITION = bytes.fromhex("34060000000000000000")
TO_THE_END = bytes.fromhex("110300000000")


def drive(site: Site, number: int, size: str = "64 MiB") -> str:
    path = site.media / f"T{number}L8"
    return site.lun(
        number, device="tape", medium=f'{{ type = "tape", path = "{path}", size = "{size}", create = true }}'
    )


def ready(site: Site) -> Initiator:
    initiator = site.login()
    while initiator.read(bytes(6), 0, lun=1).status:
        pass
    return initiator


def write(initiator: Initiator, block: bytes) -> Result:
    return initiator.write(b"\x0a\0" + len(block).to_bytes(3, "big") + b"\0", block, lun=1)


def test_nothing_breaks_it(site: Site) -> None:
    site.write(site.target(drive(site, 1), drive(site, 2)))
    site.start()
    hostile = Hostile(site, 2, seed=3)
    for number in range(6000):
        if number % 100 == 0:
            hostile.heal()
            for lun in (1, 2):
                hostile.sessions[0].read(REWIND, 0, lun=lun)
        hostile.step()
    assert hostile.statuses[0] > 600, "hardly anything was let through"
    assert site.process is not None
    assert memory(site.process.pid) < MOST_MEMORY
    assert "Traceback" not in site.log


def test_errors_by_sg_logs(site: Site, tmp_path: Path) -> None:
    """What the drive met is there after a restart, and with the cartridge, and sg_logs has words for it."""
    if shutil.which("sg_logs") is None:
        pytest.skip("sg_logs is not installed")
    site.write(site.target(drive(site, 1)))
    site.start()
    with ready(site) as initiator:
        assert write(initiator, b"rotten" * 10).status == 0
        file = site.media / "T1L8"
        with file.open("r+b") as image:
            image.seek(file.read_bytes().rfind(b"rotten"))
            image.write(b"R")
        for _ in range(2):
            assert initiator.read(REWIND, 0, lun=1).status == 0
            assert initiator.read(bytes.fromhex("080000003c00"), 60, lun=1).asc == (3, 0x11, 0)
    for again in (False, True):
        if again:
            assert eventually(
                lambda: any("tape-lifetime" in file.read_text() for file in (site.place / "state").rglob("*.json"))
            )
            site.stop()
            site.start()
        with ready(site) as initiator:
            pages = {}
            for code in (0x0D, 0x14, 0x16, 0x30):
                answer = initiator.read(bytes((0x4D, 0, 0x40 | code, 0, 0, 0, 0, 4, 0, 0)), 1024, lun=1).data
                text = tmp_path / "page"
                text.write_text(answer.hex(" "))
                words = ("sg_logs", f"--in={text}", "--pdt=1", "--vendor=lto5")
                told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
                pages[code] = {line.strip() for line in told.splitlines()}
        assert "Current temperature = <not available>" in pages[0x0D]
        assert pages[0x14] >= {f"Lifetime {what}: {1 + again}" for what in ("media loads", "power cycles")}
        assert "Lifetime power on hours: 0" in pages[0x14]
        assert pages[0x16] >= {
            "Parameter code: 0",
            "Density code: 0x5e",
            "Medium type: 0x88",
            "Repeat: 1",
            "Sense key: 0x3 [Medium Error]",
            "[Additional sense: Unrecovered read error]",
            "Operation code: 0x8",
            "Timestamp origin: 0x3",
        }
        assert "Parameter code: 1" not in pages[0x16]
        assert pages[0x30] >= {
            f"Thread count: {1 + again}",
            "Total unrecovered read errors: 2",
            "Total read retries: 0",
        }


def test_what_a_filemark_has_synchronized_survives(site: Site) -> None:
    site.write(site.target(drive(site, 1)))
    chance = random.Random(5)
    safe: list[bytes] = []  # an empty one is a filemark
    for _ in range(6):
        site.start()
        initiator = ready(site)
        verify(initiator, safe)
        with site.killed(chance.uniform(0.1, 0.8)):
            back = chance.randrange(len(safe) + 1)
            assert initiator.read(struct.pack(">BBBIBBB", 0x2B, 0, 0, back, 0, 0, 0), 0, lun=1).status == 0
            begun = safe[:back]
            while True:
                for _ in range(chance.randrange(1, 20)):
                    begun.append(chance.randbytes(chance.randrange(1, 8000)))
                    del safe[len(begun) - 1 :]  # what was there is overwritten
                    assert write(initiator, begun[-1]).status == 0
                assert initiator.read(FILEMARK, 0, lun=1).status == 0
                begun.append(b"")
                safe = list(begun)
    assert len(safe) > 20
    site.start()
    verify(ready(site), safe)
    assert "Traceback" not in site.log


def verify(initiator: Initiator, safe: list[bytes]) -> None:
    assert initiator.read(REWIND, 0, lun=1).status == 0
    for block in safe:
        result = initiator.read(bytes.fromhex("080200200000"), 8192, lun=1)
        assert result.data == block
        assert block or result.sense[2] == 0x80, "a filemark"


def test_a_reset_ends_a_long_write(site: Site) -> None:
    """16 MiB in blocks of a byte: who waits behind it does so for a moment, and finds all in order."""
    site.write(site.target(drive(site, 1, "2 GiB")))
    site.start()
    initiator = ready(site)
    select = bytes.fromhex("151000000c00"), bytes.fromhex("000010080000000000000001")
    assert initiator.write(*select, lun=1).status == 0
    tag = initiator.command_pdu(b"\x0a\x01\x3f\xff\xff\0", 1, 0x3FFFFF, 0xA0)

    def send() -> None:
        with pytest.raises(OSError, match="closed"):
            initiator.finish(tag, bytes(0x3FFFFF), 65536)

    gone = threading.Thread(target=send)
    gone.start()
    time.sleep(2)
    with site.login(name="iqn.2026-11.org.test:other") as other:
        began = time.monotonic()
        assert other.task_management(LUN_RESET, 1) == 0
        while other.read(bytes(6), 0, lun=1).status:
            pass
        where = int.from_bytes(other.read(POSITION, 32, lun=1).data[8:16], "big")
        assert time.monotonic() - began < 5
        assert other.read(TO_THE_END, 0, lun=1).status == 0
        assert int.from_bytes(other.read(POSITION, 32, lun=1).data[8:16], "big") == where
        assert 0 < where < 0x3FFFFF
    initiator.sock.shutdown(socket.SHUT_RDWR)
    gone.join()
    initiator.close()
