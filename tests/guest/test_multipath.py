"""One disk by two portals, and device-mapper multipath over both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


@pytest.fixture(scope="module")
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
        guest.run(
            "multipathd shutdown; kill $(pidof systemd-udevd); "
            "for each in $(seq 50); do pidof multipathd systemd-udevd || break; sleep 0.1; done",
            status=None,
        )


@pytest.fixture(autouse=True)
def maps(guest: Guest, multipathd: None) -> Iterator[None]:
    """None are left behind."""
    yield
    guest.run("multipath -F", status=None)


def two_portals(site: Site, *ports: int) -> str:
    listed = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
    return site.target(site.lun(0)).replace(f'portals = ["127.0.0.1:{site.port}"]', f"portals = [{listed}]")


def load(guest: Guest, site: Site, device: str) -> Callable[[], None]:
    """Begin to write and to read back, again and again; it has begun. The result ends it, and fails if there was an
    error or wrong data.
    """
    finish = guest.start(
        f"rm -f /run/enough; until [ -e /run/enough ]; do fio --name=load --filename={device} --direct=1 "
        "--ioengine=libaio --rw=randwrite --bs=4k --iodepth=8 --size=8M --verify=crc32c --verify_fatal=1 "
        "--verify_backlog=256 || exit; done",
        timeout=150,
    )

    def end() -> None:
        guest.run("touch /run/enough")
        done = finish()
        assert done.status == 0, done.output
        assert "err= 0" in done.output

    assert eventually(lambda: site.written() > 1 << 20)
    return end


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
    end = load(guest, site, device)
    site.write(two_portals(site, site.port))
    assert eventually(lambda: site.status()["portals"] == [f"127.0.0.1:{site.port}"])
    guest.run(f"ss -K dst 10.0.2.2 dport = {second}")
    assert open_iscsi.eventually(f"multipathd show paths format '%w %t' | grep -q '{wwid} failed'")
    assert open_iscsi.eventually(f"multipathd show paths format '%w %t' | grep -q '{wwid} active'")
    site.write(two_portals(site, site.port, second))
    assert open_iscsi.eventually(f"[ $(multipathd show paths format '%w %t' | grep -c '{wwid} active') = 2 ]")
    end()
    faults = guest.run(f"multipathd show maps format '%w %0' | grep {wwid}").output.split()[1]
    assert int(faults) >= 1, "the path never failed: nothing was shown"
    assert {session["target"] for session in site.ask("sessions")["sessions"]} == {IQN}


def port_groups(site: Site, states: dict[int, str], tag: int = 1, explicit: bool = False, name: str = IQN) -> str:
    """A target whose port groups are portals of their own. states: by TCP port."""
    groups = "".join(
        f'[[target.port_group]]\ntag = {number}\nportals = ["127.0.0.1:{port}"]\nstate = "{state}"\n'
        f"explicit = {str(explicit).lower()}\n"
        for number, (port, state) in enumerate(states.items(), tag)
    )
    return f'[[target]]\nname = "{name}"\n{groups}[target.access]\nanyone = true\n'


def priorities(guest: Guest, wwid: str) -> list[int]:
    """What multipathd thinks of each path to a disk, the best first."""
    lines = guest.run("multipathd show paths format '%w %p %t'").output.splitlines()
    return sorted((int(line.split()[1]) for line in lines if line.startswith(wwid)), reverse=True)


def device_by(guest: Guest, port: int) -> str:
    """The disk that came by a portal."""
    path = guest.run(f"ls /dev/disk/by-path/*10.0.2.2:{port}-iscsi-*").output.split()[0]
    return guest.run(f"readlink -f {path}").output.strip()


def test_access_states_are_edited_under_load(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    """Linux prefers the optimized group, and goes over to the other one when an edit says so, without an error."""
    second = free_port()
    site.write(port_groups(site, {site.port: "active/optimized", second: "active/non-optimized"}) + site.lun(0))
    site.start()
    for port in (site.port, second):
        open_iscsi.login(port)
    wwid = "3" + site.status()["targets"][0]["luns"][0]["wwid"]
    assert open_iscsi.eventually(f"[ $(multipathd show paths format '%w %t' | grep -c '{wwid} active') = 2 ]")
    assert priorities(guest, wwid) == [50, 10]
    first_disk, second_disk = device_by(guest, site.port), device_by(guest, second)
    best = "multipathd show paths format '%d %p' | sort -k2n | tail -n 1 | cut -d' ' -f1"
    assert guest.run(best).output.strip() == first_disk.removeprefix("/dev/")
    told = guest.run(f"sg_rtpg -d {first_disk}").output
    assert "active/optimized" in told
    assert "active/non optimized" in told
    end = load(guest, site, f"/dev/mapper/{wwid}")
    site.write(port_groups(site, {site.port: "standby", second: "active/optimized"}) + site.lun(0))
    assert open_iscsi.eventually(f"[ $({best}) = {second_disk.removeprefix('/dev/')} ]")
    assert open_iscsi.eventually("multipathd show paths format '%w %T' | grep -q ghost")
    statistics = f"cat /sys/block/{second_disk.removeprefix('/dev/')}/stat"
    assert eventually(lambda: int(guest.run(statistics).output.split()[4]) > 0)
    end()
    page = guest.run(f"sg_vpd -p di {second_disk}").output
    assert "Target port group: 0x2" in page
    assert "Relative target port: 0x2" in page
    ports = guest.run(f"sg_vpd -p sp {second_disk}").output
    assert f"{IQN},t,0x0001" in ports
    assert f"{IQN},t,0x0002" in ports


def test_initiators_change_states_where_they_may(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    second = free_port()
    site.write(port_groups(site, {site.port: "active/optimized", second: "standby"}, explicit=True) + site.lun(0))
    site.start()
    open_iscsi.login(site.port)
    disk = open_iscsi.device(0)
    assert "tpgs=3" in guest.run(f"sg_inq {disk} | tr A-Z a-z").output
    guest.run(f"sg_stpg --optimized --tp=2 {disk}")
    told = guest.run(f"sg_rtpg {disk}").output.replace(" ", "")
    assert told.count("targetportgroupasymmetricaccessstate:0x00") == 2, told
    assert site.status()["targets"][0]["luns"][0]["access_states"] == {"2": "active/optimized"}
    assert "port group 2 is active/optimized, as an initiator has set it" in site.tgtctl("status")


def test_one_disk_by_two_targets_is_one_map(guest: Guest, site: Site, open_iscsi: OpenIscsi) -> None:
    other, second = f"{IQN}-other", free_port()
    site.write(port_groups(site, {site.port: "active/optimized"}) + site.lun(1))
    share = f'[[target.shared_lun]]\nnumber = 7\ntarget = "{IQN}"\nlun = 1\n'
    site.write(port_groups(site, {second: "active/non-optimized"}, tag=2, name=other) + share, "b.toml")
    site.start()
    open_iscsi.login(site.port)
    open_iscsi.login(second, name=other)
    luns = {target["name"]: target["luns"] for target in site.status()["targets"]}
    wwid = "3" + luns[IQN][0]["wwid"]
    assert open_iscsi.eventually(f"[ $(multipathd show paths format '%w %t' | grep -c '{wwid} active') = 2 ]")
    assert guest.run("multipathd show maps format '%w'").output.split().count(wwid) == 1
    assert priorities(guest, wwid) == [50, 10]
    first_disk, second_disk = device_by(guest, site.port), device_by(guest, second)
    guest.run(f"dd if=/dev/urandom of={first_disk} bs=4k count=16 oflag=direct")
    sums = [
        guest.run(f"dd if={disk} bs=64k count=1 iflag=direct 2>&- | sha256sum").output
        for disk in (first_disk, second_disk)
    ]
    assert sums[0] == sums[1]
    guest.run(f"sg_persist --out --register --param-sark=0x7 {first_disk}")
    assert "0x7" in guest.run(f"sg_persist --in -k {second_disk}").output
