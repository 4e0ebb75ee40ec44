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
from tests.initiator import SYNCHRONIZE_CACHE, inquiry, read10, write10
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


def exercise(site: Site) -> None:
    """Login with digests and without, discovery, I/O of each kind, task management, ping, text, logout."""
    run("iscsi-ls", "-s", site.url())
    run("iscsi-inq", site.url(1))
    for digest in ("None", "CRC32C"):
        with site.login(keys={"HeaderDigest": digest, "DataDigest": digest, "InitialR2T": "Yes"}) as initiator:
            initiator.read(bytes(6), 0, lun=1)
            for page in (None, 0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2):
                assert initiator.read(inquiry(255, page), 255, lun=1).status == 0
            assert initiator.write(write10(0, 600), bytes(600 * 512), lun=1).status == 0
            assert initiator.read(read10(0, 600), 600 * 512, lun=1).status == 0
            assert initiator.read(read10(0xFFFFFFF0, 1), 512, lun=1).status == 2
            assert initiator.read(bytes((0xA0,)) + bytes(8) + b"\x40\0\0", 64, lun=1).status == 0
            assert initiator.read(bytes((0x1A, 0, 0x3F, 0, 255, 0)), 255, lun=1).status == 0
            assert initiator.read(bytes((0xA3, 0x0C)) + bytes(6) + b"\x20\0\0\0", 0x2000, lun=1).status == 0
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
    with capture(site.port, file):
        exercise(site)
    kinds = {opcode for packet in dissect(file, site.port, "iscsi.opcode") for opcode in packet}
    targets = {0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31}
    assert {int(kind, 16) for kind in kinds} >= targets, "the capture lacks PDUs that we meant to show"
    assert dissect(file, site.port, "frame.number", "_ws.malformed", where="_ws.malformed") == []
    ours = f"tcp.srcport == {site.port} && _ws.expert.severity >= 0x600000 && !tcp.analysis.flags"
    fields = ("frame.number", "_ws.expert.message")
    assert dissect(file, site.port, *fields, where=ours) == []
