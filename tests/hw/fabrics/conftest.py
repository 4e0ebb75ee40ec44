from __future__ import annotations

from pathlib import Path

import pytest


class Machine:
    """A directory that looks like the root of a machine, with the target core loaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("sys/module/target_core_user/x")
        self.make("sys/kernel/config/target/core")

    def write(self, path: str, text: str = "") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(f"{text}\n")

    def make(self, path: str) -> None:
        (self.root / path).mkdir(parents=True, exist_ok=True)

    def fc_host(self, name: str, port: str, driver: str) -> None:
        """An FC host as sysfs has it: a device with a driver, and a link to it from its class."""
        device = f"sys/devices/{name}"
        place = f"{device}/{name}/fc_host/{name}"
        self.write(f"{place}/port_name", port)
        self.write(f"{place}/port_state", "Online")
        self.make(f"sys/bus/drivers/{driver}")
        self.make("sys/class/fc_host")
        (self.root / device / "driver").symlink_to(self.root / f"sys/bus/drivers/{driver}")
        (self.root / "sys/class/fc_host" / name).symlink_to(self.root / place)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")
