"""The shipped units under a real systemd, installed as a packager would, with the sandbox and the user they name."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guest.conftest import booted
from tests.guest.machine import HERE, Guest

ROOT = HERE.parents[1]
IQN = "iqn.2026-11.org.test:unit"

TARGET = f"""
[[target]]
name = "{IQN}"
portals = ["127.0.0.1:3260"]

[target.access]
anyone = true

[[target.lun]]
number = 1
medium = {{ type = "file", path = "/var/lib/tgtd/disk.img", size = "64 MiB", create = true }}
"""
LOOP = """
[[target.lun]]
number = 2
medium = { type = "block", path = "/dev/loop0" }
"""

LOOPBACK = 'transport = "loopback"\nport = "naa.5001405000000001"'

BROKEN = TARGET.replace("number = 1", "number = 99999")
COMPLAINT = "/etc/tgtd/targets.d/disks.toml:10:10: "

# What a package has in /usr/bin and Python's own directories, from this tree and its virtual environment.
PROGRAM = """#!/usr/bin/python3
import sys
sys.path[:0] = ["/opt/tgtd", "/opt/packages"]
from {module} import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def systemd(pytestconfig: pytest.Config) -> Iterator[Guest]:
    """A guest that systemd has booted, with tgtd installed and not started."""
    machine = Guest(
        "systemd",
        init="/lib/systemd/systemd",
        prepare=HERE / "prepare-systemd",
        append=f"systemd.unit=guest.target systemd.show_status=0 systemd.log_level=warning GUEST_HERE={HERE}",
    )
    with booted(pytestconfig, machine) as guest:
        packages = next(Path(sys.prefix).glob("lib/python3*/site-packages"))
        guest.run(
            f"mkdir -p /opt/tgtd/tgtd /opt/packages; mount --bind {ROOT}/tgtd /opt/tgtd/tgtd; "
            f"mount --bind {packages} /opt/packages; make -s -C {ROOT} install; "
            "systemd-sysusers tgtd.conf; systemd-tmpfiles --create tgtd.conf; systemctl daemon-reload"
        )
        for name, module in (("tgtd", "tgtd.__main__"), ("tgtctl", "tgtd.cli")):
            (guest.share / name).write_text(PROGRAM.format(module=module))
            guest.run(f"install -m 755 /share/{name} /usr/bin/{name}")
        guest.run(
            "truncate -s 64M /run/loop.img && modprobe loop && losetup /dev/loop0 /run/loop.img && "
            "chgrp disk /dev/loop0 && chmod 660 /dev/loop0"
        )
        yield guest


@pytest.fixture
def unit(systemd: Guest) -> Guest:
    """tgtd.service runs, with a file and a block device."""
    changed = configure(systemd, TARGET + LOOP)
    systemd.run(
        f"systemctl is-active -q tgtd && {'systemctl reload tgtd' if changed else 'true'} || "
        "{ systemctl stop tgtd.socket; systemctl reset-failed tgtd; systemctl start tgtd; }",
        timeout=90,
    )
    return systemd


@pytest.fixture
def stopped(systemd: Guest) -> Guest:
    """Neither tgtd.service nor tgtd.socket runs."""
    systemd.run("systemctl stop tgtd.socket tgtd.service; systemctl reset-failed tgtd", timeout=90, status=None)
    return systemd


def configure(guest: Guest, text: str) -> bool:
    """Whether this is something new."""
    (guest.share / "disks.toml").write_text(text)
    said = guest.run(
        "cd /etc/tgtd/targets.d && { cmp -s /share/disks.toml disks.toml || "
        "{ install -m 644 /share/disks.toml .new && mv .new disks.toml && echo new; }; }"
    ).output
    return "new" in said


def shown(guest: Guest, name: str) -> str:
    """A property of the unit."""
    return guest.run(f"systemctl show --value -p {name} tgtd").output.strip()


def until(guest: Guest, shell: str, patience: float = 120) -> None:
    assert guest.eventually(shell, patience), f"{shell}\n{journal(guest)}"


def journal(guest: Guest) -> str:
    return guest.run("journalctl -b -u tgtd -o cat --no-pager -n 200").output


def test_it_starts_as_its_own_user(unit: Guest) -> None:
    assert shown(unit, "ActiveState") == "active"
    assert "1 target, 2 LUNs" in shown(unit, "StatusText")
    owner = unit.run(f"stat -c %U /proc/{shown(unit, 'MainPID')}").output.strip()
    assert owner == "tgtd"
    assert "0000000000000000" in unit.run(f"grep CapEff /proc/{shown(unit, 'MainPID')}/status").output


def test_it_serves_a_file_and_a_block_device(unit: Guest) -> None:
    """To the same kernel's initiator."""
    unit.run(
        "modprobe -a iscsi_tcp sd_mod ext4; mkdir -p /run/lock/iscsi; iscsid; "
        f"iscsiadm -m discovery -t sendtargets -p 127.0.0.1 && iscsiadm -m node -T {IQN} --login"
    )
    try:
        until(unit, "[ -b /dev/sda ] && [ -b /dev/sdb ]")
        for disk in ("sda", "sdb"):
            unit.run(
                f"mkfs.ext4 -q /dev/{disk} && mount /dev/{disk} /mnt && head -c 8M /dev/urandom >/mnt/file && "
                f"sha256sum /mnt/file >/run/sum && umount /mnt && e2fsck -fn /dev/{disk} && "
                f"mount /dev/{disk} /mnt && sha256sum -c /run/sum; umount /mnt",
                timeout=120,
            )
    finally:
        unit.run("iscsiadm -m node -U all; iscsiadm -m node -o delete", status=None)


