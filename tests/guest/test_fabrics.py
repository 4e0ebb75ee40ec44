"""Targets on the kernel's own fabrics, by a daemon in the guest with one capability, as the service's drop-in has it.

loopback, SRP over RoCE, and FCoE between two ends of one cable; what uses them is Linux and its tools.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import ADDRESS, HERE, Guest
from tests.wire.conftest import IQN

ROOT = HERE.parents[1]
PLACE = "/run/fabrics"
CONFIG = "/sys/kernel/config/target"
NAA = "naa.5001405000000001"
SRP_PORT = 5555
PATIENCE = 150  # seconds that the kernel waits
DROP_IN = (
    "setpriv --reuid nobody --regid nogroup --clear-groups --inh-caps +dac_override --ambient-caps +dac_override "
    "--bounding-set -all,+dac_override"
)
CHECKED = (
    "mkfs.ext4 -q {0} && mount {0} /mnt && head -c 12M /dev/urandom >/mnt/file && sha256sum /mnt/file >/run/sum && "
    "umount /mnt && mount {0} /mnt && sha256sum -c /run/sum && umount /mnt"
)


class Fabrics:
    """A daemon in the guest."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._initiator = OpenIscsi(guest)

    def start(self) -> None:
        self.guest.run(
            f"mkdir -p -m 777 {PLACE}/etc/targets.d {PLACE}/media; cd {ROOT}; "
            f"echo 'workers = 0' >{PLACE}/etc/tgtd.toml; "
            f"setsid {DROP_IN} {sys.executable} -m tgtd --config {PLACE}/etc --state {PLACE}/state --run {PLACE}/run "
            f"</dev/null >>{PLACE}/log 2>&1 & echo $! >{PLACE}/pid"
        )
        assert self.guest.eventually(f"grep -qs ready {PLACE}/log", 150), self.log()

    def serve(self, *luns: str, transport: str = "loopback", port: str = NAA, access: str = "anyone = true") -> None:
        """Edit the configuration."""
        (self.guest.share / "fabric.toml").write_text(
            f'[[target]]\nname = "{IQN}"\ntransport = "{transport}"\nport = "{port}"\naccess = {{ {access} }}\n'
            f"fabric = {{ cmd_time_out = {PATIENCE}, rdma_cm_port = {SRP_PORT if transport == 'srp' else 0} }}\n"
            + "\n".join(luns)
        )
        self.guest.run(f"cp /share/fabric.toml {PLACE}/etc/.new; mv {PLACE}/etc/.new {PLACE}/etc/targets.d/a.toml")

    def until(self, shell: str) -> None:
        said = "" if self._initiator.eventually(shell) else self.log()
        assert not said, f"not in time: {shell}\n{said}"

    def local(self, lun: int, kind: str = "block") -> str:
        """The node of a LUN on loopback, once it is there."""
        where = f"/sys/bus/scsi/devices/$(cat {CONFIG}/loopback/{NAA}/tpgt_1/address):{lun}/{kind}"
        self.until(f"ls {where}/*")
        found = self.guest.run(f"ls -d {where}/*").output.split()
        return "/dev/" + found[0].rsplit("/", 1)[1]

    def log(self) -> str:
        return self.guest.run(f"cat {PLACE}/log", status=None).output

    def empty(self) -> None:
        """Take the target away; nothing of it is left in the kernel."""
        self.guest.run(f"rm -f {PLACE}/etc/targets.d/a.toml")
        self.until(f"! find {CONFIG}/*/* -name 'lun_*' | grep .")
        assert "user_" not in self.guest.run(f"ls {CONFIG}/core").output


@pytest.fixture(scope="module")
def daemon(guest: Guest) -> Iterator[Fabrics]:
    guest.run(
        "modprobe configfs; mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; "
        "modprobe -a target_core_user sd_mod sg st ch ext4"
    )
    it = Fabrics(guest)
    it.start()
    yield it
    guest.run(f"kill $(cat {PLACE}/pid)", status=None)
    assert guest.eventually(f"! kill -0 $(<{PLACE}/pid) 2>/dev/null"), it.log()
    assert "user_" not in guest.run(f"ls {CONFIG}/core").output
    guest.run(f"rm -rf {PLACE}")


@pytest.fixture
def fabrics(daemon: Fabrics) -> Iterator[Fabrics]:
    yield daemon
    daemon.empty()


def disk(number: int, size: str = "64 MiB") -> str:
    medium = f'{{ type = "file", path = "{PLACE}/media/{number}.img", size = "{size}", create = true }}'
    return f"[[target.lun]]\nnumber = {number}\nmedium = {medium}\n"


