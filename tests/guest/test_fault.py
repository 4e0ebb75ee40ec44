"""What goes wrong below or above: the kernel's initiator gets over it, and no data is wrong."""

from __future__ import annotations

import time
from pathlib import Path

from tests.daemon import eventually
from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.guest.test_disk import serve
from tests.wire.conftest import IQN, Site

LOAD = (
    "fio --name=load --filename={device} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=8 --size=48M "
    "--verify=crc32c --verify_fatal=1 --verify_backlog=256 --time_based --runtime={seconds}"
)


OTHER = f"{IQN}-other"


def test_daemons_go_away_under_load(guest: Guest, site: Site, open_iscsi: OpenIscsi, tmp_path: Path) -> None:
    """20 seconds without them, one stopped and one killed: the initiator waits, logs in again, goes on where it was."""
    other = Site(tmp_path / "other")
    serve(site)
    other.write(other.target(other.lun(0), name=OTHER))
    other.start()
    try:
        open_iscsi.login(site.port)
        open_iscsi.login(other.port, name=OTHER)
        disks = open_iscsi.device(0), open_iscsi.device(0, name=OTHER)
        loads = [guest.start(LOAD.format(device=disk, seconds=30), timeout=150) for disk in disks]
        assert all(eventually(lambda each=each: each.written() > 1 << 20) for each in (site, other))
        since = guest.heard()
        site.stop()
        other.kill()
        time.sleep(20)
        site.start()
        other.start()
        for finish in loads:
            done = finish()
            assert done.status == 0, done.output
            assert "err= 0" in done.output
        assert "I/O error" not in guest.said(since)
        assert min(site.written(), other.written()) > 0, "the load ended before they were back"
        open_iscsi.clean()
    finally:
        other.stop()


def test_a_medium_that_hangs(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """The kernel aborts what takes too long and tries again; a LUN reset succeeds; the disk is back with its medium."""
    site.write(site.target(site.lun(0, medium='{ type = "ram", size = "64 MiB", filters = [{ type = "stalled" }] }')))
    site.start()
    open_iscsi.login(site.port)
    device = open_iscsi.device(0)
    guest.run(
        f"echo 3 >/sys/block/{device[5:]}/device/timeout; echo 1 >/sys/module/libiscsi/parameters/debug_libiscsi_eh; "
        f"printf before | dd of={device} bs=4096 conv=sync oflag=direct status=none"
    )
    since = guest.heard()
    site.tgtctl("fault", "hang", IQN, "0")
    finish = guest.start(f"dd if={device} bs=4096 count=1 iflag=direct status=none | head -c 6", timeout=60)
    assert eventually(lambda: "aborting" in guest.said(since), 30)
    assert eventually(lambda: "abort success" in guest.said(since), 30)
    guest.run(f"sg_reset --no-esc -d {device}")
    assert "dev reset result = SUCCESS" in guest.said(since)
    assert site.status()["counters"]["sessions"] == 1
    site.tgtctl("fault", "release", IQN, "0")
    assert finish().output == "before"
    guest.run(f"printf after | dd of={device} bs=4096 conv=sync oflag=direct status=none")
    assert "I/O error" not in guest.said(since)
