"""What this machine has, as sysfs and configfs show it. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tgtd.hw.lack import DROP_IN, Lack

_LOAD = "load it: modprobe target_core_user (and write target_core_user into /etc/modules-load.d/tgtd.conf)"


class Host:
    """root: another directory that looks like / to a test."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self.configuration = root / "sys/kernel/config/target"

    def text(self, path: str) -> str | None:
        """What a file says, without its end of line; None: there is none, or it cannot be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """What is in a directory; nothing where there is none."""
        try:
            return sorted(os.listdir(self.root / path))
        except OSError:
            return []

    def has(self, path: str) -> bool:
        return (self.root / path).exists()

    def has_module(self, name: str) -> bool:
        return self.has(f"sys/module/{name}")

    def has_fabric(self, folder: str) -> bool:
        return (self.configuration / folder).is_dir()

    def lack_of_target_core(self) -> Lack | None:
        """What is missing before any fabric: configfs, the target core, TCMU, the right to write."""
        if not self.configuration.is_dir():
            if not self.has("sys/kernel/config"):
                return Lack("this kernel has no configfs", "load it: modprobe configfs")
            if not self.names("sys/kernel/config") and not (self.root / "sys/kernel/config").is_mount():
                return Lack("configfs is not mounted", "mount it: mount -t configfs none /sys/kernel/config")
            return Lack("the kernel's target core is not loaded", _LOAD)
        if not self.has_module("target_core_user"):
            return Lack("the kernel's TCMU, which hands commands to tgtd, is not loaded", _LOAD)
        if not os.access(self.configuration / "core", os.W_OK, effective_ids=True):
            return Lack(f"tgtd may not write to {self.configuration}", DROP_IN)
        return None

    def fibre_channel(self) -> Iterator[tuple[str, str, str]]:
        """The ports of Fibre Channel: the SCSI host, its port name as the kernel's fabrics write it, its state."""
        for host in self.names("sys/class/fc_host"):
            name = self.text(f"sys/class/fc_host/{host}/port_name")
            if name is not None:
                state = self.text(f"sys/class/fc_host/{host}/port_state") or "unknown"
                yield host, colons(name), state.lower()

    def driver_of(self, host: str) -> str:
        """The driver of the device that an FC host is on: fc_host/host3 -> DEVICE/host3/fc_host/host3."""
        device = (self.root / "sys/class/fc_host" / host).resolve().parents[2]
        return (device / "driver").resolve().name

    def rdma(self) -> Iterator[tuple[str, str, str]]:
        """The ports of RDMA devices: device/port, its first GID as the kernel's SRP target writes it, its state."""
        for device in self.names("sys/class/infiniband"):
            for port in self.names(f"sys/class/infiniband/{device}/ports"):
                place = f"sys/class/infiniband/{device}/ports/{port}"
                gid = self.text(f"{place}/gids/0")
                if gid is not None:
                    state = (self.text(f"{place}/state") or "unknown").rpartition(": ")[2]
                    yield f"{device}/{port}", "0x" + gid.replace(":", ""), state.lower()


def colons(name: str) -> str:
    """ "0x21000024ff314c48" as "21:00:00:24:ff:31:4c:48"."""
    digits = name.removeprefix("0x")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
