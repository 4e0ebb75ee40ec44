"""srp (ib_srpt): SCSI RDMA protocol over InfiniBand, and over RoCE and iWARP by RDMA's connection manager.

The port is the first GID of an RDMA port. There is no open door: only initiators that are named get in, by their SRP
port identifier: Linux's is 64 bits of zero and the GUID of its port. The TCP port of the connection manager counts for
all of the fabric; InfiniBand's own needs none.
"""

from __future__ import annotations

from collections.abc import Iterator

from tgtd.hw.configfs.item import Item, Value
from tgtd.hw.fabrics.fabric import Fabric, Port, enable
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack


class Srp(Fabric):
    folder = "srpt"
    module = "ib_srpt"

    def at_first(self, port: Port) -> Iterator[Item]:
        if port.rdma_port:
            yield Value(f"{self.folder}/discovery_auth/rdma_cm_port", str(port.rdma_port))

    def after_luns(self, port: Port, group: str) -> Iterator[Item]:
        yield enable(group)

    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        ports = [gid for _, gid, _ in host.rdma()]
        if name in ports:
            return None
        if ports:
            return Lack(f"this machine has no RDMA port {name}", f"write one of {', '.join(ports)}")
        return Lack(
            "this machine has no RDMA port",
            "load its driver; over plain Ethernet: modprobe rdma_rxe; rdma link add rxe0 type rxe netdev INTERFACE",
        )

    def state(self, host: Host, name: str) -> str:
        return next((f"{at} is {state}" for at, gid, state in host.rdma() if gid == name), "not there")


FABRIC = Srp()
