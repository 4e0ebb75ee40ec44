"""Text requests in the full feature phase (RFC 7143 11.10, 11.11): SendTargets, and the few keys left to settle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.keys import KEYS, Phase, encode, number, parse
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
        self._question = b""
        self._answer = b""

    def request(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        """Handler for Text Request PDUs. Raises Rejected."""
        opcode, flags, _, lun, itt, ttt, cmd_sn, _ = pdu.REQUEST.unpack_from(head, at)
        phase = self._phase
        if not phase.in_order(opcode, cmd_sn, head, at, ahs, data):
            return
        phase.done_in_order(opcode)
        if ttt == NO_TAG and not self._question:
            self._answer = b""  # 11.10.4: a new exchange; the old one is forgotten
        self._question += bytes(data)
        if len(self._question) > _LONGEST:
            self._question = b""
            raise Rejected(pdu.NEGOTIATION_RESET, "the text is too long")
        if flags & pdu.CONTINUE:
            self._reply(itt, lun, b"", final=False, more=False)
            return
        question, self._question = self._question, b""
        if question:
            self._answer = self._respond(question)
        elif ttt != NO_TAG and not self._answer:
            raise Rejected(pdu.INVALID_PDU_FIELD, "a Text Request continues an answer that had ended")
        chunk, self._answer = self._answer[: phase.send_limit], self._answer[phase.send_limit :]
        more = bool(self._answer)
        self._reply(itt, lun, chunk, final=not more, more=more)

    def _reply(self, itt: int, lun: int, data: bytes, final: bool, more: bool) -> None:
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
            elif Phase.FULL_FEATURE not in row.phase:
                raise Rejected(pdu.PROTOCOL_ERROR, f"key {name} in the full feature phase")
            elif name == "SendTargets":
                answers += self._phase.session.send_targets(value, self._phase.connection.local)
            elif name == "MaxRecvDataSegmentLength":
                try:
                    self._phase.send_limit = number(row, value)
                except ValueError as error:
                    raise Rejected(pdu.PROTOCOL_ERROR, str(error)) from None
        return encode(answers)
