"""One disk by two portals, and device-mapper multipath over both."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.daemon import eventually, free_port
from tests.guest.initiator import OpenIscsi
from tests.guest.machine import Guest
from tests.wire.conftest import IQN, Site

MULTIPATH_CONF = """
defaults {
    find_multipaths no
    user_friendly_names no
    polling_interval 1
    max_polling_interval 1
    no_path_retry 30
}
"""


@pytest.fixture
def multipathd(guest: Guest) -> Iterator[None]:
    """It needs udev, which makes devices' names and properties."""
    guest.run(
        "modprobe -a dm_multipath dm_round_robin dm_service_time scsi_dh_alua; "
        "/lib/systemd/systemd-udevd --daemon && udevadm trigger && udevadm settle; "
        f"printf '%s' '{MULTIPATH_CONF}' >/etc/multipath.conf; multipathd"
    )
    try:
        yield
    finally:
        guest.run("multipath -F; multipathd shutdown; kill $(pidof systemd-udevd); sleep 1", status=None)


def two_portals(site: Site, *ports: int) -> str:
    listed = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    return site.target(site.lun(0)).replace(f'portals = ["127.0.0.1:{site.port}"]', f"portals = [{listed}]")


@pytest.mark.usefixtures("multipathd")
def test_a_path_goes_and_comes_back(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """Its portal leaves the TOML and its connection breaks under load: no error, and all goes by the other path."""
    second = free_port()
    site.write(two_portals(site, site.port, second))
    site.start()
    for port in (site.port, second):
        open_iscsi.login(port, **{"node.session.timeo.replacement_timeout": 2})
    wwid = "3" + site.status()["targets"][0]["luns"][0]["wwid"]
    device = f"/dev/mapper/{wwid}"
    assert open_iscsi.eventually(f"[ $(multipathd show paths format '%w %t' | grep -c '{wwid} active') = 2 ]")
    finish = guest.start(
        f"fio --name=load --filename={device} --direct=1 --ioengine=libaio --rw=randwrite --bs=4k --iodepth=8 "
        "--size=32M --verify=crc32c --verify_fatal=1 --verify_backlog=256 --time_based --runtime=20",
        timeout=120,
    )
    time.sleep(4)
    site.write(two_portals(site, site.port))
    assert eventually(lambda: site.status()["portals"] == [f"127.0.0.1:{site.port}"])
    guest.run(f"ss -K dst 10.0.2.2 dport = {second}")
    assert open_iscsi.eventually(f"multipathd show paths format '%w %t' | grep -q '{wwid} failed'")
    assert open_iscsi.eventually(f"multipathd show paths format '%w %t' | grep -q '{wwid} active'")
    site.write(two_portals(site, site.port, second))
    assert open_iscsi.eventually(f"[ $(multipathd show paths format '%w %t' | grep -c '{wwid} active') = 2 ]")
    done = finish()
    assert done.status == 0, done.output
    assert "err= 0" in done.output
    faults = guest.run(f"multipathd show maps format '%w %0' | grep {wwid}").output.split()[1]
    assert int(faults) >= 1, "the path never failed: nothing was shown"
    assert {session["target"] for session in site.ask("sessions")["sessions"]} == {IQN}
