"""From the words of the configuration to those of the transports. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tgtd.config import model
from tgtd.hw.fabrics.fabric import Port
from tgtd.net.iscsi import settings
from tgtd.net.iscsi.node import Endpoint
from tgtd.scsi.access import STATE_NAMES, PortGroup

_SETTINGS = tuple(field.name for field in dataclasses.fields(settings.Settings))
_DIGESTS = {"none": "None", "crc32c": "CRC32C"}
"""RFC 7143 13.1 writes them so on the wire."""


def access(wish: model.Access) -> settings.Access:
    chap = wish.chap
    outgoing = chap.outgoing
    return settings.Access(
        anyone=wish.anyone,
        initiators=wish.initiators,
        networks=wish.addresses,
        chap=settings.Chap(
            incoming={entry.user: entry.secret.value for entry in chap.incoming},
            outgoing=None if outgoing is None else settings.Credentials(outgoing.user, outgoing.secret.value),
            algorithms=chap.algorithms,
        ),
    )


def session_settings(wish: model.Iscsi) -> settings.Settings:
    values = {name: getattr(wish, name) for name in _SETTINGS}
    for name in ("header_digest", "data_digest"):
        values[name] = tuple(_DIGESTS[word] for word in values[name])
    return settings.Settings(**values)


def redirect(wish: model.Redirect | None) -> settings.Redirect | None:
    return None if wish is None else settings.Redirect(wish.address, wish.permanent)


def views(wishes: tuple[model.LunView, ...]) -> tuple[settings.View, ...]:
    return tuple(settings.View(wish.initiators, wish.luns) for wish in wishes)


def endpoints(portals: tuple[model.Portal, ...]) -> tuple[Endpoint, ...]:
    return tuple((portal.address, portal.port) for portal in portals)


def tags(wish: model.Target) -> tuple[int, ...]:
    """The portal group tag of each of the target's portals."""
    return tuple(group.tag for group in wish.groups for _ in group.portals)


def port_groups(wish: model.Target) -> tuple[PortGroup, ...] | None:
    """As the SCSI target has them; None: none are declared."""
    if not wish.groups:
        return None
    return tuple(
        PortGroup(group.tag, STATE_NAMES[group.state], group.preferred, group.explicit) for group in wish.groups
    )


def limits(wish: model.Limits) -> settings.Limits:
    return settings.Limits(
        connections=wish.connections,
        connections_per_address=wish.connections_per_address,
        sessions=wish.sessions,
        login_timeout=wish.login_timeout,
    )


def fabric_port(wish: model.Target, stores: Mapping[int, str]) -> Port:
    """A target as a fabric of the kernel is to lay it out. stores: paths of its backstores, by LUN; while the target is
    offline, none are linked."""
    assert wish.fabric is not None
    seen = {name: {number: number for number in stores} for name in wish.access.initiators}
    for view in reversed(wish.views):
        for name in view.initiators:
            if name in seen or wish.access.anyone:
                seen[name] = dict(view.luns)
    return Port(
        wish.fabric.port,
        stores if wish.online else {},
        seen,
        door=wish.access.anyone,
        rdma_port=wish.fabric.rdma_cm_port,
    )