def test_reload(unit: Guest) -> None:
    pid = shown(unit, "MainPID")
    configure(unit, TARGET)
    unit.run("systemctl reload tgtd")
    assert "1 target, 1 LUN," in shown(unit, "StatusText")
    configure(unit, BROKEN)
    refused = unit.run("systemctl reload tgtd", status=None)
    assert refused.status != 0
    assert COMPLAINT in journal(unit)
    assert shown(unit, "ActiveState") == "active"
    assert shown(unit, "MainPID") == pid
    configure(unit, TARGET + LOOP)
    unit.run("systemctl reload tgtd")


def test_it_is_restarted_after_kill_9_with_fabrics_of_the_kernel_by_the_drop_in(unit: Guest) -> None:
    """The sandbox lets it at configfs and the rings, and disks are gone when it stops, which it does in time."""
    examples, ours = "/usr/share/doc/tgtd/examples/systemd", "/etc/systemd/system"
    pid = shown(unit, "MainPID")
    unit.run(
        f"modprobe -a target_core_user sd_mod; cp -r {examples}/tgtd.service.d {ours}; systemctl daemon-reload; "
        f"kill -9 {pid}",
        timeout=90,
    )
    try:
        configure(unit, TARGET.replace('portals = ["127.0.0.1:3260"]', LOOPBACK))
        until(unit, f"[ $(systemctl show --value -p MainPID tgtd) != {pid} ] && systemctl is-active tgtd")
        assert int(shown(unit, "NRestarts")) >= 1
        until(unit, "lsscsi | grep tgtd.*/dev/sd")
        unit.run("dd if=$(lsscsi | awk '/tgtd/{print $NF}') of=/dev/null bs=1M count=1 iflag=direct")
        assert "0000000000000002" in unit.run(f"grep CapEff /proc/{shown(unit, 'MainPID')}/status").output
        unit.run("systemctl stop tgtd", timeout=60)
        assert shown(unit, "Result") == "success"
        assert shown(unit, "ActiveState") == "inactive"
        assert "user_" not in unit.run("lsscsi; ls /sys/kernel/config/target/core").output
    finally:
        unit.run(f"rm -r {ours}/tgtd.service.d; systemctl daemon-reload; systemctl stop tgtd", timeout=90)


def test_a_broken_file_at_the_start(stopped: Guest) -> None:
    """The unit fails at once, and says why."""
    configure(stopped, BROKEN)
    before = journal(stopped).count(COMPLAINT)
    assert stopped.run("systemctl start tgtd", status=None, timeout=90).status != 0
    assert journal(stopped).count(COMPLAINT) > before


@pytest.fixture
def activated(systemd: Guest) -> Guest:
    """tgtd.service runs, by its first connection, with systemd's socket, which had been there alone.

    For the watchdog its loop may not stand still for long.
    """
    if systemd.run("systemctl is-active tgtd.socket && systemctl is-active tgtd", status=None).status == 0:
        return systemd
    configure(systemd, TARGET.replace("127.0.0.1:3260", "0.0.0.0:3260"))
    systemd.run(
        "systemctl stop tgtd.socket tgtd.service; systemctl reset-failed tgtd; "
        "mkdir -p /run/systemd/system/tgtd.service.d && "
        "printf '[Service]\\nWatchdogSec=4s\\nTimeoutAbortSec=1s\\n' "
        ">/run/systemd/system/tgtd.service.d/quick.conf && systemctl daemon-reload && "
        "systemctl start tgtd.socket && systemctl is-active tgtd.socket",
        timeout=120,
    )
    assert shown(systemd, "ActiveState") == "inactive"
    systemd.run("exec 3<>/dev/tcp/127.0.0.1/3260")
    until(systemd, "systemctl is-active tgtd")
    systemd.run("mkdir -p /run/lock/iscsi; pidof iscsid >/dev/null || iscsid")
    return systemd


def discovered(guest: Guest) -> str:
    return guest.run("iscsiadm -m discovery -t sendtargets -p 127.0.0.1; iscsiadm -m node -o delete").output


def test_socket_activation(activated: Guest) -> None:
    """The first connection has started the daemon, which has taken systemd's socket over."""
    assert IQN in discovered(activated)


def test_the_watchdog(activated: Guest) -> None:
    """A loop that stands still is noticed, and the daemon started anew, on the same socket."""
    unit = activated
    pid = shown(unit, "MainPID")
    time.sleep(6)
    assert shown(unit, "MainPID") == pid, "it feeds the watchdog while it runs"
    unit.run(f"kill -STOP {pid}")
    until(unit, f"[ $(systemctl show --value -p MainPID tgtd) != {pid} ] && systemctl is-active tgtd")
    assert "Watchdog timeout" in journal(unit)
    assert IQN in discovered(unit)
