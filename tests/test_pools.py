"""tgtd.pools: the file system is looked at, and the administrator is told once each time."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inside import Inside, attached, inside
from tgtd.cli import status as shown
from tgtd.pools import status
from tgtd.scsi.room import Room, roomy
from tgtd.scsi.sbc.thresholds import REACHED
from tgtd.status import pieces

GIB = 1 << 30


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Inside]:
    with inside(tmp_path) as it:
        it.write(it.lun(1, size="1 GiB", more="pool_warning = 90"))
        it.start()
        yield it


def pool_of(site: Inside) -> Any:
    return roomy(site.unit(1).device.medium)


def look(site: Inside, free: float) -> None:
    """As if so many GiB of 100 were free."""
    pool = pool_of(site)
    pool.look_for_room = lambda: Room(100 * GIB, int(free * GIB), GIB // 4)
    site.unit(1).look_for_room()
    site.turn_until(lambda: site.unit(1).pool._looking is None)


def test_the_real_file_system(site: Inside) -> None:
    fs = os.statvfs(site.media)
    room = pool_of(site).look_for_room()
    assert room.total == (fs.f_blocks - fs.f_bfree + fs.f_bavail) * fs.f_frsize
    assert abs(room.free - fs.f_bavail * fs.f_frsize) < GIB, "others write too"
    assert room.taken == 0
    (site.media / "1.img").open("r+b").write(bytes(1 << 20))
    assert pool_of(site).look_for_room().taken == 1 << 20


def test_the_log_says_it_once(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tgtd.pools")
    itl = attached(site.nexus(), 1)
    look(site, 50)
    assert caplog.messages == []
    look(site, 5)
    look(site, 4)
    (line,) = caplog.messages
    assert "LUN 1: its file system is 95 % full (pool_warning = 90): 5.0 GiB are free" in line
    assert "this disk alone may still take 0.8 GiB; make room" in line
    assert itl.attentions == [REACHED]
    caplog.clear()
    look(site, 50)
    assert "has room again: 50 % full, 50.0 GiB are free" in caplog.text


def test_a_look_that_fails_is_told_once(site: Inside, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Room:
        raise OSError(errno.EIO, "Input/output error")

    pool_of(site).look_for_room = fail
    for _ in range(2):
        site.unit(1).look_for_room()
        site.turn_until(lambda: site.unit(1).pool._looking is None)
    assert [line.split(": ", 1)[1] for line in caplog.messages] == [
        "cannot look how full its file system is: Input/output error"
    ]


def test_one_look_at_a_time(site: Inside) -> None:
    """A file system that hangs does not get more and more of them."""
    looks: list[None] = []
    pool_of(site).look_for_room = lambda: looks.append(None) or Room(GIB, GIB, 0)
    for _ in range(5):
        site.unit(1).look_for_room()
    site.turn_until(lambda: site.unit(1).pool._looking is None)
    assert len(looks) == 1


def test_status_and_edits(site: Inside, capsys: pytest.CaptureFixture[str]) -> None:
    unit = site.unit(1)
    look(site, 5)
    assert status(unit.device, unit.wish) == {
        "percent": 95,
        "warning": 90,
        "warned": True,
        "total": 100 * GIB,
        "free": 5 * GIB,
        "taken": GIB // 4,
    }
    row = json.loads("".join(pieces(site.tree, site.health)))["targets"][0]["luns"][0]
    assert row["pool"]["percent"] == 95
    assert shown._pool(row["pool"]) == (
        "its file system is 95 % full, 5 GiB are free (warning at 90 %; WARNED: make room there)"
    )
    site.write(site.lun(1, size="1 GiB", more="pool_warning = 97"))
    site.reload()
    look(site, 5)
    row = json.loads("".join(pieces(site.tree, site.health)))["targets"][0]["luns"][0]
    assert (row["pool"]["warning"], row["pool"]["warned"]) == (97, False)
    assert site.unit(1) is unit
    site.write(site.lun(1, size="1 GiB"))
    site.reload()
    assert status(unit.device, unit.wish) is None
