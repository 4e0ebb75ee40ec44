"""The running tree: targets, their units and the portals, as they are now. Changed only by tgtd.apply and its steps."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tgtd import __version__, translate
from tgtd.config import model
from tgtd.devices import KINDS
from tgtd.fabrics import Fabrics
from tgtd.identity import derive
from tgtd.net.iscsi.node import Endpoint
from tgtd.net.iscsi.service import IscsiService
from tgtd.notify import InheritedSockets
from tgtd.opening import Shop
from tgtd.scsi.copy.office import CopyOffice
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.lun import Identity, LogicalUnit
from tgtd.scsi.spc.absent import AbsentUnit
from tgtd.scsi.spc.controller import Controller
from tgtd.scsi.target import Target
from tgtd.sides import DistantSide, IscsiSide, Side
from tgtd.units import Unit
from tgtd.workers import Lane


@dataclass(slots=True, eq=False)
class LiveTarget:
    """A target that runs. wish: the configuration it was made by, as far as it has been applied."""

    wish: model.Target
    scsi: Target
    side: Side
    units: dict[int, Unit] = field(default_factory=dict)


class Tree:
    """targets: by name. inherited: listening sockets that systemd passed. fabrics: None where another process serves
    the kernel's."""

    def __init__(
        self,
        shop: Shop,
        service: IscsiService,
        installation: bytes,
        inherited: InheritedSockets,
        fabrics: Fabrics | None = None,
    ) -> None:
        self.shop = shop
        self.service = service
        self.fabrics = fabrics
        self.inherited = inherited
        self.targets: dict[str, LiveTarget] = {}
        self.installation = installation
        self._office = CopyOffice(lambda: [target.scsi for target in self.targets.values()])
        self._idle_lane: Lane = shop.workers.lane(1)

    def units(self) -> Iterator[tuple[LiveTarget, Unit]]:
        for target in list(self.targets.values()):
            for unit in list(target.units.values()):
                yield target, unit

    def identity(self, target: str, wish: model.Lun) -> Identity:
        return derive(self.installation, target, wish.number, wish.identity, KINDS[wish.device].names(wish))

    def make_target(self, wish: model.Target) -> LiveTarget:
        """A target without units, not yet reachable."""
        scsi = Target(wish.name, lambda number: self._placeholder(wish.name, number), self._office)
        scsi.regroup(translate.port_groups(wish))
        return LiveTarget(wish, scsi, self.make_side(wish, scsi))

    def make_side(self, wish: model.Target, scsi: Target) -> Side:
        """By which initiators will reach a target."""
        if wish.fabric is None:
            return IscsiSide(self.service, wish, scsi)
        return DistantSide() if self.fabrics is None else self.fabrics.side(wish, scsi)

    def link(self) -> list[LiveTarget]:
        """Have every shared LUN lead to the unit it is, and devices know of each other; the targets
        for which something changed."""
        for target in self.targets.values():
            find = partial(self._device, target.wish.name)
            for unit in target.units.values():
                unit.device.meet(find)
        changed: dict[LiveTarget, None] = {}
        for target in self.targets.values():
            for number, share in target.wish.shared.items():
                device = self.targets[share.target].units[share.lun].device
                if target.scsi.luns.get(number) is not device:
                    self.withdraw(target, (number,))
                    target.scsi.add_lun(number, device)
                    changed[target] = None
        return list(changed)

    def _device(self, home: str, target: str | None, lun: int) -> AnyDevice | None:
        """As devices of the target `home` call it."""
        there = self.targets.get(home if target is None else target)
        unit = None if there is None else there.units.get(lun)
        return None if unit is None else unit.device

    @staticmethod
    def withdraw(target: LiveTarget, numbers: Iterable[int]) -> None:
        """Take shared LUNs away from a target; the units live on where they belong."""
        for number in numbers:
            if number in target.scsi.luns and number not in target.units:
                target.scsi.remove_lun(number)

    def make_unit(self, target: str, wish: model.Lun) -> Unit:
        return Unit(self.shop, target, wish, self.identity(target, wish))

    def _placeholder(self, target: str, number: int) -> LogicalUnit:
        """What answers where no unit is: the controller at LUN 0, else "not supported" (number -1)."""
        wish = model.IdentityWish(None, None, None, None, None)
        kind = Controller if number == 0 else AbsentUnit
        identity = derive(self.installation, target, number, wish, ("tgtd", "controller", __version__[:4]))
        return kind(identity, self.shop.pool, self._idle_lane)

    def open_portal(self, endpoint: Endpoint) -> None:
        """Listen, on the socket that systemd passed if there is one. Raises OSError."""
        self.service.open_portal(*endpoint, self.inherited.take(*endpoint))


def advice(endpoint: Endpoint, trouble: OSError, inherited: Iterable[Endpoint] = ()) -> str:
    """Why a portal cannot be had, and what to do. inherited: where systemd listens for this daemon."""
    held = [str(model.Portal(*other)) for other in inherited if other[1] == endpoint[1]]
    hints = {
        errno.EADDRINUSE: f"systemd listens on {held[0]} for this daemon: write that as the portal, or change "
        "ListenStream= in tgtd.socket and restart it"
        if held
        else "another program listens there (ss -ltnp shows which): stop it, or choose another port",
        errno.EADDRNOTAVAIL: "no interface of this host has that address: correct it, or set the address up first",
        errno.EACCES: "choose a port above 1023, such as 3260; below, the service needs CAP_NET_BIND_SERVICE",
    }
    text = f"cannot listen on {model.Portal(*endpoint)}: {trouble.strerror or trouble}"
    hint = hints.get(trouble.errno or 0)
    return f"{text}; {hint}" if hint else text
