"""An iSCSI session (RFC 7143 4.2, 6.1 to 6.4): one I_T nexus with its command window, over one or more connections."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.login import Negotiated
from tgtd.net.iscsi.loops import Timer
from tgtd.net.iscsi.pdu import MASK, ProtocolError, Rejected, after
from tgtd.net.iscsi.taskmanagement import COMPLETE, TARGET_COLD_RESET
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.reservation.transportid import iscsi_port
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.net.iscsi.fullfeature import FullFeature
    from tgtd.net.iscsi.node import IscsiTarget
    from tgtd.net.iscsi.service import IscsiService

log = logging.getLogger(__name__)

Waiting = tuple["FullFeature", bytes, bytes, bytes]
"""Connection, header, additional header segments, data."""

_MOST_HELD = 16 << 20  # bytes of data that may wait with commands that came out of order

LOGGED_OUT = "logged out"

# Logout responses (11.15.1).
CLOSED = 0
NO_SUCH_CID = 1
RECOVERY_NOT_SUPPORTED = 2


class Session:
    """target and nexus are None in a discovery session. since: loop time of the login. user: the CHAP user, or "".
    tag: of the portal group that all its connections came in by.

    exp_cmd_sn, max_cmd_sn: the command window. tasks: by initiator task tag, those not finished. immediate: the tags of
    those that took no place in the window.
    """

    def __init__(
        self,
        service: IscsiService,
        target: IscsiTarget | None,
        initiator: str,
        isid: int,
        tsih: int,
        cmd_sn: int,
        depth: int,
    ) -> None:
        self.service = service
        self.target = target
        self.initiator = initiator
        self.alias = ""
        self.isid = isid
        self.tsih = tsih
        self.user = ""
        self.tag = 0
        self.nexus: Nexus | None = None
        self.since = service.loop.time()
        self.exp_cmd_sn = cmd_sn
        self.max_cmd_sn = (cmd_sn + depth - 1) & MASK
        self.connections: dict[int, FullFeature] = {}
        self.tasks: dict[int, Task] = {}
        self.immediate: dict[int, None] = {}
        self.waiting: dict[int, Waiting | None] = {}
        """By CmdSN: what came before its turn; None for a number that is used up without a command."""
        self._held = 0
        self._resuming = False
        self._joining = False
        self._leaving = False  # no connection that comes back is waited for
        self._retain: Timer | None = None
        self._ended = False
        self.parameters: Negotiated | None = None
        self.bytes_in = 0
        self.bytes_out = 0

    def common(self, parameters: Negotiated) -> Negotiated:
        """The parameters of a further connection: what belongs to the session was settled by the first (6.3.2)."""
        first = self.parameters
        assert first is not None
        return replace(
            first,
            header_digest=parameters.header_digest,
            data_digest=parameters.data_digest,
            send_limit=parameters.send_limit,
            receive_limit=parameters.receive_limit,
        )

    # The command window

    def open_window(self) -> None:
        self.max_cmd_sn = (self.max_cmd_sn + 1) & MASK

    def admit_immediate(self, task: Task, most: int) -> None:
        """Raises Rejected when too many immediate commands are outstanding (11.17.1)."""
        if len(self.immediate) >= most:
            raise Rejected(pdu.TOO_MANY_IMMEDIATE, f"more than {most} immediate commands at once")
        self.immediate[task.tag] = None

    def wait(self, cmd_sn: int, item: Waiting) -> None:
        """Keep a command that came before its turn (4.2.2.1). Raises ProtocolError when that becomes too much."""
        if cmd_sn in self.waiting:
            return
        if self._held + len(item[3]) > _MOST_HELD:
            raise ProtocolError("too many commands with data came out of order")
        self._held += len(item[3])
        self.waiting[cmd_sn] = item

    def skip(self, cmd_sn: int, tag: int) -> bool:
        """ABORT TASK for a command that has not had its turn: it counts as received (11.5.1).

        False: its number is not in the window, or belongs to a command with another tag.
        """
        if after(self.exp_cmd_sn, cmd_sn) or after(cmd_sn, self.max_cmd_sn):
            return False
        item = self.waiting.get(cmd_sn)
        if item is not None:
            if int.from_bytes(item[1][16:20], "big") != tag:
                return False
            self._discard(item)
        self.waiting[cmd_sn] = None
        self.resume()
        return True

    def plug(self, cmd_sn: int) -> None:
        """The number is used up: the request that carried it is answered and leaves nothing to wait for."""
        if not (after(self.exp_cmd_sn, cmd_sn) or after(cmd_sn, self.max_cmd_sn) or cmd_sn in self.waiting):
            self.waiting[cmd_sn] = None
            self.resume()

    def resume(self) -> None:
        """Deliver what had waited for the command that has now come."""
        if self._resuming:
            return
        self._resuming = True
        try:
            while not self._ended:
                expected = self.exp_cmd_sn
                if expected not in self.waiting:
                    return
                item = self.waiting.pop(expected)
                if item is None:
                    self.exp_cmd_sn = (expected + 1) & MASK
                    self.open_window()
                    continue
                self._held -= len(item[3])
                phase, head, ahs, data = item
                phase.resume(head, ahs, data)
        finally:
            self._resuming = False

    def _discard(self, item: Waiting) -> None:
        self._held -= len(item[3])

    # Connections coming and going

    def add(self, phase: FullFeature) -> None:
        """One more connection, or a new one in place of an older with its CID (connection reinstatement, 6.3.4)."""
        older = self.connections.get(phase.cid)
        if older is not None:
            self._joining = True
            older.connection.close("replaced by a new login with its CID")
            self._joining = False
        self.connections[phase.cid] = phase
        if self._retain is not None:
            self._retain.cancel()
            self._retain = None

    def lost(self, phase: FullFeature, why: str) -> None:
        """A connection is gone, for whatever reason."""
        if self.connections.get(phase.cid) is not phase:
            return
        del self.connections[phase.cid]
        for cmd_sn, item in list(self.waiting.items()):
            if item is not None and item[0] is phase:
                self._discard(item)
                del self.waiting[cmd_sn]
        lost: dict[LunNexus, list[Task]] = {}
        for task in self.tasks.values():
            if task.owner is phase:
                lost.setdefault(task.itl, []).append(task)
        for itl, tasks in lost.items():
            itl.lu.tasks.abort(tasks, itl.nexus, report=False)
        log.info("%s: connection from %s ended: %s", self.describe(), phase.connection.peer[0], why)
        if self.connections or self._ended or self._joining:
            if self.waiting:
                self.resume()
            return
        retain = self.parameters.time2retain if self.parameters is not None else 0
        if self._leaving or why == LOGGED_OUT or self.nexus is None or not retain or self.service.draining:
            self.end(why)
        else:
            # RFC 7143 6.3.5, 8.3: the initiator may continue the session for this long; then the nexus is lost.
            self._retain = self.service.loop.call_later(retain, lambda: self.end("not continued in time"))

    def end(self, why: str) -> None:
        """The session is over: every connection closes and the I_T nexus is lost."""
        if self._ended:
            return
        self._ended = True
        if self._retain is not None:
            self._retain.cancel()
        for phase in list(self.connections.values()):
            phase.connection.close(why)
        self.waiting.clear()
        self._held = 0
        if self.nexus is not None:
            self.nexus.target.disconnect(self.nexus)
        self.service.forget(self)
        log.info("%s ended: %s", self.describe(), why)

    def log_out(self, reason: int, cid: int) -> tuple[int, list[FullFeature]]:
        """Response code, and the connections to close once the response has left."""
        if reason == 0:
            return CLOSED, list(self.connections.values())
        if reason == 2:
            return RECOVERY_NOT_SUPPORTED, []
        phase = self.connections.get(cid)
        return (CLOSED, [phase]) if phase is not None else (NO_SUCH_CID, [])

    def after_management(self, function: int, response: int) -> None:
        """TARGET COLD RESET ends every session of the target (11.5.1), this one when its response has left."""
        if function == TARGET_COLD_RESET and response == COMPLETE and self.target is not None:
            for session in list(self.target.sessions.values()):
                if session is not self:
                    self.service.expel(session, "target cold reset")
            self._leaving = True
            for phase in list(self.connections.values()):
                phase.connection.finish("target cold reset")

    def send_targets(self, value: str, local: tuple[str, int]) -> list[tuple[str, str]]:
        """RFC 7143 Appendix C. In a normal session only the own target may be asked for."""
        return self.service.send_targets(self, value, local)

    def describe(self) -> str:
        where = self.target.name if self.target is not None else "discovery"
        return f"{self.initiator} on {where}"


def port_name(initiator: str, isid: int) -> str:
    """Initiator port name: the node's name, ",i,0x" and the ISID in hexadecimal (RFC 7143 4.4.1)."""
    return f"{initiator},i,0x{isid:012x}"


def transport_id(initiator: str, isid: int) -> bytes:
    """SPC-5 7.6.4.6: the TransportID of the initiator port."""
    return iscsi_port(port_name(initiator, isid))
