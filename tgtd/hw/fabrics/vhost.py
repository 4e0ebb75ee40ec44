"""vhost (vhost_scsi): virtual machines of this host, by QEMU's vhost-scsi-pci with the port as its wwpn.

The port is any NAA name. There are no access lists: whoever may start the virtual machine decides.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgtd.hw.configfs.item import Item
from tgtd.hw.fabrics.fabric import Fabric, Port, nexus
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack


class Vhost(Fabric):
    folder = "vhost"
    module = "vhost_scsi"

    def before_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield nexus(port, group)

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        return None

    def state(self, host: Host, name: str) -> str:
        if not host.has_fabric(self.group(name)):
            return "not set up"
        return "ready for QEMU: -device vhost-scsi-pci,wwpn=" + name


FABRIC = Vhost()
