"""The side of a target that its initiators see: on the network, on a fabric of the kernel (fabrics.py), or in another
process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tgtd import translate
from tgtd.config import model
from tgtd.net.iscsi.node import IscsiTarget
from tgtd.net.iscsi.service import IscsiService
from tgtd.net.iscsi.session import Session
from tgtd.scsi.target import Target


class Side(Protocol):
    """All of it from the loop thread."""

    @property
    def sessions(self) -> Sequence[Session]: ...

    @property
    def settling(self) -> bool:
        """On the way to what is wished."""

    @property
    def cause(self) -> str | None:
        """Why initiators cannot come, with what to do; None: they can, or should not."""

    def show(self) -> None:
        """The target is there, and initiators may come."""

    def hide(self) -> None:
        """The target is gone."""

    def change(self, wish: model.Target) -> None:
        """What new initiators find; see `recheck` for those that are there."""

    def recheck(self) -> list[str]:
        """Log out those that may no longer be there; who they are."""

    def refresh(self) -> None:
        """There may be other LUNs than before."""

    def status(self) -> dict[str, object] | None:
        """What tgtctl shows besides; None: nothing."""


class IscsiSide:
    """A target node of the iSCSI service."""

    settling = False
    cause = None

    def __init__(self, service: IscsiService, wish: model.Target, scsi: Target) -> None:
        self._service = service
        self.node = IscsiTarget(scsi)
        self.change(wish)

    @property
    def sessions(self) -> Sequence[Session]:
        return list(self.node.sessions.values())

    def show(self) -> None:
        self._service.add_target(self.node)

    def hide(self) -> None:
        self._service.remove_target(self.node.name)

    def change(self, wish: model.Target) -> None:
        node = self.node
        node.alias = wish.alias
        node.portals = translate.endpoints(wish.portals)
        node.tags = translate.tags(wish)
        node.access = translate.access(wish.access)
        node.redirect = translate.redirect(wish.redirect)
        node.settings = translate.session_settings(wish.iscsi)
        node.views = translate.views(wish.views)
        node.online = wish.online

    def recheck(self) -> list[str]:
        return [session.describe() for session in self._service.recheck(self.node)]

    def refresh(self) -> None:
        """Sessions see the target's LUNs as they are."""

    def status(self) -> None:
        return None


class DistantSide:
    """A target on a fabric of the kernel, in the process that only directs: a worker serves it."""

    sessions: Sequence[Session] = ()
    settling = False
    cause = None

    def show(self) -> None:
        """The worker does."""

    def hide(self) -> None:
        """The worker does."""

    def change(self, wish: model.Target) -> None:
        """The worker does."""

    def recheck(self) -> list[str]:
        return []

    def refresh(self) -> None:
        """There are no LUNs here."""

    def status(self) -> None:
        return None
