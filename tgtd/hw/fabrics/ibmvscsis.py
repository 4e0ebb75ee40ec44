"""ibmvscsis: virtual SCSI of IBM Power partitions. The client partition reaches this one through the hypervisor.

The port is the unit address of a VIO server adapter, as its device is called below /sys/bus/vio/devices. There are no
access lists: the hypervisor's profile says which partition is at the other end. The kernel makes the nexus itself when
the client logs in, and takes no client while the port group is not enabled.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgtd.hw.configfs.item import Item
from tgtd.hw.fabrics.fabric import Fabric, Port, enable
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack

_BUS = "sys/bus/vio"


class Ibmvscsis(Fabric):
    folder = "ibmvscsis"
    module = "ibmvscsis"

    def after_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield enable(group)

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        if not host.has(_BUS):
            return Lack(
                "this machine has no VIO bus",
                "ibmvscsis is for partitions of IBM Power systems; choose another transport",
            )
        if host.has(f"{_BUS}/drivers/ibmvscsis/{name}"):
            return None
        others = [one for one in host.names(f"{_BUS}/drivers/ibmvscsis") if one.isalnum() and one[0].isdigit()]
        if host.has(f"{_BUS}/devices/{name}"):
            return self.lack_of_module(host) or Lack(
                f"the virtual device {name} is not a server adapter",
                f"write one of {', '.join(others)}"
                if others
                else "add a virtual SCSI server adapter to this partition",
            )
        return Lack(
            f"this partition has no VIO server adapter {name}",
            "add a virtual SCSI server adapter to its profile (HMC, or IVM)"
            + (f", or write one of {', '.join(others)}" if others else ""),
        )

    def state(self, host: Host, name: str) -> str:
        text = host.text(f"sys/kernel/config/target/{self.group(name)}/enable")
        return {"1": "enabled, the client partition may log in", "0": "not enabled"}.get(text or "", "not set up")


FABRIC = Ibmvscsis()
