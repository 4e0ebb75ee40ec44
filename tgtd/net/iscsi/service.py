"""The iSCSI service of one daemon: its targets, portals, connections and sessions."""

from __future__ import annotations

import logging
import mmap
from collections import Counter
from collections.abc import Callable, Hashable
from ipaddress import ip_address
from typing import TYPE_CHECKING

from tgtd.net.iscsi.connection import ARENA, Connection
from tgtd.net.iscsi.fullfeature import FullFeature
from tgtd.net.iscsi.handover import Courier, Elsewhere, Parcel
from tgtd.net.iscsi.login import (
    CANNOT_INCLUDE,
    FORBIDDEN,
    NO_SUCH_SESSION,
    NOT_FOUND,
    OUT_OF_RESOURCES,
    TOO_MANY_CONNECTIONS,
    UNAVAILABLE,
    Login,
    LoginRefused,
)
from tgtd.net.iscsi.loginphase import LoginPhase
from tgtd.net.iscsi.loops import Loop
from tgtd.net.iscsi.node import WILDCARDS, Endpoint, IscsiTarget
from tgtd.net.iscsi.portal import Portal
from tgtd.net.iscsi.session import Session, port_name, transport_id
from tgtd.net.iscsi.settings import Access, Limits, Settings, plain_address
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.nexus import Nexus

if TYPE_CHECKING:
    import socket

log = logging.getLogger(__name__)

_LOGOUT_SECONDS = 5


