"""The writes of one connection: where their data-out comes from and lands, until the logical unit gets them
(RFC 7143 4.2.5.2, 11.7, 11.8).

Immediate data comes with the command, unsolicited data after it, solicited data when an R2T asks. A payload that is
still on its way is received straight into its transfer's buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.net.iscsi import pdu
from tgtd.net.iscsi.pdu import NO_TAG, ProtocolError, Rejected
from tgtd.net.iscsi.transfer import (
    INCORRECT_AMOUNT_OF_DATA,
    UNEXPECTED_UNSOLICITED_DATA,
    Burst,
    DataError,
    DataOutTransfer,
)
from tgtd.scsi.sense import CheckCondition, Refused, Sense
from tgtd.scsi.target import encode_lun
from tgtd.scsi.task import NO_RESPONSE, RECEIVING, Task

if TYPE_CHECKING:
    from tgtd.net.iscsi.connection import Bytes
    from tgtd.net.iscsi.fullfeature import FullFeature

_MOST_ORPHANS = 1024
_FINAL_WRITE = pdu.FINAL | pdu.WRITES


class Writes:
    """transfers: by initiator task tag, the writes whose data is still coming.

    arriving: what the payload now being received lands in: a pooled buffer for a command, the task of a Data-Out.
    """

    def __init__(self, phase: FullFeature) -> None:
        self._phase = phase
        self._parameters = phase.parameters
        self._session = phase.session
        self._pool = phase.session.service.pool
        self._most_whole = phase.parameters.first_burst if phase.parameters.immediate_data else 0
        self.transfers: dict[int, DataOutTransfer] = {}
        self._tags: dict[int, DataOutTransfer] = {}
        """By target transfer tag: the R2Ts that are out."""
        self._orphans: dict[int, None] = {}
        """Tags whose task is gone but whose data may still come; it is dropped without a word."""
        self.solicitations: dict[int, int] = {}
        """By initiator task tag: R2Ts sent for bidirectional commands whose data-out is complete."""
        self._next_tag = 1
        self.arriving: memoryview | Task | None = None

    def forget(self, task: Task) -> None:
        """The task has ended: data that is still to come for it will be dropped."""
        transfer = self.transfers.pop(task.tag, None)
        if transfer is None:
            return
        for tag in transfer.bursts:
            self._tags.pop(tag, None)
            self._orphan(tag)
        if transfer.unsolicited is not None:
            self._orphan(~task.tag)

    def _orphan(self, tag: int) -> None:
        """Remember a tag whose data is to be dropped; ~ITT stands for unsolicited data."""
        self._orphans[tag] = None
        if len(self._orphans) > _MOST_ORPHANS:
            del self._orphans[next(iter(self._orphans))]

    def begin(self, task: Task, flags: int, expected: int, ahs: bytes, data: Bytes) -> None:
        """A command that sends data, or carries additional header segments."""
        if flags & 0xE0 == _FINAL_WRITE and len(data) == expected <= self._most_whole and not ahs and not self.arriving:
            self._whole(task, expected, data)
            return
        bidi: int | None = None
        if ahs:
            try:
                task.cdb, bidi = pdu.split_ahs(ahs, task.cdb)
            except ProtocolError:
                task.status = NO_RESPONSE
                self._phase.complete(task)
                raise
        if flags & pdu.WRITES:
            task.expected_out = expected
            task.expected_in = bidi or 0 if flags & pdu.READS else 0
        lu = task.itl.lu
        wanted = min(lu.data_out_length(task), task.expected_out)
        immediate = len(data)
        self._session.bytes_out += immediate
        spare = self.take_arriving()
        transfer = self._open(task, wanted, spare)
        try:
            if immediate:
                self._take_immediate(transfer, data, immediate)
            if not flags & pdu.FINAL:
                self._expect_unsolicited(transfer, immediate)
        except DataError as error:
            self._fail(transfer, error.sense)
            return
        finally:
            if isinstance(spare, memoryview) and spare.obj is not transfer.view.obj:
                self._pool.give(spare)
        transfer.solicited = immediate
        if transfer.complete:
            self._execute(transfer)
            return
        lu.tasks.admit(task)
        self.transfers[task.tag] = transfer
        self._solicit(transfer)

    def _whole(self, task: Task, expected: int, data: Bytes) -> None:
        """The usual small write, on the hot path: all of its data came with the command."""
        task.expected_out = expected
        self._session.bytes_out += expected
        lu = task.itl.lu
        wanted = lu.data_out_length(task)
        try:
            if wanted < expected:
                expected = wanted
                data = data[:wanted]
            if expected:
                view = task.data_out = task.allocate(self._pool, expected)
                view[:] = data
        except Refused as refused:
            lu.finish(task, lu.refuse(task, refused))
            return
        task.itl.execute(task)

    def _open(self, task: Task, wanted: int, spare: memoryview | Task | None) -> DataOutTransfer:
        """A transfer with its buffer: the one the immediate data already lies in, if that is large enough."""
        view = memoryview(b"")
        failure: Refused | None = None
        if not wanted:
            pass
        elif isinstance(spare, memoryview) and len(spare) >= wanted:
            task.adopt(self._pool, spare)
            view = spare[:wanted]
        else:
            try:
                view = task.allocate(self._pool, wanted)
            except Refused as refused:
                failure = refused
        transfer = DataOutTransfer(task, view, task.expected_out)
        transfer.failure = failure
        return transfer

    def _take_immediate(self, transfer: DataOutTransfer, data: Bytes, length: int) -> None:
        if not self._parameters.immediate_data:
            raise DataError(UNEXPECTED_UNSOLICITED_DATA)
        if length > min(transfer.total, self._parameters.first_burst):
            raise DataError(INCORRECT_AMOUNT_OF_DATA)
        if not (isinstance(data, memoryview) and data.obj is transfer.view.obj):
            transfer.store(0, data)
        transfer.received = min(length, transfer.limit)

    def _expect_unsolicited(self, transfer: DataOutTransfer, immediate: int) -> None:
        end = min(transfer.total, self._parameters.first_burst)
        transfer.unsolicited = Burst(immediate, end)
        if self._parameters.initial_r2t:
            raise DataError(UNEXPECTED_UNSOLICITED_DATA)
        if end <= immediate:
            raise DataError(INCORRECT_AMOUNT_OF_DATA)

    def _execute(self, transfer: DataOutTransfer) -> None:
        """The data is here: on to the logical unit."""
        task = transfer.task
        self.transfers.pop(task.tag, None)
        if transfer.failure is not None:
            task.itl.lu.finish(task, task.itl.lu.refuse(task, transfer.failure))
            return
        task.data_out = transfer.view[: transfer.received]
        if transfer.r2t_sn and task.expected_in:
            self.solicitations[task.tag] = transfer.r2t_sn
        task.itl.execute(task)

    def _fail(self, transfer: DataOutTransfer, sense: Sense) -> None:
        """The transfer broke the rules: the task ends, the rest of its data is dropped when it comes."""
        lu = transfer.task.itl.lu
        self.transfers.setdefault(transfer.task.tag, transfer)
        lu.finish(transfer.task, lu.refuse(transfer.task, CheckCondition(sense)))

    def _solicit(self, transfer: DataOutTransfer) -> None:
        """Send R2Ts, as many as may be out at once (13.17); after the unsolicited data only (11.8)."""
        if transfer.unsolicited is not None or transfer.failure is not None:
            return
        task = transfer.task
        session = self._session
        while transfer.solicited < transfer.limit and len(transfer.bursts) < self._parameters.max_outstanding_r2t:
            tag = self._next_tag
            self._next_tag = tag + 1 if tag < NO_TAG - 1 else 1
            offset, length = transfer.solicit(tag, self._parameters.max_burst)
            self._tags[tag] = transfer
            header = pdu.R2T_HEADER.pack(
                pdu.R2T, pdu.FINAL, 0, encode_lun(max(task.itl.number, 0)), task.tag, tag, self._phase.stat_sn,
                session.exp_cmd_sn, session.max_cmd_sn, transfer.r2t_sn, offset, length,
            )  # fmt: skip
            transfer.r2t_sn += 1
            self._phase.connection.send(header)

    def _find_burst(self, head: Bytes, at: int) -> tuple[DataOutTransfer, int | None, Burst, int, int, bool] | None:
        """Transfer, tag, burst, DataSN, offset, final of a Data-Out; None when its task is gone."""
        _, flags, _, _, itt, ttt, _, data_sn, offset = pdu.DATA_OUT_HEADER.unpack_from(head, at)
        tag = None if ttt == NO_TAG else ttt
        transfer = self.transfers.get(itt) if tag is None else self._tags.get(ttt)
        burst = transfer.burst(tag) if transfer is not None else None
        if transfer is None or burst is None or transfer.task.tag != itt:
            if (~itt if tag is None else ttt) in self._orphans:
                return None
            raise Rejected(pdu.INVALID_PDU_FIELD, f"Data-Out for no known transfer (tags {itt:08X}h, {ttt:08X}h)")
        return transfer, tag, burst, data_sn, offset, bool(flags & pdu.FINAL)

    def data_out(self, head: Bytes, at: int, ahs: bytes, data: Bytes) -> None:
        arriving = self.take_arriving()
        if isinstance(arriving, Task):
            arriving.busy = False
            if arriving.aborted or arriving.tag not in self.transfers:
                arriving.release()
                return
        found = self._find_burst(head, at)
        if found is None:
            return
        transfer, tag, burst, data_sn, offset, final = found
        self._session.bytes_out += len(data)
        try:
            transfer.check(burst, data_sn, offset, len(data))
            if arriving is None:
                transfer.store(offset, data)
            transfer.advance(tag, burst, len(data), final)
        except DataError as error:
            self._fail(transfer, error.sense)
            return
        finally:
            if tag is not None and tag not in transfer.bursts:
                self._tags.pop(tag, None)
        if transfer.complete:
            self._execute(transfer)
        else:
            self._solicit(transfer)

    def destination(self, head: bytes, length: int) -> memoryview | None:
        """A payload is still on its way: give it the place it would be copied to otherwise."""
        opcode = head[0] & 0x3F
        if opcode == pdu.DATA_OUT:
            return self._data_out_place(head, length)
        if opcode == pdu.SCSI_COMMAND and head[1] & pdu.WRITES and self._session.nexus is not None:
            try:
                # What the command wants is not known before its turn comes; its whole write fits in most cases.
                size = max(length, min(int.from_bytes(head[20:24], "big"), self._parameters.first_burst))
                if size > self._pool.share >> 3:
                    return None  # what is not charged to anyone yet must not be what others are short of
                buffer = self.arriving = self._pool.take(size)
            except Refused:
                return None
            return buffer[:length]
        return None

    def _data_out_place(self, head: bytes, length: int) -> memoryview | None:
        try:
            found = self._find_burst(head, 0)
            if found is None:
                return None
            transfer, _, burst, data_sn, offset, _ = found
            transfer.check(burst, data_sn, offset, length)
        except (Rejected, DataError):
            return None  # the handler will say so when the PDU is whole
        place = transfer.place(offset, length)
        if place is not None:
            self.arriving = transfer.task
            transfer.task.busy = RECEIVING
        return place

    def take_arriving(self) -> memoryview | Task | None:
        arriving, self.arriving = self.arriving, None
        return arriving

    def drop_arriving(self) -> None:
        arriving = self.take_arriving()
        if isinstance(arriving, Task):
            arriving.busy = False
            if arriving.aborted:
                arriving.release()
        elif arriving is not None:
            self._pool.give(arriving)
