"""Text requests in the full feature phase (RFC 7143 11.10, 11.11): SendTargets, and the few keys left to settle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.keys import KEYS, KeyPhase, encode, number, parse
from tgtd.net.iscsi.pdu import NO_TAG, Rejected

if TYPE_CHECKING:
    from tgtd.net.iscsi.connection import Bytes
    from tgtd.net.iscsi.fullfeature import FullFeature

_LONGEST = 64 * 1024
_TAG = 1


class TextExchange:
    """One exchange at a time per connection: a request of one or more PDUs, then an answer of one or more."""

    def __init__(self, phase: FullFeature) -> None:
        self._phase = phase
        self._reset()

    def _reset(self) -> None:
        self._question = b""
        self._answer = memoryview(b"")
        self._open = False  # the initiator has our tag and may go on with it

    def request(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """Handler for Text Request PDUs. Raises Rejected."""
        opcode, flags, _, lun, itt, ttt, cmd_sn, _ = pdu.REQUEST.unpack_from(head, at)
        phase = self._phase
        if not phase.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        phase.done_in_order(opcode)
        try:
            self._advance(flags, itt, ttt, lun, bytes(data))
        except Rejected:
            self._reset()
            raise

    def _advance(self, flags: int, itt: int, ttt: int, lun: int, data: bytes) -> None:
        if ttt == NO_TAG:
            self._reset()  # 11.10.4: a new exchange; the old one is forgotten
        elif ttt != _TAG or not self._open:
            raise Rejected(pdu.INVALID_PDU_FIELD, "a Text Request continues an exchange that does not exist")
        if self._answer and data:
            raise Rejected(pdu.PROTOCOL_ERROR, "a new question came before the answer to the last was through")
        self._question += data
        if len(self._question) > _LONGEST:
            raise Rejected(pdu.NEGOTIATION_RESET, "the text is too long")
        if flags & pdu.CONTINUE:
            if flags & pdu.FINAL:
                raise Rejected(pdu.PROTOCOL_ERROR, "a Text Request has both the F and the C bit set")
            self._reply(itt, lun, b"", False, False)
            return
        if self._question:
            question, self._question = self._question, b""
            self._answer = memoryview(self._respond(question))
        limit = self._phase.send_limit
        chunk, self._answer = self._answer[:limit], self._answer[limit:]
        more = bool(self._answer)
        # 11.11.1: F may only answer F.
        self._reply(itt, lun, chunk, bool(flags & pdu.FINAL) and not more, more)

    def _reply(self, itt: int, lun: int, data: Bytes, final: bool, more: bool) -> None:
        self._open = not final
        flags = (pdu.FINAL if final else 0) | (pdu.CONTINUE if more else 0)
        header = pdu.REPLY.pack(
            pdu.TEXT_RESPONSE, flags, 0, len(data), lun, itt, NO_TAG if final else _TAG, *self._phase.numbers()
        )
        self._phase.connection.send(header, data)

    def _respond(self, question: bytes) -> bytes:
        try:
            keys = parse(question)
        except ValueError as error:
            raise Rejected(pdu.PROTOCOL_ERROR, str(error)) from None
        answers: list[tuple[str, str]] = []
        for name, value in keys.items():
            row = KEYS.get(name)
            if row is None:
                answers.append((name, "NotUnderstood"))
            elif KeyPhase.FULL_FEATURE not in row.phase:
                raise Rejected(pdu.PROTOCOL_ERROR, f"key {name} in the full feature phase")
            elif name == "SendTargets":
                answers += self._phase.session.send_targets(value, self._phase.connection.local)
            elif name == "MaxRecvDataSegmentLength":
                try:
                    self._phase.send_limit = number(row, value)
                except ValueError as error:
                    raise Rejected(pdu.PROTOCOL_ERROR, str(error)) from None
        return encode(answers)