def test_local_disks_come_grow_and_go(guest: Guest, fabrics: Fabrics) -> None:
    fabrics.serve(disk(0))
    first = fabrics.local(0)
    guest.run(CHECKED.format(first), timeout=120)
    guest.run(
        f"fio --name=v --filename={first} --rw=randwrite --bs=4k-64k --size=16M --direct=1 --ioengine=libaio "
        "--iodepth=8 --verify=crc32c --randseed=1 --minimal >/run/fio",
        timeout=120,
    )
    fabrics.serve(disk(0, "96 MiB"), disk(1))
    second = fabrics.local(1)
    assert second != first
    fabrics.until(f"echo 1 >/sys/block/{first[5:]}/device/rescan; [ $(blockdev --getsize64 {first}) = {96 << 20} ]")
    fabrics.serve(disk(0, "96 MiB"))
    fabrics.until(f"! [ -e {second} ]")
    guest.run(f"dd if={first} of=/dev/null bs=1M count=4 iflag=direct status=none")


def test_vhost(guest: Guest, fabrics: Fabrics) -> None:
    """There is no virtual machine in the guest; but its kernel takes the target as one for them."""
    guest.run("modprobe vhost_scsi")
    fabrics.serve(disk(0), transport="vhost", port=NAA)
    fabrics.until(f"ls {CONFIG}/vhost/{NAA}/tpgt_1/lun/lun_0/tgtd")
    assert guest.run(f"cat {CONFIG}/vhost/{NAA}/tpgt_1/nexus").output.startswith("naa.3")


def test_srp(guest: Guest, fabrics: Fabrics) -> None:
    """ib_srp and ib_srpt by one RDMA device, which is none but eth0."""
    guest.run("modprobe -a crc32c_generic rdma_rxe ib_srpt ib_srp && rdma link add rxe0 type rxe netdev eth0")
    device = "/sys/class/infiniband/rxe0"
    fabrics.until(f"grep -q ACTIVE {device}/ports/1/state")
    guid = guest.run(f"cat {device}/node_guid").output.strip().replace(":", "")
    fabrics.serve(
        disk(0),
        transport="srp",
        port=guest.run(f"cat {device}/ports/1/gids/0").output.strip(),
        access=f'initiators = ["0x{"0" * 16}{guid}"]',
    )
    fabrics.until(f"grep -qx 1 {CONFIG}/srpt/*/tpgt_1/enable")
    add = (
        f"echo id_ext={guid},ioc_guid={guid},dest={ADDRESS}:{SRP_PORT} >/sys/class/infiniband_srp/srp-rxe0-1/add_target"
    )
    fabrics.until(add)
    fabrics.until("lsscsi -t | grep srp:.*/dev/sd")
    guest.run(CHECKED.format(guest.run("lsscsi -t | awk '/srp:/{print $NF}'").output.strip()), timeout=120)
    guest.run("echo 1 >/sys/class/srp_remote_ports/*/delete")
    fabrics.empty()
    guest.run("rdma link del rxe0; modprobe -r ib_srp; modprobe -r ib_srpt", status=None)


def test_fcoe(guest: Guest, fabrics: Fabrics) -> None:
    """Two FCoE ports without a switch (VN2VN). A target must be there before its port logs in."""
    guest.run(
        "modprobe -a fcoe tcm_fc && ip link add v0 mtu 2500 type veth peer name v1 mtu 2500 && ip link set v0 up && "
        "ip link set v1 up && for each in v0 v1; do echo $each >/sys/bus/fcoe/ctlr_create; done; "
        "for each in /sys/bus/fcoe/devices/ctlr_*; do echo VN2VN >$each/mode; done"
    )
    names = [
        guest.run(f"cd /sys/class/fc_host; cat $(dirname $(grep -l 'over {end}$' */symbolic_name))/port_name").output
        for end in ("v0", "v1")
    ]
    fabrics.serve(disk(0), transport="fcoe", port=names[1].strip(), access=f'initiators = ["{names[0].strip()}"]')
    fabrics.until(f"ls {CONFIG}/fc/*/tpgt_1/acls/*/lun_0/tgtd")
    guest.run("for each in /sys/bus/fcoe/devices/ctlr_*; do echo 1 >$each/enabled; done")
    fabrics.until("lsscsi -t | grep fcoe:.*/dev/sd")
    guest.run(CHECKED.format(guest.run("lsscsi -t | awk '/fcoe:/{print $NF}'").output.strip()), timeout=120)
    guest.run("for each in v0 v1; do echo $each >/sys/bus/fcoe/ctlr_destroy; done; ip link del v0")


def test_what_a_daemon_left_that_stays_away_can_be_released(guest: Guest, fabrics: Fabrics) -> None:
    fabrics.serve(disk(7))
    node = fabrics.local(7)
    guest.run(f"kill -9 $(cat {PLACE}/pid)")
    waiting = guest.start(f"dd if={node} of=/dev/null bs=4k count=1 iflag=direct", timeout=100)
    command = f'{sys.executable} -c \'from tgtd.cli import main; main(["fabric", "release"])\''
    released = guest.run(f"cd {ROOT}; time -p {command}", timeout=100).output
    assert f"{IQN}: released" in released
    assert float(released.split("real ")[1].split()[0]) < PATIENCE / 2, "the kernel's own patience is longer"
    assert waiting().status != 0
    assert "user_" not in guest.run(f"ls {CONFIG}/core").output
