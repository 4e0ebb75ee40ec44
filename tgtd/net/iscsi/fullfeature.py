"""The full feature phase of one connection (RFC 7143 4.2, 11.3 to 11.19): PDUs to tasks and tasks to PDUs.

Each operation code has one handler. `scsi_command` and `complete` are the hot path: one READ is one call down through
`LunNexus.execute` and one call back, and its PDU leaves with the batch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.connection import Bytes, Connection, PduHandler
from tgtd.net.iscsi.keepalive import KeepAlive
from tgtd.net.iscsi.login import Negotiated
from tgtd.net.iscsi.pdu import MASK, NO_TAG, ProtocolError, Rejected, after
from tgtd.net.iscsi.session import LOGGED_OUT
from tgtd.net.iscsi.taskmanagement import perform
from tgtd.net.iscsi.text import TextExchange
from tgtd.net.iscsi.writes import Writes
from tgtd.scsi.task import ACA, HEAD_OF_QUEUE, NO_RESPONSE, ORDERED, PENDING, SIMPLE, Task

if TYPE_CHECKING:
    from tgtd.net.iscsi.session import Session

log = logging.getLogger(__name__)

# RFC 7143 11.3.1: ATTR; "untagged" is treated as SIMPLE, reserved values too.
_ATTRIBUTES = (SIMPLE, SIMPLE, ORDERED, HEAD_OF_QUEUE, ACA, SIMPLE, SIMPLE, SIMPLE)
_NORMAL_ONLY = (pdu.SCSI_COMMAND, pdu.TASK_MANAGEMENT, pdu.DATA_OUT, pdu.SNACK)
_UNNUMBERED = (pdu.DATA_OUT, pdu.SNACK)
_MOST_IMMEDIATE = 64
_PING_TAG = 0x50494E47

_COMMAND = pdu.COMMAND.unpack_from
_DATA_IN = pdu.DATA_IN_HEADER.pack
_RESPONSE = pdu.RESPONSE.pack


class FullFeature:
    """cid: the connection's number in its session. stat_sn: the next StatSN to assign."""

    def __init__(
        self, connection: Connection, session: Session, cid: int, parameters: Negotiated, stat_sn: int
    ) -> None:
        self.connection = connection
        self.session = session
        self.cid = cid
        self.parameters = parameters
        self.stat_sn = stat_sn
        self.header_digest = parameters.header_digest
        self.data_digest = parameters.data_digest
        self.receive_limit = parameters.receive_limit
        self.send_limit = parameters.send_limit
        self.text = TextExchange(self)
        self.writes = Writes(self)
        self._transfers = self.writes.transfers
        self.keepalive = KeepAlive(connection, self.ping)
        self._inline = not (parameters.header_digest or parameters.data_digest)
        if session.nexus is not None:
            self._luns = session.nexus.luns
            self._lun = session.nexus.lun
        self.handlers = self._table()

    def _table(self) -> Sequence[PduHandler]:
        table: list[PduHandler] = [self._unknown] * 64
        table[pdu.SCSI_COMMAND] = self.scsi_command
        table[pdu.DATA_OUT] = self.writes.data_out
        table[pdu.NOP_OUT] = self.nop_out
        table[pdu.TASK_MANAGEMENT] = self.task_management
        table[pdu.TEXT] = self.text.request
        table[pdu.LOGOUT] = self.logout
        table[pdu.SNACK] = self.snack
        if self.session.nexus is None:
            for opcode in _NORMAL_ONLY:
                table[opcode] = self._unknown
        return table

    # Sequence numbers (4.2.2)

    def in_order(self, opcode: int, cmd_sn: int, head: Bytes, at: int, ahs: bytes, data: Bytes) -> bool:
        """Take a command's CmdSN. False: it came too early and waits, or it is a duplicate and is ignored."""
        session = self.session
        if opcode & pdu.IMMEDIATE:
            return True
        if cmd_sn == session.exp_cmd_sn:
            session.exp_cmd_sn = (cmd_sn + 1) & MASK
            return True
        if after(cmd_sn, session.exp_cmd_sn) and not after(cmd_sn, session.max_cmd_sn):
            session.wait(cmd_sn, (self, bytes(head[at : at + pdu.BHS]), ahs, bytes(data)))
        self.writes.drop_arriving()
        return False

    def resume(self, head: bytes, ahs: bytes, data: Bytes) -> None:
        """A command that had waited for its turn."""
        try:
            self.handlers[head[0] & 0x3F](head, 0, ahs, data)
        except Rejected as trouble:
            self.reject(trouble.reason, head)
        except ProtocolError as error:
            self.connection.close(f"protocol error: {error}")

    def done_in_order(self, opcode: int) -> None:
        """A request other than a SCSI command is dealt with: its place in the window is free again."""
        if not opcode & pdu.IMMEDIATE:
            self.session.open_window()
        if self.session.waiting:
            self.session.resume()

    def numbers(self) -> tuple[int, int, int]:
        """StatSN (used up), ExpCmdSN, MaxCmdSN for a reply that carries status."""
        stat_sn = self.stat_sn
        self.stat_sn = (stat_sn + 1) & MASK
        return stat_sn, self.session.exp_cmd_sn, self.session.max_cmd_sn

    # SCSI commands, hot path

    def scsi_command(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        opcode, flags, _, lun, itt, expected, cmd_sn, _, cdb = _COMMAND(head, at)
        session = self.session
        if not opcode & 0x40 and cmd_sn == session.exp_cmd_sn:
            session.exp_cmd_sn = cmd_sn + 1 & MASK
        elif not self.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        tasks = session.tasks
        if itt in tasks or itt == NO_TAG:
            raise self._refuse(opcode, f"initiator task tag {itt:08X}h is in use")
        itl = self._luns.get(lun) or self._lun(lun)
        task = Task(itl, itt, _ATTRIBUTES[flags & 7], cdb, expected if flags & 0x40 else 0, self.complete, None, self)
        if opcode & 0x40:
            session.admit_immediate(task, _MOST_IMMEDIATE)
        if flags & 0x20 or data or ahs:
            self.writes.begin(task, flags, expected, ahs, data)
        else:
            itl.execute(task)
        if task.status == PENDING:
            tasks[itt] = task
        if session.waiting:
            session.resume()

    def complete(self, task: Task) -> None:
        """A task comes back: queue its data and status. Called by the logical unit, now or later."""
        session = self.session
        connection = self.connection
        itt = task.tag
        session.tasks.pop(itt, None)
        session.max_cmd_sn = session.max_cmd_sn + 1 & MASK
        if session.immediate or self._transfers:
            self._settle(task)
        if task.status == NO_RESPONSE or connection.closed:
            self.writes.solicitations.pop(itt, None)
            task.release()
            return
        data = task.data_in
        if task.status or not self._inline:
            self._respond(task, data)
        elif data:
            self._data_in(task, data)
        else:
            self._good(task)

    def _data_in(self, task: Task, data: Bytes) -> None:
        """Data and GOOD in one PDU, where that is possible."""
        length = len(data)
        if task.expected_out or length > self.send_limit:
            self._respond(task, data)
            return
        residual = task.expected_in - length
        flags = 0x81
        if residual > 0:
            flags = 0x83
        elif residual < 0:
            residual = -residual
            length -= residual
            if not length:
                self._respond(task, data)
                return
            data = data[:length]
            flags = 0x85
        stat_sn = self.stat_sn
        self.stat_sn = stat_sn + 1 & MASK
        session = self.session
        connection = self.connection
        out = connection.out
        header = _DATA_IN(
            0x25, flags, 0, 0, length, 0, task.tag, NO_TAG, stat_sn, session.exp_cmd_sn, session.max_cmd_sn, 0, 0,
            residual,
        )  # fmt: skip
        out.append(header)
        out.append(data)
        connection.queued += 48 + length
        if length & 3:
            out.append(pdu.PADDING[length & 3])
            connection.queued += 4 - (length & 3)
        session.bytes_in += length
        if task.buffer is not None:
            connection.hold(task)
        if not connection.scheduled:
            connection.schedule()

    def _good(self, task: Task) -> None:
        """GOOD and nothing to say of residuals."""
        if task.expected_in or task.expected_out != task.wanted_out:
            self._respond(task, None)
            return
        session = self.session
        connection = self.connection
        stat_sn = self.stat_sn
        self.stat_sn = stat_sn + 1 & MASK
        header = _RESPONSE(
            0x21, 0x80, 0, 0, 0, 0, task.tag, 0, stat_sn, session.exp_cmd_sn, session.max_cmd_sn, 0, 0, 0
        )  # fmt: skip
        connection.out.append(header)
        connection.queued += 48
        if task.buffer is not None:
            task.release()
        if not connection.scheduled:
            connection.schedule()

    # SCSI commands, the long way

    def _refuse(self, opcode: int, why: str) -> Rejected:
        """For a command that never becomes a task: its place in the window is free again."""
        if not opcode & pdu.IMMEDIATE:
            self.session.open_window()
        return Rejected(pdu.INVALID_PDU_FIELD, why)

    def _settle(self, task: Task) -> None:
        """A finished task leaves what it was entered in besides session.tasks."""
        session = self.session
        if task.tag in session.immediate:
            del session.immediate[task.tag]
            session.max_cmd_sn = (session.max_cmd_sn - 1) & MASK  # it had taken no place in the window
        self.writes.forget(task)

    def _respond(self, task: Task, data: Bytes | None) -> None:
        """Data-In PDUs as needed, and a SCSI Response where status cannot ride on the last of them (11.4, 11.7)."""
        bidirectional = bool(task.expected_out and task.expected_in)
        in_flags, in_residual, length = _residual(task.expected_in, len(data) if data is not None else 0)
        out_flags, out_residual, _ = _residual(task.expected_out, task.wanted_out)
        collapse = bool(length) and task.status == 0 and not task.expected_out
        # One count for R2Ts and Data-In of a bidirectional command (4.2.2.3, 11.4.8).
        count = self.writes.solicitations.pop(task.tag, 0) if bidirectional else 0
        if length:
            assert data is not None
            count = self._send_data(task, data[:length], in_flags, in_residual, collapse, count)
            self.session.bytes_in += length
        if not collapse:
            flags = pdu.FINAL
            bidi_residual, residual = 0, in_residual
            if bidirectional:
                flags |= out_flags | in_flags << 2
                bidi_residual, residual = in_residual, out_residual
            elif task.expected_out or (task.wanted_out and not task.expected_in):
                flags |= out_flags
                residual = out_residual
            else:
                flags |= in_flags
            sense = len(task.sense).to_bytes(2, "big") + task.sense if task.sense else b""
            header = pdu.RESPONSE.pack(
                pdu.SCSI_RESPONSE, flags, 0, task.status, len(sense), 0, task.tag, 0, *self.numbers(), count,
                bidi_residual, residual,
            )  # fmt: skip
            self.connection.send(header, sense)
        if task.buffer is not None:
            self.connection.hold(task)

    def _send_data(self, task: Task, data: Bytes, flags: int, residual: int, collapse: bool, count: int) -> int:
        """Data-In PDUs of at most the initiator's segment length, in bursts of at most MaxBurstLength.

        count: the first DataSN; the next one is returned.
        """
        session = self.session
        burst_left = self.parameters.max_burst
        offset = 0
        while offset < len(data):
            size = min(self.send_limit, burst_left, len(data) - offset)
            burst_left -= size
            last = offset + size == len(data)
            final = pdu.FINAL if last or not burst_left else 0
            stat_sn = 0
            extra, left = 0, 0
            if last and collapse:
                extra, left = flags | pdu.STATUS_HERE, residual
                stat_sn = self.stat_sn
                self.stat_sn = (stat_sn + 1) & MASK
            header = _DATA_IN(
                pdu.DATA_IN, final | extra, 0, 0, size, 0, task.tag, NO_TAG, stat_sn, session.exp_cmd_sn,
                session.max_cmd_sn, count, offset, left,
            )  # fmt: skip
            self.connection.send(header, data[offset : offset + size])
            offset += size
            count += 1
            if not burst_left:
                burst_left = self.parameters.max_burst
        return count

    def destination(self, head: bytes, ahs: bytes, length: int) -> memoryview | None:
        return self.writes.destination(head, length)

    # Everything else

    def nop_out(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """11.18: a ping is echoed; an answer to ours needs none."""
        opcode, _, _, _, itt, _, cmd_sn, _ = pdu.REQUEST.unpack_from(head, at)
        if itt == NO_TAG and opcode & pdu.IMMEDIATE:
            return  # that it was heard at all is what KeepAlive looks at
        if self.session.nexus is None:
            raise self._not_here(opcode, cmd_sn)
        if not self.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        self.done_in_order(opcode)
        if itt == NO_TAG:
            return
        echo = bytes(data[: self.send_limit])
        header = pdu.REPLY.pack(pdu.NOP_IN, pdu.FINAL, 0, len(echo), 0, itt, NO_TAG, *self.numbers())
        self.connection.send(header, echo)

    def task_management(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        opcode, function, _, lun, itt, referenced, cmd_sn, _, ref_cmd_sn = pdu.TASK_MANAGEMENT_REQUEST.unpack_from(
            head, at
        )
        if not self.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        response, more = perform(
            self.session, function & 0x7F, lun, referenced, cmd_sn, ref_cmd_sn, self.parameters.protocol_level
        )
        self.done_in_order(opcode)
        header = pdu.REPLY.pack(pdu.TASK_MANAGEMENT_RESPONSE, pdu.FINAL, response, 0, more, itt, 0, *self.numbers())
        self.connection.send(header)
        self.session.after_management(function & 0x7F, response)

    def logout(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """11.14, 11.15: close the session (0), a connection (1), or drop one for recovery (2)."""
        opcode, flags, _, itt, cid, cmd_sn, _ = pdu.LOGOUT_REQUEST.unpack_from(head, at)
        if not self.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        reason = flags & 0x7F
        if reason > 2 or (reason and self.session.nexus is None):
            self.done_in_order(opcode)
            raise Rejected(pdu.INVALID_PDU_FIELD, f"logout reason {reason}")
        response, closing = self.session.log_out(reason, cid)
        self.done_in_order(opcode)
        header = pdu.LOGOUT_REPLY.pack(
            pdu.LOGOUT_RESPONSE, pdu.FINAL, response, 0, itt, *self.numbers(), self.parameters.time2wait, 0
        )
        self.connection.send(header)
        for phase in closing:
            phase.connection.finish(LOGGED_OUT)

    def snack(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """Recovery within the connection is for ErrorRecoveryLevel 1 and above (11.16); we settle on 0."""
        raise Rejected(pdu.SNACK_REJECT, "SNACK at ErrorRecoveryLevel 0")

    def _unknown(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        opcode = head[at]
        if opcode & 0x3F == pdu.LOGIN:
            raise ProtocolError("a Login Request in the full feature phase")
        raise self._not_here(opcode, int.from_bytes(head[at + 24 : at + 28], "big"))

    def _not_here(self, opcode: int, cmd_sn: int) -> Rejected:
        """For a request that this session does not perform; the number it came with is used up all the same."""
        code = opcode & 0x3F
        if not opcode & pdu.IMMEDIATE and code < pdu.NOP_IN and code not in _UNNUMBERED:
            self.session.plug(cmd_sn)
        return Rejected(pdu.COMMAND_NOT_SUPPORTED, f"operation code {code:02X}h")

    def reject(self, reason: int, head: bytes) -> None:
        """11.17: the offending header goes back with it."""
        self.writes.drop_arriving()
        stat_sn, exp_cmd_sn, max_cmd_sn = self.numbers()
        header = pdu.REPLY.pack(pdu.REJECT, pdu.FINAL, reason, len(head), 0, NO_TAG, 0, stat_sn, exp_cmd_sn, max_cmd_sn)
        self.connection.send(header, head)
        if self.session.waiting:
            self.session.resume()

    def ask_logout(self, seconds: int) -> None:
        """Asynchronous message: please log out within `seconds` (11.9.1)."""
        self._announce(pdu.ASYNC_LOGOUT_REQUEST, (0, 0, seconds))

    def announce_end(self) -> None:
        """Asynchronous message: all connections of this session are about to be dropped, and the session with them."""
        self._announce(pdu.ASYNC_DROP_ALL, (0, self.parameters.time2wait, 0))

    def _announce(self, event: int, parameters: tuple[int, int, int]) -> None:
        header = pdu.ASYNC.pack(pdu.ASYNC_MESSAGE, pdu.FINAL, 0, 0, NO_TAG, *self.numbers(), event, 0, *parameters)
        self.connection.send(header)

    def ping(self) -> None:
        """11.19: an unsolicited NOP-In that wants an answer; it uses up no StatSN."""
        session = self.session
        header = pdu.REPLY.pack(
            pdu.NOP_IN, pdu.FINAL, 0, 0, 0, NO_TAG, _PING_TAG, self.stat_sn, session.exp_cmd_sn, session.max_cmd_sn
        )
        self.connection.send(header)

    def ended(self, why: str) -> None:
        """The connection is gone: its tasks go with it (7.1.4.1: at ErrorRecoveryLevel 0 nothing can claim them)."""
        self.keepalive.stop()
        self.writes.drop_arriving()
        self.session.lost(self, why)


def _residual(expected: int, actual: int) -> tuple[int, int, int]:
    """Flag, residual count and bytes to move (11.4.5.1)."""
    if actual > expected:
        return pdu.OVERFLOW, actual - expected, expected
    if actual < expected:
        return pdu.UNDERFLOW, expected - actual, actual
    return 0, 0, actual
