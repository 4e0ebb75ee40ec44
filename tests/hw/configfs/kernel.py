"""The kernel's target configuration as a directory: what it refuses is what Linux 6.12 refuses.

The rules are those of drivers/target/target_core_configfs.c, target_core_fabric_configfs.c, target_core_user.c and the
fabrics' own files; the guest tests hold loopback, srp and fcoe to the real thing.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from tgtd.hw.configfs.difference import KernelStep, MakeFolder, MakeLink, RemoveFolder, RemoveLink, Write
from tgtd.hw.configfs.item import within
from tgtd.hw.configfs.tree import KernelTree

STORE_FILES = {
    "enable": "0",
    "control": "",
    "wwn/vpd_unit_serial": "T10 VPD Unit Serial Number:",
    "action/reset_ring": "",
    "attrib/dev_config": "",
    "attrib/hw_block_size": "0",
    "attrib/cmd_time_out": "30",
    "attrib/tmr_notification": "0",
    "attrib/alua_support": "1",
}
GROUP_FILES = {
    "loopback": {"nexus": "", "address": "2:0:1"},
    "vhost": {"nexus": ""},
    "srpt": {"enable": "0"},
    "ibmvscsis": {"enable": "0"},
    "fc": {},
    "qla2xxx": {
        "enable": "0",
        "attrib/generate_node_acls": "1",
        "attrib/cache_dynamic_acls": "1",
        "attrib/demo_mode_write_protect": "1",
        "attrib/demo_mode_login_only": "1",
    },
}
_WWPN = re.compile(r"([0-9a-f]{2}:){7}[0-9a-f]{2}")


class Kernel(KernelTree):
    """ports: of real adapters, by fabric: no others can be made there. steps: all that were done."""

    def __init__(self, place: Path, ports: dict[str, set[str]] | None = None) -> None:
        super().__init__(place / "sys/kernel/config/target")
        (self.root / "core").mkdir(parents=True, exist_ok=True)
        self.ports = ports or {}
        self.fabrics = set(GROUP_FILES)
        self.steps: list[KernelStep] = []
        self.broken: str | None = None

    def do(self, step: KernelStep) -> None:
        if self.broken is not None and self.broken in step.path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        {
            MakeFolder: self._mkdir,
            RemoveFolder: self._rmdir,
            Write: self._write,
            MakeLink: self._link,
            RemoveLink: self._unlink,
        }[type(step)](step)
        self.steps.append(step)

    def _refuse(self, number: int) -> None:
        raise OSError(number, os.strerror(number))

    def _mkdir(self, step: MakeFolder) -> None:
        parts = step.path.split("/")
        files: dict[str, str] = {}
        groups: tuple[str, ...] = ()
        if parts[0] == "core":
            if len(parts) == 3:
                files = STORE_FILES
        elif len(parts) == 1:
            if parts[0] not in self.fabrics:
                self._refuse(errno.EINVAL)
            files = {"discovery_auth/rdma_cm_port": "0"} if parts[0] == "srpt" else {}
        elif len(parts) == 2:
            self._check_port(*parts)
        elif len(parts) == 3:
            if parts[0] in {"qla2xxx", "fc"} and parts[2] != "tpgt_1":
                self._refuse(errno.ENOSYS)
            if not re.fullmatch(r"tpgt_[0-9]+", parts[2]):
                self._refuse(errno.EINVAL)
            files, groups = GROUP_FILES[parts[0]], ("lun", "acls", "attrib", "param", "auth")
        elif not re.fullmatch(r"lun_[0-9]+", parts[-1]) and not (len(parts) == 5 and parts[3] == "acls"):
            self._refuse(errno.EINVAL)
        (self.root / step.path).mkdir()
        for group in groups:
            (self.root / step.path / group).mkdir()
        for name, text in files.items():
            (self.root / step.path / name).parent.mkdir(exist_ok=True)
            (self.root / step.path / name).write_text(f"{text}\n" if text else "")

    def _check_port(self, fabric: str, port: str) -> None:
        if fabric in {"qla2xxx", "fc"} and not _WWPN.fullmatch(port):
            self._refuse(errno.EINVAL)
        if fabric in {"loopback", "vhost"} and not port.startswith(("naa.", "fc.", "iqn.")):
            self._refuse(errno.EINVAL)
        if fabric in {"qla2xxx", "ibmvscsis", "srpt"} and port not in self.ports.get(fabric, set()):
            self._refuse(errno.ENODEV if fabric == "qla2xxx" else errno.EINVAL)

    def _rmdir(self, step: RemoveFolder) -> None:
        place = self.root / step.path
        there = self.take()
        if any(within(path, step.path) and path != step.path for path in there.folders):
            self._refuse(errno.ENOTEMPTY)
        if any(within(path, step.path) or within(to, step.path) for path, to in there.links.items()):
            self._refuse(errno.EBUSY)
        shutil.rmtree(place)

    def _write(self, step: Write) -> None:
        place = self.root / step.path
        if not place.is_file():
            self._refuse(errno.EACCES)
        before = place.read_text().strip()
        name = place.name
        store = "/".join(step.path.split("/")[:3])
        if name in {"cmd_time_out", "vpd_unit_serial"} and store in self.take().links.values():
            self._refuse(errno.EINVAL)
        if name == "enable" and step.text == before == "1":
            self._refuse(errno.EEXIST)
        if name == "nexus" and before:
            self._refuse(errno.EEXIST)
        if name == "control":
            self._control(store, step.text)
        if name == "vpd_unit_serial":
            place.write_text(f"T10 VPD Unit Serial Number: {step.text}\n")
        elif name != "control":
            place.write_text(f"{step.text}\n")

    def _control(self, store: str, text: str) -> None:
        for option in text.split(","):
            key, _, value = option.partition("=")
            if key in {"dev_config", "hw_block_size"}:
                (self.root / store / "attrib" / key).write_text(f"{value}\n")

    def _link(self, step: MakeLink) -> None:
        if not (self.root / step.to).is_dir():
            self._refuse(errno.ENOENT)
        group = "/".join(step.path.split("/")[:3])
        if step.to.startswith("core/"):
            if (self.root / step.to / "enable").read_text().strip() != "1":
                self._refuse(errno.ENODEV)
            if step.path.split("/")[0] in {"loopback", "vhost"} and not (self.root / group / "nexus").read_text():
                self._refuse(errno.ENODEV)
        elif not within(step.to, f"{group}/lun") or not any(p.is_symlink() for p in (self.root / step.to).iterdir()):
            self._refuse(errno.EINVAL)
        place = self.root / step.path
        place.symlink_to(os.path.relpath(self.root / step.to, place.parent))

    def _unlink(self, step: RemoveLink) -> None:
        if any(within(to, os.path.dirname(step.path)) for to in self.take().links.values()):
            self._refuse(errno.EBUSY)
        (self.root / step.path).unlink()
