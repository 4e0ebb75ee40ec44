"""Wireshark reads every byte we send: no malformed packet, no expert warning of ours."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.daemon import eventually
from tests.initiator import SYNCHRONIZE_CACHE, Initiator, inquiry, read10, write10
from tests.scsi.reserving import (
    CAPABILITIES,
    CLEAR,
    FULL_STATUS,
    KEYS,
    REGISTER,
    RESERVATION,
    RESERVE,
    WE_RO,
    out,
    read,
)
from tests.wire.conftest import Site, run

pytestmark = pytest.mark.wire


@contextmanager
def capture(port: int, file: Path) -> Iterator[None]:
    """Everything on the loopback interface to or from this port, into a file."""
    words = ("tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", file)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Capturing" in line:
                break
        else:
            raise AssertionError("tshark does not capture; it needs root or the capability")
        assert eventually(file.exists)
        time.sleep(0.5)  # dumpcap says so a moment before it listens
        try:
            yield
            time.sleep(1)  # and it writes what it has once a second
        finally:
            process.send_signal(signal.SIGINT)


def dissect(file: Path, port: int, *fields: str, where: str = "") -> list[list[str]]:
    words = ["tshark", "-r", str(file), "-d", f"tcp.port=={port},iscsi", "-T", "json"]
    for field in fields:
        words += ["-e", field]
    if where:
        words += ["-Y", where]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    packets = json.loads(done.stdout)
    return [
        [value for values in packet["_source"].get("layers", {}).values() for value in values] for packet in packets
    ]


UNKNOWN_TO_WIRESHARK = {"Unknown Page"}
"""It steps over a mode page with a subpage code as if that had a head of two bytes, not four (SPC-5 7.5.7), and takes
what is left for a page."""

ROOM = 0x1000

REPORTS = (
    "1A 08 3F FF FF 00",
    "1A 00 BF 00 FF 00",
    *(f"5A 10 {control | 0x3F:02X} FF 000000 1000 00" for control in (0x00, 0x40, 0x80)),
    "5A 00 08 00 000000 1000 00",
    "25 00 00000000 0000 00 00",
    "9E 10 0000000000000000 00001000 00 00",
    "9E 12 0000000000000000 00001000 00 00",
    "37 00 18 00000000 1000 00",
    "B7 18 00000000 00001000 00 00",
    "A0 00 00 000000 00001000 00 00",
    "A3 05 00000000 00001000 00 00",
    "A3 0A 00000000 00001000 00 00",
    "A3 2A 00000000 00001000 00 00",
    "A3 0C 80 00 0000 00001000 00 00",
    "A3 0C 01 28 0000 00001000 00 00",
    "A3 0C 82 9E 0010 00001000 00 00",
    "A3 0D 80 00 0000 00001000 00 00",
    "A3 0F 00000000 00001000 00 00",
    "03 00 0000 FC 00",
    "03 01 0000 FC 00",
    "1C 01 00 1000 00",
    "3C 03 00 000000 001000 00",
    "3C 0B 00 000000 001000 00",
    "3C 1C 00 000000 001000 00",
    "84 03 0000000000000000 00001000 00 00",
)
"""Commands that report something, whether or not a disk has them; the allocation length is ROOM or less."""


def log_pages(site: Site) -> list[tuple[int, int]]:
    """(page, subpage) of all log pages but lists of pages, which Wireshark takes for lists of parameters."""
    with site.login() as initiator:
        initiator.read(bytes(6), 0, lun=1)
        listed = initiator.read(log_sense(0x00, 0xFF), 0xFFFF, lun=1).data[4:]
        assert initiator.logout() == 0
    return [pair for pair in zip(listed[::2], listed[1::2], strict=True) if pair[0] and pair[1] != 0xFF]


def reports(initiator: Initiator, pages: list[tuple[int, int]]) -> int:
    """Every VPD page, these log pages, and REPORTS: GOOD where the disk says that it has the command. How many."""
    for page in initiator.read(inquiry(255, 0x00), 255, lun=1).data[4:]:
        assert initiator.read(inquiry(ROOM, page), ROOM, lun=1).status == 0
    told = 0
    for text in REPORTS:
        cdb = bytes.fromhex(text)
        result = initiator.read(cdb, ROOM, lun=1)
        assert result.status == (0 if supported(initiator, cdb) else 2), text
        told += result.status == 0
    for number, subpage in pages:
        assert initiator.read(log_sense(number, subpage), 0xFFFF, lun=1).status == 0, (number, subpage)
    return told


def log_sense(page: int, subpage: int) -> bytes:
    """LOG SENSE, cumulative values."""
    return bytes((0x4D, 0, 0x40 | page, subpage, 0, 0, 0, 0xFF, 0xFF, 0))


def supported(initiator: Initiator, cdb: bytes) -> bool:
    """Whether REPORT SUPPORTED OPERATION CODES knows the command, be it by its operation code or its service action."""
    for option in (1, 2):
        action = bytes((0, cdb[1] & 0x1F if option == 2 else 0))
        asked = bytes((0xA3, 0x0C, option, cdb[0])) + action + bytes((0, 0, 0, 64, 0, 0))
        result = initiator.read(asked, 64, lun=1)
        if result.status == 0:
            return result.data[1] & 7 == 3
    raise AssertionError(f"{cdb[0]:02X}h: neither with nor without a service action")


def exercise(site: Site, pages: list[tuple[int, int]]) -> None:
    """Login with digests and without, discovery, I/O of each kind, task management, ping, text, logout."""
    run("iscsi-ls", "-s", site.url())
    run("iscsi-inq", site.url(1))
    for digest in ("None", "CRC32C"):
        with site.login(keys={"HeaderDigest": digest, "DataDigest": digest, "InitialR2T": "Yes"}) as initiator:
            initiator.read(bytes(6), 0, lun=1)
            assert initiator.read(inquiry(255), 255, lun=1).status == 0
            assert reports(initiator, pages) >= 20
            assert initiator.write(write10(0, 600), bytes(600 * 512), lun=1).status == 0
            assert initiator.read(read10(0, 600), 600 * 512, lun=1).status == 0
            assert initiator.read(read10(0xFFFFFFF0, 1), 512, lun=1).status == 2
            assert initiator.read(SYNCHRONIZE_CACHE, 0, lun=1).status == 0
            for sent in (out(REGISTER, 0, 7), out(RESERVE, 7, kind=WE_RO)):
                assert initiator.write(*sent, lun=1).status == 0
            for action in (KEYS, RESERVATION, CAPABILITIES, FULL_STATUS):
                assert initiator.read(read(action, 255), 255, lun=1).status == 0
            assert initiator.write(*out(CLEAR, 7), lun=1).status == 0
            initiator.nop(b"ping")
            initiator.receive()
            assert initiator.task_management(1, 1, 0x1234) == 1
            assert initiator.task_management(5, 1) == 0
            assert initiator.logout() == 0


def test_wireshark_finds_nothing_wrong(site: Site, tmp_path: Path) -> None:
    site.write(site.target(site.lun(1)))
    site.start()
    file = tmp_path / "capture.pcapng"
    pages = log_pages(site)
    assert len(pages) >= 9
    with capture(site.port, file):
        exercise(site, pages)
    kinds = {opcode for packet in dissect(file, site.port, "iscsi.opcode") for opcode in packet}
    targets = {0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31}
    assert {int(kind, 16) for kind in kinds} >= targets, "the capture lacks PDUs that we meant to show"
    assert dissect(file, site.port, "frame.number", "_ws.malformed", where="_ws.malformed") == []
    ours = f"tcp.srcport == {site.port} && _ws.expert.severity >= 0x600000 && !tcp.analysis.flags"
    found = dissect(file, site.port, "_ws.expert.message", where=ours)
    assert {words for packet in found for words in packet} <= UNKNOWN_TO_WIRESHARK
