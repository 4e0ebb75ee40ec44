"""A daemon's inside with a kernel of the test's own: targets on fabrics, and the rings of their backstores."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tests.hw.configfs.kernel import Kernel
from tests.hw.fabrics.conftest import Machine
from tests.hw.tcmu.kernel import Kernel as RingKernel
from tests.hw.tcmu.serving import MadeDevice
from tests.inside import IQN, Inside
from tgtd.fabrics import Fabrics, FabricSide
from tgtd.hw.fabrics.host import Host

NAA = "naa.5001405000000001"


class Ring(MadeDevice):
    """The ring of a backstore, with a descriptor that a loop can watch. used: bytes of answers of TEST UNIT READY."""

    def __init__(self, store: Path) -> None:
        super().__init__(RingKernel(size=16384))
        self.store = store
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)

    def hear(self) -> None:
        super().hear()
        os.eventfd_read(self.fd)

    def close(self) -> None:
        if not self.closed:
            os.close(self.fd)
        super().close()

    def ask(self, site: Inside, cdb: bytes, room: int = 0) -> int:
        """The status of a command."""
        number = self.kernel.put(cdb, None, room)
        assert number is not None
        os.eventfd_write(self.fd, 1)
        site.turn_until(lambda: number in self.kernel.answers)
        return self.kernel.answers.pop(number).status


class BesideKernel(Inside):
    """rings: those that are open, by LUN. before_link: called when a LUN joins, as the kernel scans it then."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        machine = Machine(place / "root")
        self.kernel = Kernel(machine.root, {"ibmvscsis": {"30000003"}})
        self.rings: dict[int, Ring] = {}
        self.held: set[str] = set()
        self.fabrics = self.another()
        self.tree.fabrics = self.fabrics
        self.machine = machine

    def another(self) -> Fabrics:
        """What a process begins with."""
        host = Host(self.kernel.root.parents[3])
        workers, pool = self.tree.shop.workers, self.tree.shop.pool
        return Fabrics(workers, pool, b"i" * 16, host, self.kernel, self._open)  # type: ignore[arg-type]

    def _open(self, store: Path) -> Ring:
        if store.name in self.held:
            raise OSError(errno.EBUSY, "another program serves it")
        ring = Ring(store)
        self.rings[int(store.name.rpartition("_")[2])] = ring
        return ring

    def target(self, *luns: str, port: str = NAA, transport: str = "loopback", more: str = "", name: str = IQN) -> None:
        text = f'[[target]]\nname = "{name}"\ntransport = "{transport}"\nport = "{port}"\n{more}\n'
        file = self.config / f"targets.d/{name[-1]}.toml"
        file.write_text(text + "access = { anyone = true }\n" + "\n".join(luns))

    @property
    def side(self) -> FabricSide:
        side = self.tree.targets[IQN].side
        assert isinstance(side, FabricSide)
        return side

    def settled(self) -> None:
        self.turn_until(lambda: not any(target.side.settling for target in self.tree.targets.values()))

    def linked(self) -> dict[str, str]:
        """LUNs in the kernel: where, and what they lead to."""
        return dict(self.kernel.take().links)
