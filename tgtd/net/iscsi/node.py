"""An iSCSI target node: a SCSI target with what iSCSI adds to it (RFC 7143 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tgtd.net.iscsi.settings import Access, Redirect, Settings, View
from tgtd.scsi.target import LunMap, Target

if TYPE_CHECKING:
    from tgtd.net.iscsi.session import Session

Endpoint = tuple[str, int]
"""(address, port); "0.0.0.0" and "::" are wildcards."""

PLAIN_TAG = 1
"""The portal group tag of a target whose groups nobody has declared."""

WILDCARDS = {"0.0.0.0": 4, "::": 6}


@dataclass(slots=True, eq=False)
class IscsiTarget:
    """Everything but `scsi` may be assigned live; call IscsiService.recheck afterwards.

    tags: the portal group tag of each of `portals`, in their order; empty: all are in group 1. online: false hides it
    and refuses logins. sessions: by (initiator, ISID, portal group tag), the ends of an I_T nexus (RFC 7143 4.4.1).
    """

    scsi: Target
    alias: str = ""
    portals: tuple[Endpoint, ...] = ()
    tags: tuple[int, ...] = ()
    access: Access = field(default_factory=Access)
    settings: Settings = field(default_factory=Settings)
    redirect: Redirect | None = None
    views: tuple[View, ...] = ()
    online: bool = True
    sessions: dict[tuple[str, int, int], Session] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.scsi.name

    def view(self, initiator: str) -> LunMap | None:
        """Which units this initiator sees; None: all."""
        for view in self.views:
            if view.matches(initiator):
                return view.luns
        return None

    def listens_at(self, local: Endpoint) -> bool:
        """Is (address, port) of a connection one of this target's portals?"""
        return self.tag_at(local) is not None

    def tag_at(self, local: Endpoint) -> int | None:
        """The tag of the portal group that a connection came in by; None: by none of this target's."""
        address, port = local
        family = 6 if ":" in address else 4
        for index, (where, wanted) in enumerate(self.portals):
            if port == wanted and (WILDCARDS.get(where) == family or ip_address(where) == ip_address(address)):
                return self.tags[index] if self.tags else PLAIN_TAG
        return None

    def portal_groups(self) -> dict[int, tuple[Endpoint, ...]]:
        """The portals of each group, by its tag."""
        found: dict[int, tuple[Endpoint, ...]] = {}
        for index, portal in enumerate(self.portals):
            tag = self.tags[index] if self.tags else PLAIN_TAG
            found[tag] = (*found.get(tag, ()), portal)
        return found
