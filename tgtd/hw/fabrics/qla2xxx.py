"""qla2xxx (tcm_qla2xxx): Fibre Channel by Qlogic's adapters, in target mode.

The port is the adapter's WWPN. Initiators are WWPNs; without a list whoever the fabric's zones let through gets in,
which takes four attributes: the kernel's own ideas of that are that such guests may log in and no more.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgtd.hw.configfs.item import Item, Value
from tgtd.hw.fabrics.fabric import Fabric, Port, enable
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack

_MODE = "sys/module/qla2xxx/parameters/qlini_mode"


class Qla2xxx(Fabric):
    folder = "qla2xxx"
    module = "tcm_qla2xxx"

    def before_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield Value(f"{group}/attrib/generate_node_acls", str(int(port.door)))
        yield Value(f"{group}/attrib/cache_dynamic_acls", str(int(port.door)))
        yield Value(f"{group}/attrib/demo_mode_write_protect", "0")
        yield Value(f"{group}/attrib/demo_mode_login_only", "0")

    def after_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield enable(group)

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        if not host.has_module("qla2xxx"):
            return Lack("the driver of Qlogic's adapters is not loaded", "load it: modprobe qla2xxx")
        ports = [port for at, port, _ in host.fibre_channel() if host.driver_of(at) == "qla2xxx"]
        if name not in ports:
            return Lack(
                f"this machine has no Qlogic port {name}",
                f"write one of {', '.join(ports)}" if ports else "put the adapter in, or choose another transport",
            )
        if host.text(_MODE) == "enabled":
            return Lack(
                "the Qlogic driver is an initiator only (qlini_mode is enabled)",
                "write options qla2xxx qlini_mode=disabled into /etc/modprobe.d/tgtd.conf, make the initramfs anew, "
                "restart the machine",
            )
        return None

    def state(self, host: Host, name: str) -> str:
        return next((f"{at} is {state}" for at, port, state in host.fibre_channel() if port == name), "not there")


FABRIC = Qla2xxx()
