"""What the daemon is doing, as data for tgtctl: produced piece by piece, so that 10,000 LUNs do not hold up the
loop."""

from __future__ import annotations

import dataclasses
import json
import operator
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tgtd import __version__, encrypting, pools, protecting
from tgtd.config import model
from tgtd.net.iscsi.session import Session
from tgtd.scsi.access import ALTERED_BY_COMMAND
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.reservation.transportid import describe
from tgtd.tree import LiveTarget, Tree
from tgtd.units import Unit, UnitState

_MOST_WORRIES = 8


@dataclass(slots=True)
class Reload:
    """What became of a reload. result: "applied", "nothing" (to do) or "refused". by: who asked. time: seconds since
    the epoch. steps: what was done, in words."""

    result: str
    by: str
    time: float
    steps: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        return {
            "result": self.result,
            "by": self.by,
            "time": self.time,
            "steps": list(self.steps),
            "errors": list(self.errors),
            "warnings": list(self.warnings),
        }


@dataclass(slots=True)
class Health:
    """The daemon's own state. started: seconds since the epoch. generation: how many configurations were applied.

    epoch: when the loop's clock was zero, in seconds since the epoch. Asked once, so that what is shown of one moment
    is the same each time.
    """

    started: float = field(default_factory=time.time)
    epoch: float = field(default_factory=lambda: time.time() - time.monotonic())
    state: str = "starting"
    generation: int = 0
    last_reload: Reload | None = None


@dataclass(slots=True)
class Census:
    """How many of what there are. waiting: targets that initiators cannot reach yet, whatever their LUNs are. The four
    before it, since the start or at the moment, are for those who look closer."""

    targets: int = 0
    luns: int = 0
    online: int = 0
    pending: int = 0
    offline: int = 0
    sessions: int = 0
    connections: int = 0
    refused_logins: int = 0
    callback_failures: int = 0
    worker_threads: int = 0
    buffer_bytes: int = 0
    waiting: int = 0

    def __add__(self, other: Census) -> Census:
        return Census(*map(operator.add, dataclasses.astuple(self), dataclasses.astuple(other)))

    @classmethod
    def take(cls, tree: Tree) -> Census:
        states = [unit.state for _, unit in tree.units()]
        return cls(
            targets=len(tree.targets),
            luns=len(states),
            online=states.count(UnitState.ONLINE),
            pending=states.count(UnitState.PENDING),
            offline=states.count(UnitState.OFFLINE),
            sessions=len(tree.service.sessions),
            connections=len(tree.service.connections),
            refused_logins=tree.service.refusals,
            callback_failures=tree.shop.workers.loop.failures,
            worker_threads=tree.shop.workers.threads,
            buffer_bytes=tree.shop.pool.used,
            waiting=sum(target.side.cause is not None for target in tree.targets.values()),
        )

    def summary(self) -> str:
        """One line, for systemd."""
        return f"{self.inventory()}, {counted(self.sessions, 'session')}"

    def inventory(self) -> str:
        """Targets and LUNs, and how many of them initiators cannot use yet."""
        asleep = [f"{n} {word}" for n, word in ((self.pending, "pending"), (self.offline, "offline")) if n]
        luns = counted(self.luns, "LUN") + (f" ({', '.join(asleep)})" if asleep else "")
        targets = counted(self.targets, "target") + (f" ({self.waiting} pending)" if self.waiting else "")
        return f"{targets}, {luns}"


def entrances(tree: Tree, census: Census) -> list[str]:
    """Where initiators come in: portals, and ports of the kernel's fabrics that are set up.

    While targets that workers serve are pending, nobody here knows which, and no port is named.
    """
    found = sorted(str(model.Portal(*endpoint)) for endpoint in tree.service.portals)
    if tree.fabrics is None and census.waiting:
        return found
    for target in tree.targets.values():
        fabric = target.wish.fabric
        if fabric is not None and target.wish.online and target.side.cause is None:
            found.append(f"{target.wish.transport} {fabric.port}")
    return found


def pieces(tree: Tree, health: Health) -> Iterator[str]:
    """The JSON text of `tgtctl status` where one process does everything."""
    return framed(overview(tree, health, Census.take(tree)), "targets", target_rows(tree, health))


def framed(head: Mapping[str, object], name: str, rows: Iterator[str]) -> Iterator[str]:
    """The JSON text of an object: what is in head, and one more list, of whose inside `rows` are the pieces."""
    text = json.dumps(head)[:-1]
    yield f'{text}{", " if head else ""}"{name}": ['
    yield from rows
    yield "]}"


def target_rows(
    tree: Tree, health: Health, worker: int | None = None, names: Iterable[str] | None = None
) -> Iterator[str]:
    """Targets, by default all, with their LUNs and sessions. worker: that serves them; None: the main process."""
    separator = ""
    for target in [tree.targets[name] for name in (tree.targets if names is None else names)]:
        yield separator + json.dumps(target_row(target, worker))[:-1] + ', "luns": ['
        separator = ", "
        yield from _joined(json.dumps(unit_row(unit)) for unit in list(target.units.values()))
        yield '], "sessions": ['
        yield from _joined(json.dumps(session_row(one, health)) for one in target.side.sessions)
        yield "]}"


def session_rows(tree: Tree, health: Health, worker: int | None = None) -> Iterator[str]:
    """All sessions, those for discovery too."""
    return _joined(json.dumps(session_row(one, health)) for one in list(tree.service.sessions.values()))


def _joined(rows: Iterator[str]) -> Iterator[str]:
    separator = ""
    for row in rows:
        yield separator + row
        separator = ", "


