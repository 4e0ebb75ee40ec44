"""The login phase on the wire: Login PDUs in and out of the pure `login.Login`, then the phase that follows."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.connection import Bytes, Connection, PduHandler
from tgtd.net.iscsi.handover import Elsewhere, Parcel
from tgtd.net.iscsi.keys import encode
from tgtd.net.iscsi.login import Login, LoginRefused, LoginRequest, LoginResponse
from tgtd.net.iscsi.pdu import MASK, ProtocolError

if TYPE_CHECKING:
    import socket

    from tgtd.net.iscsi.service import IscsiService

log = logging.getLogger(__name__)

_LOGIN_SEGMENT = 8192 + 1024  # RFC 7143 13.12: 8192 is the limit during login; some initiators count otherwise


class LoginPhase:
    """A connection has `limits.login_timeout` seconds to get through this, counted from `since`, a loop time.

    answered: how many of the requests that come first were answered already, by another process.
    """

    header_digest = False
    data_digest = False
    receive_limit = _LOGIN_SEGMENT

    def __init__(
        self, service: IscsiService, connection: Connection, since: float | None = None, answered: int = 0
    ) -> None:
        self._service = service
        self._connection = connection
        self._login = Login(service, connection.local, connection.peer, os.urandom)
        self._stat_sn = 0
        self._first = True
        self._cmd_sn = 0
        self.handlers: Sequence[PduHandler] = [
            self._request if code == pdu.LOGIN else self._other for code in range(64)
        ]
        self._since = connection.loop.time() if since is None else since
        self._answered = answered
        self._requests = b""  # what another process has to be told, should the target be there
        self._replies = 0
        left = service.limits.login_timeout - (connection.loop.time() - self._since)
        self._timer = connection.loop.call_later(max(0, left), self._late)

    def _late(self) -> None:
        if not self._connection.closed:
            log.warning("login from %s took too long; connection closed", self._connection.peer[0])
            self._connection.close("login took too long")

    def _other(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """RFC 7143 6.3: any other PDU before the login is through ends the connection."""
        raise ProtocolError(f"operation code {head[at] & 0x3F:02X}h before the login")

    def _request(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        opcode, flags, _, version_min, _, isid_tsih, itt, cid, cmd_sn, exp_stat_sn = pdu.LOGIN_REQUEST.unpack_from(
            head, at
        )
        if not opcode & pdu.IMMEDIATE:
            raise ProtocolError("a Login Request without the I bit")
        if self._first:
            self._first = False
            self._stat_sn = exp_stat_sn
            self._cmd_sn = cmd_sn
        request = LoginRequest(
            transit=bool(flags & 0x80),
            more=bool(flags & 0x40),
            stage=flags >> 2 & 3,
            next_stage=flags & 3,
            version_min=version_min,
            isid=isid_tsih >> 16,
            tsih=isid_tsih & 0xFFFF,
            cid=cid,
            text=bytes(data),
        )
        if self._service.courier is not None:
            self._requests += bytes(head[at : at + pdu.BHS]) + ahs + data + pdu.PADDING[len(data) & 3]
        try:
            answer = self._login.step(request)
            if self._login.complete:
                self._enter(request, answer, itt)
                return
        except Elsewhere as away:
            self._pass_on(away.target)
            return
        except LoginRefused as refused:
            self._refuse(request, itt, refused)
            return
        self._reply(request, answer, itt, request.tsih)

    def _pass_on(self, target: str) -> None:
        """The target's own process takes it from here, from the first request on."""
        self._timer.cancel()

        def leave(sock: socket.socket, rest: bytes) -> None:
            received = self._requests + rest
            self._service.pass_on(self._connection, Parcel(target, sock, received, self._replies, self._since))

        self._connection.depart(leave)

    def _reply(self, request: LoginRequest, answer: LoginResponse, itt: int, tsih: int) -> None:
        flags = answer.stage << 2 | (0x80 | answer.next_stage if answer.transit else 0)
        if answer.more:
            flags |= pdu.CONTINUE
        self._send(flags, request.isid << 16 | tsih, itt, 0, answer.text)

    def _refuse(self, request: LoginRequest, itt: int, refused: LoginRefused) -> None:
        level = logging.INFO if refused.status >> 8 == 1 else logging.WARNING
        log.log(level, "login refused (%04Xh): %s", refused.status, refused)
        self._service.refusals += 1
        self._send(request.stage << 2, request.isid << 16 | request.tsih, itt, refused.status, encode(refused.pairs))
        self._connection.finish("login refused")

    def _send(self, flags: int, isid_tsih: int, itt: int, status: int, data: bytes) -> None:
        if self._answered:
            self._answered -= 1
            self._stat_sn = (self._stat_sn + 1) & MASK
            return
        self._replies += 1
        header = pdu.LOGIN_REPLY.pack(
            pdu.LOGIN_RESPONSE,
            flags,
            0,
            0,
            len(data),
            isid_tsih,
            itt,
            self._stat_sn,
            self._cmd_sn,
            self._cmd_sn,
            status,
        )
        self._stat_sn = (self._stat_sn + 1) & MASK
        self._connection.send(header, data)

    def _enter(self, request: LoginRequest, answer: LoginResponse, itt: int) -> None:
        """The last response of the login goes out; the next PDU meets the full feature phase."""
        phase = self._service.admit(self._login, self._connection, self._cmd_sn, (self._stat_sn + 1) & MASK)
        self._timer.cancel()
        session = phase.session
        flags = answer.stage << 2 | 0x80 | answer.next_stage
        data = answer.text
        header = pdu.LOGIN_REPLY.pack(
            pdu.LOGIN_RESPONSE, flags, 0, 0, len(data), request.isid << 16 | session.tsih, itt, self._stat_sn,
            session.exp_cmd_sn, session.max_cmd_sn, 0,
        )  # fmt: skip
        self._connection.send(header, data)
        self._connection.phase = phase

    def destination(self, head: bytes, ahs: bytes, length: int) -> memoryview | None:
        return None

    def reject(self, reason: int, head: bytes) -> None:
        """During login nothing is rejected: the connection ends (RFC 7143 7.1.4)."""
        raise ProtocolError("a PDU of the login was rejected")

    def ended(self, why: str) -> None:
        self._timer.cancel()