class IscsiService:
    """discovery, limits: may be assigned live. sessions: all of them, discovery sessions included, by TSIH.

    refusals: logins refused since the start. courier: given where targets are served by other processes; then nobody
    logs in here but for discovery. elsewhere: sessions that other processes have. counted: called when the number of
    sessions has changed.
    """

    def __init__(self, loop: Loop, limits: Limits, pool: BufferPool, discovery: Access) -> None:
        self.loop = loop
        self.limits = limits
        self.pool = pool
        self.discovery = discovery
        self.targets: dict[str, IscsiTarget] = {}
        self.portals: dict[Endpoint, Portal] = {}
        self.sessions: dict[int, Session] = {}
        self.connections: dict[Connection, None] = {}
        self.refusals = 0
        self.courier: Courier | None = None
        self.elsewhere = 0
        self._passed_on = 0
        self.counted: Callable[[], None] = lambda: None
        self._arena = memoryview(mmap.mmap(-1, ARENA))  # page-aligned, and no memory before it is used
        self._per_address: Counter[str] = Counter()
        self._next_tsih = 1
        self._draining: Callable[[], None] | None = None

    # What the daemon does

    def open_portal(self, address: str, port: int, sock: socket.socket | None = None) -> Portal:
        """Listen there; connections wait for `accept`. Raises OSError."""
        portal = Portal(self.loop, address, port, self._accepted, sock)
        self.portals[address, portal.port] = portal
        return portal

    def accept(self) -> None:
        """Take connections at every portal: what an initiator may ask for is in place."""
        for portal in self.portals.values():
            portal.start()

    def close_portal(self, address: str, port: int) -> None:
        """Stop listening there; sessions that came in by it live on."""
        self.portals.pop((address, port)).close()

    def add_target(self, target: IscsiTarget) -> None:
        """Raises ValueError when the name is taken."""
        if target.name in self.targets:
            raise ValueError(f"target {target.name} exists")
        self.targets[target.name] = target

    def remove_target(self, name: str) -> None:
        """Take a target away; its sessions end."""
        target = self.targets.pop(name)
        target.online = False
        for session in list(target.sessions.values()):
            self.expel(session, "the target was removed")

    def recheck(self, target: IscsiTarget) -> list[Session]:
        """After a live change of access, views or online: end the sessions that may no longer be; they are returned."""
        expelled = []
        for session in list(target.sessions.values()):
            refusal = self.refusal(target, session)
            if refusal is not None:
                log.warning("%s is logged out: %s", session.describe(), refusal)
                expelled.append(session)
                self.expel(session, "access was withdrawn")
            elif session.nexus is not None:
                target.scsi.set_view(session.nexus, target.view(session.initiator))
        return expelled

    @staticmethod
    def refusal(target: IscsiTarget, session: Session) -> str | None:
        """Why a live session would not be let in today; None when it would."""
        if not target.online:
            return "the target is offline"
        if session.tag not in target.portal_groups():
            return f"portal group {session.tag}, by which it came, is there no longer"
        if target.access.chap.incoming and session.user not in target.access.chap.incoming:
            return "its CHAP user is no longer listed in access.chap"
        for phase in session.connections.values():
            refusal = target.access.refusal(session.initiator, phase.connection.peer[0])
            if refusal is not None:
                return refusal
        return None

    def expel(self, session: Session, why: str) -> None:
        """Tell the initiator, then end the session."""
        for phase in list(session.connections.values()):
            phase.announce_end()
            phase.connection.flush()
        session.end(why)

    def drain(self, done: Callable[[], None]) -> None:
        """Stop accepting and ask initiators to log out; `done()` once the last has gone. The caller bounds the wait."""
        self._draining = done
        for address, port in list(self.portals):
            self.close_portal(address, port)
        for session in list(self.sessions.values()):
            if not session.connections:
                session.end("the daemon stops")
            for phase in session.connections.values():
                phase.ask_logout(_LOGOUT_SECONDS)
        self._drained()

    @property
    def draining(self) -> bool:
        """No session comes back now."""
        return self._draining is not None

    def _drained(self) -> None:
        if self._draining is not None and not self.sessions:
            done, self._draining = self._draining, None
            self.loop.call_soon(done)

    def close(self) -> None:
        """End everything now."""
        for address, port in list(self.portals):
            self.close_portal(address, port)
        for session in list(self.sessions.values()):
            self.expel(session, "the daemon stops")
        for connection in list(self.connections):
            connection.close("the daemon stops")

    # Connections

    def _accepted(self, sock: socket.socket) -> None:
        try:
            connection = Connection(self.loop, sock, self._arena)
        except OSError:
            sock.close()
            return
        address = connection.peer[0]
        if len(self.connections) + self._passed_on >= self.limits.connections:
            log.warning("connection from %s refused: limits.connections = %d reached", address, self.limits.connections)
            sock.close()
            return
        if self._per_address[address] >= self.limits.connections_per_address:
            log.warning(
                "connection from %s refused: limits.connections_per_address = %d reached",
                address,
                self.limits.connections_per_address,
            )
            sock.close()
            return
        connection.on_closed = self._closed
        self._open(connection, LoginPhase(self, connection))

    def _open(self, connection: Connection, phase: LoginPhase, received: bytes = b"") -> None:
        self.connections[connection] = None
        self._per_address[connection.peer[0]] += 1
        try:
            connection.open(phase, received)
        except OSError as error:  # it is gone again
            connection.close(error.strerror or str(error))

    def _closed(self, connection: Connection) -> None:
        self.connections.pop(connection, None)
        self._uncount(connection.peer[0])

    def _uncount(self, address: str) -> None:
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]

    def pass_on(self, connection: Connection, parcel: Parcel) -> None:
        """Give a connection to the process that serves its target; here it counts until it has parted."""
        self.connections.pop(connection, None)
        self._passed_on += 1
        assert self.courier is not None
        self.courier(parcel, connection.peer[0])

    def parted(self, address: str) -> None:
        """A connection from there that was passed on has ended."""
        self._passed_on -= 1
        self._uncount(address)

    def adopt(self, parcel: Parcel, ended: Callable[[], None]) -> None:
        """Take a connection that another process has accepted and passed on; `ended()` once it is gone."""
        try:
            connection = Connection(self.loop, parcel.sock, self._arena)
        except OSError:
            parcel.sock.close()
            ended()
            return
        if len(parcel.received) > ARENA:
            log.warning("connection from %s: the login came in too much at once", connection.peer[0])
            parcel.sock.close()
            ended()
            return

        def closed(gone: Connection) -> None:
            self._closed(gone)
            ended()

        connection.on_closed = closed
        self._open(connection, LoginPhase(self, connection, parcel.since, parcel.answered), parcel.received)

    # What the login phase asks (login.Directory)

    def reachable(self, name: str, local: tuple[str, int]) -> IscsiTarget | None:
        target = self.targets.get(name)
        if target is None or not target.listens_at(local):
            return None
        if self.courier is not None:
            raise Elsewhere(name)
        return target

    def join(self, target: IscsiTarget, login: Login) -> None:
        self._demand_online(target, login.initiator)
        session = self.sessions.get(login.tsih)
        if (
            session is None
            or session.target is not target
            or (session.initiator, session.isid) != (login.initiator, login.isid)
        ):
            raise LoginRefused(
                NO_SUCH_SESSION, f"{login.initiator} names session {login.tsih}, which it does not have here"
            )
        if session.tag != login.tag:
            raise LoginRefused(
                CANNOT_INCLUDE,
                f"{session.describe()}: a connection by portal group {login.tag} to a session of group {session.tag}",
            )
        parameters = session.parameters
        if login.cid in session.connections or parameters is None:
            return  # it will replace the connection it has
        if len(session.connections) >= parameters.max_connections:
            raise LoginRefused(
                TOO_MANY_CONNECTIONS, f"{session.describe()} has {parameters.max_connections} connections, its maximum"
            )

    def _demand_online(self, target: IscsiTarget | None, initiator: str) -> None:
        if self.draining:
            raise LoginRefused(UNAVAILABLE, f"{initiator} refused: the daemon is stopping")
        if target is not None and not target.online:
            raise LoginRefused(UNAVAILABLE, f"{initiator} refused: {target.name} is offline (online = false)")

    def make_room(self, target: IscsiTarget | None, login: Login) -> None:
        initiator = login.initiator
        self._demand_online(target, initiator)
        if target is not None and (initiator, login.isid, login.tag) in target.sessions:
            return  # it will replace the session it has
        if len(self.sessions) + self.elsewhere >= self.limits.sessions:
            self._evict()
        if len(self.sessions) + self.elsewhere >= self.limits.sessions:
            raise LoginRefused(
                OUT_OF_RESOURCES, f"{initiator} refused: limits.sessions = {self.limits.sessions} reached"
            )
        most = target.settings.max_sessions if target is not None else 0
        if target is not None and most and len(target.sessions) >= most:
            raise LoginRefused(
                OUT_OF_RESOURCES, f"{initiator} refused: iscsi.max_sessions = {most} of {target.name} reached"
            )

    def _evict(self) -> None:
        """A session that only waits to be continued gives way to a live one."""
        for session in self.sessions.values():
            if not session.connections:
                session.end("gave way to a new session")
                return

    def admit(self, login: Login, connection: Connection, cmd_sn: int, stat_sn: int) -> FullFeature:
        """A login is through: its session, new, replaced or joined, with this connection in it. Raises LoginRefused."""
        parameters = login.parameters()
        target = login.target
        self._demand_unchanged(login, target)
        if target is not None and login.tsih:
            session = self._joined(login, target)
            parameters = session.common(parameters)
        else:
            session = self._new_session(login, target, cmd_sn)
            session.parameters = parameters
        phase = FullFeature(connection, session, login.cid, parameters, stat_sn)
        session.add(phase)
        settings = target.settings if target is not None else Settings()
        phase.keepalive.start(settings.nop_interval, settings.nop_timeout)
        log.info("%s: login from %s (CID %d)", session.describe(), connection.peer[0], login.cid)
        return phase

    def _demand_unchanged(self, login: Login, target: IscsiTarget | None) -> None:
        """What let the login begin must still hold at its end."""
        if target is not None and self.targets.get(target.name) is not target:
            raise LoginRefused(NOT_FOUND, f"{target.name} was removed during the login")
        access = target.access if target is not None else self.discovery
        if target is not None and login.tag not in target.portal_groups():
            raise LoginRefused(
                UNAVAILABLE, f"{login.initiator} refused: its portal went during the login; let it try again"
            )
        if access != login.access or (target is not None and target.redirect is not None):
            raise LoginRefused(
                UNAVAILABLE, f"{login.initiator} refused: access changed during the login; let it try again"
            )

    def _joined(self, login: Login, target: IscsiTarget) -> Session:
        """The session that gets one more connection; it may have ended or filled up during the login."""
        self.join(target, login)
        session = self.sessions[login.tsih]
        if login.user != session.user:
            raise LoginRefused(
                FORBIDDEN,
                f"{session.describe()}: a connection as CHAP user {login.user!r} to a session of {session.user!r}",
            )
        return session

    def _new_session(self, login: Login, target: IscsiTarget | None, cmd_sn: int) -> Session:
        self.make_room(target, login)
        if target is not None:
            older = target.sessions.get((login.initiator, login.isid, login.tag))
            if older is not None:
                older.end("replaced by a new login (session reinstatement)")  # RFC 7143 6.3.5
        depth = target.settings.queue_depth if target is not None else 16
        session = Session(self, target, login.initiator, login.isid, self._take_tsih(), cmd_sn, depth)
        session.alias = login.alias
        session.user = login.user
        session.tag = login.tag
        if target is not None:
            nexus = Nexus(
                target.scsi,
                login.initiator,
                port_name(login.initiator, login.isid),
                transport_id(login.initiator, login.isid),
                login.tag,
            )
            nexus.credentials = login.credentials
            session.nexus = nexus
            target.scsi.connect(nexus, target.view(login.initiator))
            target.sessions[login.initiator, login.isid, login.tag] = session
        self.sessions[session.tsih] = session
        self.counted()
        return session

    def _take_tsih(self) -> int:
        """A target session identifying handle: 1 to 65535, not in use."""
        if len(self.sessions) >= 0xFFFF:
            raise LoginRefused(OUT_OF_RESOURCES, "65,535 sessions are all that iSCSI can number")
        while self._next_tsih in self.sessions:
            self._next_tsih = self._next_tsih % 0xFFFF + 1
        tsih = self._next_tsih
        self._next_tsih = tsih % 0xFFFF + 1
        return tsih

    def forget(self, session: Session) -> None:
        """A session has ended."""
        self.sessions.pop(session.tsih, None)
        self.counted()
        target = session.target
        ends = (session.initiator, session.isid, session.tag)
        if target is not None and target.sessions.get(ends) is session:
            del target.sessions[ends]
        self._drained()

    # Discovery

    def send_targets(self, session: Session, value: str, local: Endpoint) -> list[tuple[str, str]]:
        """TargetName and TargetAddress keys (RFC 7143 Appendix C) for what this initiator may log in to."""
        if session.target is not None:
            if value.lower() not in ("", session.target.name):
                return [("SendTargets", "Reject")]
            wanted = [session.target]
        elif value == "All":
            wanted = [self.targets[name] for name in sorted(self.targets)]
        else:
            found = self.targets.get(value.lower())
            wanted = [found] if found is not None else []
        peer = next(iter(session.connections.values())).connection.peer[0]
        pairs: list[tuple[str, str]] = []
        hidden: list[str] = []
        usable: dict[Hashable, list[str]] = {}  # thousands of targets have the same few portals
        for target in wanted:
            addresses = usable.get((target.portals, target.tags))
            if addresses is None:
                addresses = usable[target.portals, target.tags] = [
                    f"{address},{tag}"
                    for tag, portals in target.portal_groups().items()
                    for address in advertised(portals, local)
                ]
            why = _hides(target, session.initiator, peer, addresses)
            if why is not None:
                hidden.append(f"{target.name}: {why}")
                continue
            pairs.append(("TargetName", target.name))
            pairs += [("TargetAddress", address) for address in addresses]
        if not pairs:
            log.info("%s from %s discovers nothing: %s", session.initiator, peer, "; ".join(hidden[:5]) or "no targets")
        return pairs


def _hides(target: IscsiTarget, initiator: str, peer: str, addresses: list[str]) -> str | None:
    """Why a target is not told of to this initiator; None when it is."""
    if not target.online:
        return "it is offline (online = false)"
    if not addresses:
        return "none of its portals can be reached from there"
    return target.access.refusal(initiator, peer)


def advertised(portals: tuple[Endpoint, ...], local: Endpoint) -> list[str]:
    """The portals that an initiator which reached us at `local` can use, as "address:port".

    A wildcard stands for the address the initiator used. Loopback and link-local portals are told only to who came in
    by that very address: to anybody else they lead nowhere.
    """
    here = local[0]
    family = 6 if ":" in here else 4
    found: dict[str, None] = {}
    for address, port in portals:
        if WILDCARDS.get(address) == family:
            address = here
        elif address in WILDCARDS:
            continue
        plain = plain_address(address)
        if (plain.is_loopback or plain.is_link_local) and ip_address(address) != ip_address(here):
            continue
        address = address.partition("%")[0]
        found[f"[{address}]:{port}" if ":" in address else f"{address}:{port}"] = None
    return list(found)
