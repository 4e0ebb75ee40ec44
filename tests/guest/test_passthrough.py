"""A real SCSI device of the guest, handed on by a daemon in the guest, to the guest's own initiator.

The device is Linux's scsi_debug: what initiators see of it by way of the daemon is compared with what it is.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.guest.initiator import OpenIscsi
from tests.guest.machine import HERE, Guest
from tests.wire.conftest import IQN

ROOT = HERE.parents[1]
PORT = 3270
LOOPBACK = "127.0.0.1"
PLACE = "/run/passthrough"
PATIENCE = 60.0
REAL = "/sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/target*/*"


class Passed:
    """A daemon in the guest, with one real device as LUN 1."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.initiator = OpenIscsi(guest)

    def real(self, kind: str = "scsi_generic") -> str:
        """The node of the device itself."""
        assert self.initiator.eventually(f"ls -d {REAL}/{kind}/*")
        found = self.guest.run(f"ls -d {REAL}/{kind}/*").output.split()
        return "/dev/" + found[0].rsplit("/", 1)[1]

    def plug(self, options: str = "dev_size_mb=64") -> str:
        self.guest.run(f"modprobe -a sg sd_mod st; modprobe scsi_debug {options}")
        return self.real()

    def serve(self, path: str, state: str = "online") -> dict[str, Any]:
        """Edit the daemon's configuration; the state of the LUN that it is to come to."""
        (self.guest.share / "pass.toml").write_text(
            f'[[target]]\nname = "{IQN}"\nportals = ["{LOOPBACK}:{PORT}"]\n[target.access]\nanyone = true\n'
            f'[[target.lun]]\nnumber = 1\ndevice = "passthrough"\nmedium = {{ type = "scsi", path = "{path}" }}\n'
        )
        folder = f"{PLACE}/etc/targets.d"
        self.guest.run(f"cp /share/pass.toml {folder}/.new; mv {folder}/.new {folder}/a.toml")
        return self.until(state)

    def remove(self) -> None:
        self.guest.run(f"rm -f {PLACE}/etc/targets.d/a.toml")
        deadline = time.monotonic() + PATIENCE
        while self.told()["targets"]:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.2)

    def login(self, kind: str = "block") -> str:
        self.initiator.login(PORT, host=LOOPBACK)
        return self.initiator.device(1, kind)

    def told(self) -> dict[str, Any]:
        """What the daemon's control socket says."""
        said = self.guest.run(f"/usr/bin/python3 -I -S {HERE}/ask.py {PLACE}/run/control.sock status '{{}}'").output
        answer: dict[str, Any] = json.loads(said)["result"]
        return answer

    def unit(self) -> dict[str, Any]:
        row: dict[str, Any] = self.told()["targets"][0]["luns"][0]
        return row

    def until(self, state: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while True:
            targets = self.told()["targets"]
            if targets and targets[0]["luns"][0]["state"] == state:
                row: dict[str, Any] = targets[0]["luns"][0]
                return row
            assert time.monotonic() < deadline, (targets, self.log())
            time.sleep(0.3)

    def log(self) -> str:
        return self.guest.run(f"cat {PLACE}/log", status=None).output

    def end(self) -> None:
        """Leave the guest as it was, but for the daemon."""
        self.initiator.clean()
        self.remove()
        self.guest.run("for each in 1 2 3 4 5 6 7 8; do modprobe -r scsi_debug && break; sleep 0.5; done", status=None)


@pytest.fixture(scope="module")
def daemon(guest: Guest) -> Iterator[None]:
    """One in the guest, without a target."""
    guest.run(
        f"mkdir -p {PLACE}/etc/targets.d; cd {ROOT}; "
        f"setsid {sys.executable} -m tgtd --config {PLACE}/etc --state {PLACE}/state --run {PLACE}/run "
        f"</dev/null >{PLACE}/log 2>&1 & echo $! >{PLACE}/pid"
    )
    assert guest.eventually(f"[ -S {PLACE}/run/control.sock ]", 150)
    yield
    guest.run(f"kill $(cat {PLACE}/pid); sleep 1; rm -rf {PLACE}", status=None)


@pytest.fixture
def passed(guest: Guest, daemon: None) -> Iterator[Passed]:
    it = Passed(guest)
    try:
        yield it
    finally:
        it.end()


def test_a_disk_keeps_its_identity_and_its_data(guest: Guest, passed: Passed) -> None:
    real = passed.plug()
    passed.serve(real)
    disk = passed.login()
    node = passed.initiator.device(1, "scsi_generic")
    for page in ("", "-p 0x80", "-p 0xb1", "-p 0xb2"):
        assert same(guest, f"sg_inq -H {page}", real, node, skip=page == ""), page
    limits = guest.run(f"sg_vpd -p bl {node}").output
    assert int(re.findall(r"Maximum transfer length: (\d+) blocks", limits)[0]) > 0, "as much as this host moves"
    designators = [guest.run(f"sg_vpd -p di --quiet {each}").output for each in (real, node)]
    lun = [text for text in designators[0].splitlines() if text.startswith("naa.") or "0x3333" in text]
    assert lun
    assert set(lun) <= set(designators[1].splitlines())
    assert IQN in guest.run(f"sg_vpd -p di {node}").output
    assert passed.initiator.size(disk) == 64 << 20 == passed.unit()["size"]
    guest.run(
        f"mkfs.ext4 -q {disk} && mount {disk} /mnt && head -c 24M /dev/urandom >/mnt/file && "
        f"sha256sum /mnt/file >/run/sum && umount /mnt && mount {disk} /mnt && sha256sum -c /run/sum && umount /mnt",
        timeout=120,
    )
    guest.run(f"mount {passed.real('block')} /mnt && sha256sum -c /run/sum && umount /mnt")
    counters = passed.unit()["counters"]
    assert counters["write_bytes"] > 24 << 20
    assert counters["faults"] == counters["medium_errors"] == 0


def same(guest: Guest, command: str, real: str, node: str, skip: bool) -> bool:
    """Whether a command says the same of both nodes; skip: but for its first line, where INQUIRY has our flags."""
    said = [guest.run(f"{command} {each}").output.splitlines()[int(skip) :] for each in (real, node)]
    return len(said[0]) > 0 and said[0] == said[1]


def test_errors_come_through(guest: Guest, passed: Passed) -> None:
    """scsi_debug's bad blocks are 1234h and the nine after it."""
    passed.serve(passed.plug("dev_size_mb=64 opts=2"))
    disk = passed.login()
    node = passed.initiator.device(1, "scsi_generic")
    good = guest.run(f"sg_raw -r 512 -o /run/block {node} 28 00 00 00 12 33 00 00 01 00", status=None)
    bad = guest.run(f"sg_raw -r 1024 -o /run/block {node} 28 00 00 00 12 33 00 00 02 00", status=None)
    assert good.status == 0, good.output
    assert bad.status != 0
    assert "Medium Error" in bad.output
    assert "Unrecovered read error" in bad.output
    assert "0x1234" in bad.output or "4660" in bad.output
    assert guest.run(f"dd if={disk} bs=512 skip=4660 count=1 iflag=direct of=/dev/null", status=None).status != 0
    refused = guest.run(f"sg_raw {node} fe 00 00 00 00 00", status=None)
    assert "Illegal Request" in refused.output or "Invalid command operation code" in refused.output
    assert passed.unit()["counters"]["faults"] == 0


def test_a_device_that_goes_and_comes_back(guest: Guest, passed: Passed) -> None:
    passed.serve(passed.plug())
    path = passed.real()
    disk = passed.login()
    guest.run(f"dd if={disk} of=/dev/null bs=1M count=1 iflag=direct status=none")
    guest.run(f"echo 1 >$(echo {REAL}/delete)")
    unit = passed.until("pending")
    assert "sg" in str(unit["cause"])
    assert guest.run(f"dd if={disk} of=/dev/null bs=512 count=1 iflag=direct", status=None).status != 0
    guest.run(
        "for each in /sys/bus/pseudo/drivers/scsi_debug/adapter*/host*/scsi_host/*/scan; do echo - - - >$each; done"
    )
    assert passed.real() == path
    passed.until("online")
    guest.run(f"dd if={disk} of=/dev/null bs=1M count=1 iflag=direct status=none")


@pytest.mark.parametrize("kind", ["bsg", "block"])
def test_other_nodes_of_a_device(guest: Guest, passed: Passed, kind: str) -> None:
    """By version 4 of SG_IO, and by the disk's own node, which is then taken."""
    passed.plug()
    node = passed.real("bsg").replace("/dev/", "/dev/bsg/") if kind == "bsg" else passed.real("block")
    passed.serve(node)
    disk = passed.login()
    guest.run(
        f"head -c 4M /dev/urandom >/run/data && dd if=/run/data of={disk} bs=1M oflag=direct status=none && "
        f"dd if={disk} bs=1M count=4 iflag=direct status=none | cmp - /run/data"
    )
    bad = guest.run(
        f"sg_raw -r 512 {passed.initiator.device(1, 'scsi_generic')} 28 00 ff ff ff ff 00 00 01 00", status=None
    )
    assert "Logical block address out of range" in bad.output
    if kind == "block":
        assert "in use" in guest.run(f"mkfs.ext4 -q -F {node}", status=None).output


def test_a_tape(guest: Guest, passed: Passed) -> None:
    """Device type 01h: who it is, and commands whose data no row of ours describes."""
    real = passed.plug("ptype=1")
    passed.serve(real)
    passed.login("scsi_generic")
    node = passed.initiator.device(1, "scsi_generic")
    assert "tape" in guest.run(f"sg_inq {node}").output
    assert same(guest, "sg_inq -H", real, node, skip=True)
    assert passed.unit()["size"] is None


def test_reservations_are_ours(guest: Guest, passed: Passed) -> None:
    """The device itself knows nothing of them, and does not have to."""
    real = passed.plug()
    passed.serve(real)
    passed.login()
    node = passed.initiator.device(1, "scsi_generic")
    guest.run(f"sg_persist --out --register --param-sark=0xabc {node}")
    guest.run(f"sg_persist --out --reserve --param-rk=0xabc --prout-type=1 {node}")
    assert "0xabc" in guest.run(f"sg_persist --in --read-reservation {node}").output
    assert "0xabc" not in guest.run(f"sg_persist --in --read-keys {real}", status=None).output
    commands = guest.run(f"sg_opcodes {node}").output
    assert "Persistent reserve out, register" in commands
    assert "Read(10)" in commands
    assert "Report target port groups" not in commands


def test_what_is_no_scsi_device(guest: Guest, passed: Passed) -> None:
    unit = passed.serve("/dev/null", state="pending")
    assert "/dev/null is not a SCSI device" in unit["cause"]
