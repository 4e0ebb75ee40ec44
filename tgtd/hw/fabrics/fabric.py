"""What all fabrics have in common: a port, one port group in it, LUNs, and initiators with what they see. Pure.

The kernel's layout (drivers/target/target_core_fabric_configfs.c): FABRIC/PORT/tpgt_1/lun/lun_N links to a backstore,
and, with fabrics that know initiators, .../acls/INITIATOR/lun_M links to the lun_N that this initiator sees as M.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tgtd.hw.configfs.item import Folder, Item, Link, Value
from tgtd.hw.fabrics.host import Host
from tgtd.hw.lack import Lack

LINK = "tgtd"
"""What our links are called; any name will do."""


@dataclass(frozen=True, slots=True)
class Port:
    """A target as a fabric is to lay it out. name: the port's, as the kernel writes it. luns: number → path of the
    backstore. initiators: each with what it sees: its number → that of the target. door: others get in too, and see
    all. rdma_port: TCP port for connections that RDMA sets up by IP addresses, 0: none."""

    name: str
    luns: Mapping[int, str]
    initiators: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    door: bool = field(default=False, kw_only=True)
    rdma_port: int = field(default=0, kw_only=True)


class Fabric(ABC):
    """folder: below the root of the kernel's configuration. module: which brings it."""

    folder: str
    module: str

    def group(self, name: str) -> str:
        """The port group of a port."""
        return f"{self.folder}/{name}/tpgt_1"

    def items(self, port: Port) -> Iterator[Item]:
        """The port's layout, in the order in which it is made. A port without LUNs is none."""
        if not port.luns:
            return
        group = self.group(port.name)
        yield Folder(self.folder)
        yield from self.at_first(port)
        yield Folder(f"{self.folder}/{port.name}")
        yield Folder(group)
        yield from self.before_luns(port, group)
        for number, store in sorted(port.luns.items()):
            yield Folder(f"{group}/lun/lun_{number}")
            yield Link(f"{group}/lun/lun_{number}/{LINK}", store)
        for initiator, seen in sorted(port.initiators.items()):
            yield Folder(f"{group}/acls/{initiator}")
            for number, lun in sorted(seen.items()):
                if lun in port.luns:
                    yield Folder(f"{group}/acls/{initiator}/lun_{number}")
                    yield Link(f"{group}/acls/{initiator}/lun_{number}/{LINK}", f"{group}/lun/lun_{lun}")
        yield from self.after_luns(port, group)

    def at_first(self, port: Port) -> Iterator[Item]:
        """What concerns the fabric as a whole."""
        return iter(())

    def before_luns(self, port: Port, group: str) -> Iterator[Item]:
        """What has to be there before the first LUN."""
        return iter(())

    def after_luns(self, port: Port, group: str) -> Iterator[Item]:
        """What comes last, so that initiators find everything at once."""
        return iter(())

    def lack(self, host: Host, name: str) -> Lack | None:
        """What is missing on this machine for a port of that name."""
        return host.lack_of_target_core() or self.lack_of_port(host, name) or self.lack_of_module(host)

    def lack_of_module(self, host: Host) -> Lack | None:
        if host.has_fabric(self.folder) or host.has_module(self.module):
            return None
        return Lack(
            f"the kernel has no fabric {self.folder}",
            f"load it: modprobe {self.module} (and write {self.module} into /etc/modules-load.d/tgtd.conf)",
        )

    @abstractmethod
    def lack_of_port(self, host: Host, name: str) -> Lack | None:
        """What is missing of the hardware, or of what stands for it."""

    @abstractmethod
    def state(self, host: Host, name: str) -> str:
        """How the port is, in a few words, as the machine says it."""


def enable(group: str) -> Item:
    """Where a port group can be switched off: on, last of all."""
    return Value(f"{group}/enable", "1")


def nexus(port: Port, group: str) -> Item:
    """The initiator of a port that has just one, which is this machine itself."""
    return Value(f"{group}/nexus", initiator_of(port.name), any=True)


def initiator_of(name: str) -> str:
    """A name for it that no real port has: NAA 3h, locally assigned (SPC-5 7.7.6.6.3), with a hash of the port's."""
    return f"naa.3{hashlib.sha256(name.encode()).hexdigest()[:15]}"