def overview(
    tree: Tree, health: Health, census: Census, workers: Sequence[Mapping[str, object]] = ()
) -> dict[str, object]:
    """Everything but the targets. workers: a row for each worker process."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": health.started,
        "state": health.state,
        "generation": health.generation,
        "last_reload": None if health.last_reload is None else health.last_reload.as_dict(),
        "portals": [str(model.Portal(*endpoint)) for endpoint in tree.service.portals],
        "io_uring": tree.shop.workers.io_uring,
        "counters": dataclasses.asdict(census),
        "workers": list(workers),
    }


def target_row(target: LiveTarget, worker: int | None = None) -> dict[str, object]:
    """A target without its LUNs and sessions. worker: the number of its process; null: the main one."""
    wish = target.wish
    return {
        "name": wish.name,
        "alias": wish.alias,
        "transport": wish.transport,
        "online": wish.online,
        "portals": [str(portal) for portal in wish.portals],
        "fabric": target.side.status(),
        "port_groups": [
            {
                "tag": group.tag,
                "portals": [str(portal) for portal in group.portals],
                "state": group.state,
                "preferred": group.preferred,
            }
            for group in wish.groups
        ],
        "shared_luns": [
            {"number": share.number, "target": share.target, "lun": share.lun} for share in wish.shared.values()
        ],
        "origin": str(wish.origin),
        "worker": worker,
    }


def unit_row(unit: Unit) -> dict[str, object]:
    """One LUN. state: "online", "stalled", "pending" or "offline"; cause: why initiators cannot use it."""
    wish, device = unit.wish, unit.device
    return {
        "number": wish.number,
        "device": wish.device,
        "state": "stalled" if unit.patience.cause else unit.state.value,
        "cause": unit.patience.cause or unit.cause or device.reservations.lost,
        "size": unit.size,
        "block_size": device.block_size,
        "flags": flags(unit),
        "access_states": access_states(unit),
        "serial": device.identity.serial,
        "wwid": device.identity.wwid.hex(),
        "medium": {
            "type": wish.medium.type,
            "path": wish.medium.path,
            "declared_size": wish.medium.size,
            "direct": wish.medium.direct,
            "stalled": unit.lane.stalled(),
            "filters": [one.type for one in wish.medium.filters],
            "hanging": unit.faults.hanging,
        },
        "encryption": encrypting.status(wish),
        "protection": protecting.status(device, wish),
        "pool": pools.status(device, wish),
        "tasks": len(device.tasks),
        "counters": {**device.counters.as_dict(), "faults": device.faults},
        "last_medium_error": None if not unit.failing.count else {"what": unit.failing.last, "time": unit.failing.when},
        "failed_self_test": device.failed_self_test(),
        "worries": worries(device),
        "origin": str(wish.origin),
    }


def worries(device: AnyDevice) -> list[str]:
    """What to see to; many are counted only."""
    found = list(device.worries())
    more = len(found) - _MOST_WORRIES
    return found if more <= 0 else [*found[:_MOST_WORRIES], f"and {more} more"]


def access_states(unit: Unit) -> dict[str, str]:
    """States of port groups that initiators have set for this LUN, by the group's tag."""
    return {
        str(one.group.number): one.state.name
        for one in unit.device.access.standings()
        if one.status == ALTERED_BY_COMMAND
    }


def flags(unit: Unit) -> list[str]:
    """What sets a LUN apart, in words."""
    device = unit.device
    words = {
        **device.traits(),
        "stalled": unit.lane.stalled(),
        "reserved": device.reservations.state.type is not None or device.reservations.reserved,
        "reservations-lost": device.reservations.lost is not None,
    }
    return [word for word, holds in words.items() if holds]


def reservation_rows(tree: Tree, health: Health, worker: int | None = None) -> Iterator[str]:
    """LUNs that have reservations, or of which nobody knows."""
    units = [unit for _, unit in tree.units() if unit.device.reservations.worth_telling]
    return _joined(json.dumps(reservation_row(unit)) for unit in units)


def reservation_row(unit: Unit) -> dict[str, object]:
    """Who is registered with a LUN and what is reserved. type, name: null while nothing is. legacy: who holds it by
    RESERVE. elements: what of a library is held by RESERVE ELEMENT. lost: why nobody knows. keys are hexadecimal."""
    reservations = unit.device.reservations
    state = reservations.state
    legacy = reservations.legacy
    return {
        "target": unit.target,
        "lun": unit.wish.number,
        "known": reservations.known,
        "lost": reservations.lost,
        "type": None if state.type is None else state.type.name,
        "generation": state.generation,
        "persist_through_power_loss": state.persistent,
        "registrations": [
            {
                "initiator": describe(who.initiator),
                "port": who.port,
                "key": f"0x{key:016x}",
                "holder": state.holds(who),
            }
            for who, key in state.keys.items()
        ],
        "legacy": None if legacy is None else legacy.nexus.port,
        "elements": [
            {"port": holder.nexus.port, "identification": identification, "count": held.bit_count()}
            for (holder, identification), held in reservations.elements.items()
        ],
    }


def session_row(session: Session, health: Health) -> dict[str, object]:
    """One session; target null: a discovery session. since: seconds since the epoch."""
    peers = [phase.connection.peer for phase in session.connections.values()]
    return {
        "initiator": session.initiator,
        "alias": session.alias,
        "target": None if session.target is None else session.target.name,
        "isid": f"{session.isid:012x}",
        "tsih": session.tsih,
        "user": session.user,
        "addresses": [str(model.Portal(*peer)) for peer in peers],
        "since": health.epoch + session.since,
        "tasks": len(session.tasks),
        "bytes_read": session.bytes_in,
        "bytes_written": session.bytes_out,
    }


def counted(number: int, noun: str) -> str:
    """ "1 LUN", "2 LUNs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
