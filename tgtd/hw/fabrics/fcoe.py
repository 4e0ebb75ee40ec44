"""fcoe (tcm_fc, which calls itself fc): Fibre Channel by libfc, so over Ethernet, in fabric or VN2VN mode.

The port is the WWPN of an FC host of this machine, of a kind that libfc drives. There is no open door: only initiators
that are named get in, each by its WWPN.
"""

from __future__ import annotations

from tgtd.hw.fabrics.fabric import Fabric
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack


class Fcoe(Fabric):
    folder = "fc"
    module = "tcm_fc"

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        ports = [port for _, port, _ in host.fibre_channel()]
        if name in ports:
            return None
        others = f", or write one of {', '.join(ports)}" if ports else ""
        return Lack(
            f"this machine has no Fibre Channel port {name}",
            f"make it: modprobe fcoe; echo INTERFACE >/sys/bus/fcoe/ctlr_create{others}",
        )

    def state(self, host: Host, name: str) -> str:
        return next((f"{at} is {state}" for at, port, state in host.fibre_channel() if port == name), "not there")


FABRIC = Fcoe()
