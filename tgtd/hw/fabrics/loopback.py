"""loopback (tcm_loop): the initiator is this machine itself, as SAS; its LUNs appear as local SCSI devices.

The port is any NAA name. Linking a LUN scans it before the link is made, so its ring is served by then. There are no
access lists.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgtd.hw.configfs.item import Item
from tgtd.hw.fabrics.fabric import Fabric, Port, nexus
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack


class Loopback(Fabric):
    folder = "loopback"
    module = "tcm_loop"

    def before_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield nexus(port, group)

    def lack_of_module(self, host: Host) -> Lack | None:
        """The kernel loads this one itself, when its directory is made."""
        return None

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        return None

    def state(self, host: Host, name: str) -> str:
        address = host.text(f"sys/kernel/config/target/{self.group(name)}/address")
        return f"SCSI host and target {address} of this machine" if address else "not set up"


FABRIC = Loopback()
