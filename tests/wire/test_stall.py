"""A medium that hangs holds up nothing but itself."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.daemon import eventually
from tests.initiator import TEST_UNIT_READY, inquiry, read10, write10
from tests.wire.conftest import IQN, Site

pytestmark = pytest.mark.wire

# The daemon, with disks of type "null" that never come back from a read, a write or a flush: their threads hang, or
# their reads hang in the kernel, where there is io_uring.
STALLED = """
import os, threading
from tgtd.media.null import NullMedium
from tgtd.scsi.medium import Transfer
NullMedium.read_now = NullMedium.write_now = lambda self, offset, data: False
NullMedium.read = NullMedium.write = NullMedium.flush = lambda self, *rest: threading.Event().wait()
if IN_KERNEL:
    ends = os.pipe()
    NullMedium.reading = lambda self, at, into: Transfer(False, ends[0], at, into, 0, lambda: self.read(at, into))
from tgtd.__main__ import main
raise SystemExit(main())
"""
STOP_TIMEOUT = 3
IO_TIMEOUT = 1.5


@pytest.mark.parametrize("in_kernel", [False, True])
def test_others_go_on(site: Site, in_kernel: bool) -> None:
    hung = site.lun(1, medium='{ type = "null", size = "64 MiB" }')
    fine = site.lun(2, medium='{ type = "ram", size = "64 MiB" }')
    site.write(site.target(hung, fine))
    (site.targets.parent / "tgtd.toml").write_text(f"stop_timeout = {STOP_TIMEOUT}\n")
    options = [
        f"--{name}={site.place / folder}" for name, folder in (("config", "etc"), ("state", "state"), ("run", "run"))
    ]
    for folder in ("state", "run"):
        (site.place / folder).mkdir()
    program = f"IN_KERNEL = {in_kernel}{STALLED}"
    with subprocess.Popen((sys.executable, "-c", program, *options), stdout=subprocess.PIPE, text=True) as daemon:
        try:
            assert daemon.stdout is not None
            assert "ready" in daemon.stdout.readline()
            held_up(site, hung, fine)
        finally:
            began = time.monotonic()
            daemon.terminate()
            daemon.wait(60)
        assert time.monotonic() - began < STOP_TIMEOUT + 20, "the hanging medium must not keep the daemon from stopping"


@pytest.mark.parametrize(
    ("policy", "answer"), [("busy", (8, None)), ("not-ready", (2, (2, 4, 1))), ("fail", (2, (4, 8, 1)))]
)
def test_io_timeout(site: Site, policy: str, answer: tuple[int, tuple[int, int, int] | None]) -> None:
    """Commands that hang are answered, later ones at once; ABORT TASK and LUN RESET work; it comes back by itself."""
    medium = '{ type = "ram", size = "1 MiB", filters = [{ type = "stalled" }] }'
    more = f'io_timeout = {IO_TIMEOUT}\nio_timeout_policy = "{policy}"'
    site.write(site.target(site.lun(1, medium=medium, more=more)))
    site.start()
    with site.login(timeout=30) as initiator:
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        assert initiator.write(write10(0, 8), b"x" * 4096, lun=1).status == 0
        site.tgtctl("fault", "hang", IQN, "1")
        began = time.monotonic()
        hung = initiator.read(read10(0, 8), 4096, lun=1)
        assert IO_TIMEOUT - 0.1 < time.monotonic() - began < 10 * IO_TIMEOUT
        assert (hung.status, hung.asc if hung.status == 2 else None) == answer
        began = time.monotonic()
        later = initiator.write(write10(0, 8), b"y" * 4096, lun=1)
        assert (later.status, later.asc if later.status == 2 else None) == answer
        assert initiator.read(inquiry(), 96, lun=1).status == 0
        assert initiator.task_management(5, 1) == 0
        assert time.monotonic() - began < IO_TIMEOUT - 0.1, "at once: nothing was waited for"
        (lun,) = site.status()["targets"][0]["luns"]
        assert lun["state"] == "stalled"
        assert f"has not answered for {IO_TIMEOUT} seconds" in lun["cause"]
        site.tgtctl("fault", "release", IQN, "1")
        assert eventually(lambda: site.status()["targets"][0]["luns"][0]["state"] == "online")
        initiator.read(TEST_UNIT_READY, 0, lun=1)
        assert initiator.read(read10(0, 8), 4096, lun=1).data == b"x" * 4096
    assert site.log.count("has not answered") == 1


def held_up(site: Site, hung: str, fine: str) -> None:
    with site.login(timeout=30) as victim, site.login(isid=2, timeout=30) as other:
        for lun in (1, 2):
            victim.read(TEST_UNIT_READY, 0, lun=lun)
            other.read(TEST_UNIT_READY, 0, lun=lun)
        stuck = [victim.command_pdu(read10(n * 8, 8), 1, 4096, 0xC0) for n in range(30)]
        stuck += [victim.command_pdu(write10(n * 8, 8), 1, 4096, 0xA0, bytes(4096)) for n in range(30)]
        # The same session's and other sessions' commands to other units, and what needs no medium.
        assert victim.read(inquiry(), 96, lun=1).status == 0
        for initiator in (victim, other):
            assert initiator.write(write10(0, 8), b"x" * 4096, lun=2).status == 0
            assert initiator.read(read10(0, 8), 4096, lun=2).data == b"x" * 4096
        # Task management answers at once; nothing comes of the aborted tasks any more.
        assert victim.task_management(1, 1, stuck[0], victim.cmd_sn - 60) == 0
        assert other.task_management(5, 1) == 0
        assert victim.read(TEST_UNIT_READY, 0, lun=1).asc == (6, 0x29, 3)
        # Administration and logins go on.
        assert site.status()["counters"]["online"] == 2
        site.write(site.target(hung, fine, site.lun(3, medium='{ type = "ram", size = "1 MiB" }')))
        if site.ask("reload")["result"] == "nothing":
            assert site.status()["last_reload"]["result"] == "applied"
        with site.login(isid=3, timeout=30) as third:
            third.read(TEST_UNIT_READY, 0, lun=3)
            assert third.read(read10(0, 8), 4096, lun=3).status == 0
