"""Ten thousand LUNs and a thousand idle sessions."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from tests.initiator import inquiry
from tests.wire.conftest import Site

pytestmark = [pytest.mark.wire, pytest.mark.slow]

FILES, LUNS = 100, 100
SESSIONS = 1000

# The goals are 10 s and 1 s. These bounds only catch a change of order: timing is for bench/, not for tests.
START_BOUND = 40.0
EDIT_BOUND = 5.0
SESSION_BOUND = 100 << 10


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def target(site: Site, number: int, size: str = "1 MiB") -> str:
    luns = []
    for lun in range(LUNS):
        medium = f'{{ type = "file", path = "{site.media}/{number}-{lun}.img", size = "{size}", create = true }}'
        luns.append(site.lun(lun, medium=medium))
        size = "1 MiB"
    return site.target(*luns, name=f"iqn.2026-11.org.test:t{number}")


def test_ten_thousand_luns(site: Site, record_property: pytest.RecordProperty) -> None:
    for number in range(FILES):
        site.write(target(site, number), f"t{number:03}.toml")
    begun = time.monotonic()
    site.start()
    started = time.monotonic() - begun
    record_property("start_seconds", round(started, 2))
    assert site.status()["counters"]["online"] == FILES * LUNS
    begun = time.monotonic()
    site.write(target(site, 50, "2 MiB"), "t050.toml")
    answer = site.ask("reload")
    if answer["result"] == "nothing":
        answer = site.status()["last_reload"]
    edited = time.monotonic() - begun
    record_property("edit_seconds", round(edited, 2))
    assert answer["result"] == "applied"
    assert len(answer["steps"]) == 1
    print(f"\n{FILES * LUNS} LUNs: started in {started:.1f} s, one edit applied in {edited:.2f} s")
    assert started < START_BOUND
    assert edited < EDIT_BOUND


def test_a_thousand_idle_sessions(site: Site) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    site.write(site.target(site.lun(1)))
    (site.targets.parent / "tgtd.toml").write_text("workers = 0\n")  # it is one process whose memory is looked at
    site.start()
    assert site.process is not None
    try:
        first = site.login(isid=1)
        before = resident(site.process.pid)
        crowd = [site.login(isid=number, name=f"iqn.2026-11.org.test:i{number}") for number in range(2, SESSIONS + 2)]
        each = (resident(site.process.pid) - before) / SESSIONS
        print(f"\n{SESSIONS} idle sessions: {each / 1024:.1f} KiB each, {before / 1048576:.1f} MiB with one")
        assert site.status()["counters"]["sessions"] == SESSIONS + 1
        assert all(one.read(inquiry(), 96, lun=1).status == 0 for one in (first, *crowd[::100]))
        assert each < SESSION_BOUND
        descriptors = len(os.listdir(f"/proc/{site.process.pid}/fd"))
        for one in crowd:
            one.logout()
            one.close()
        assert site.status()["counters"]["sessions"] == 1
        # The socket through which we asked for the status may still be closing.
        assert len(os.listdir(f"/proc/{site.process.pid}/fd")) <= descriptors - SESSIONS + 1
        first.logout()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
