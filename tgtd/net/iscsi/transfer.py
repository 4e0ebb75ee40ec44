"""The data-out of one write: immediate, unsolicited and solicited data into one buffer (RFC 7143 4.2.5). Pure.

DataPDUInOrder and DataSequenceInOrder are always Yes, so each burst is filled front to back.
"""

from __future__ import annotations

from tgtd.scsi.sense import ABORTED_COMMAND, Refused, Sense
from tgtd.scsi.task import Task

# RFC 7143 11.4.7.2: iSCSI conditions as sense data.
UNEXPECTED_UNSOLICITED_DATA = Sense(ABORTED_COMMAND, 0x0C, 0x0C, "unexpected unsolicited data")
INCORRECT_AMOUNT_OF_DATA = Sense(ABORTED_COMMAND, 0x0C, 0x0D, "not enough unsolicited data")
PROTOCOL_SERVICE_CRC_ERROR = Sense(ABORTED_COMMAND, 0x47, 0x05, "protocol service CRC error")


class DataError(Exception):
    """A Data-Out does not continue its burst; the task fails with this sense."""

    def __init__(self, sense: Sense) -> None:
        super().__init__(sense.text)
        self.sense = sense


class Burst:
    """One sequence of Data-Out PDUs: from `offset` to `end`, with the DataSN expected next."""

    __slots__ = ("data_sn", "end", "offset")

    def __init__(self, offset: int, end: int) -> None:
        self.offset = offset
        self.end = end
        self.data_sn = 0


class DataOutTransfer:
    """Gathers a task's data-out.

    view: where it goes, `limit` bytes; what lies beyond is read and dropped. total: what the initiator offers (expected
    data transfer length). failure: the task is already lost and ends with this once the unsolicited data is through.
    """

    __slots__ = (
        "bursts",
        "failure",
        "limit",
        "r2t_sn",
        "received",
        "solicited",
        "task",
        "total",
        "unsolicited",
        "view",
    )

    def __init__(self, task: Task, view: memoryview, total: int) -> None:
        self.task = task
        self.view = view
        self.limit = len(view)
        self.total = total
        self.received = 0
        self.solicited = 0
        self.r2t_sn = 0
        self.bursts: dict[int, Burst] = {}
        self.unsolicited: Burst | None = None
        self.failure: Refused | None = None

    @property
    def complete(self) -> bool:
        """All that was wanted is here, and no burst is open."""
        if self.unsolicited is not None or self.bursts:
            return False
        return self.failure is not None or self.received >= self.limit

    def burst(self, tag: int | None) -> Burst | None:
        """The open burst of a target transfer tag; None asks for the unsolicited one."""
        return self.unsolicited if tag is None else self.bursts.get(tag)

    def check(self, burst: Burst, data_sn: int, offset: int, length: int) -> None:
        """Does this Data-Out continue its burst? Raises DataError."""
        if data_sn != burst.data_sn or offset != burst.offset:
            raise DataError(PROTOCOL_SERVICE_CRC_ERROR)
        if offset + length > burst.end:
            raise DataError(INCORRECT_AMOUNT_OF_DATA)

    def place(self, offset: int, length: int) -> memoryview | None:
        """Where a payload lands; None when part of it is to be dropped."""
        return self.view[offset : offset + length] if offset + length <= self.limit else None

    def store(self, offset: int, data: bytes | memoryview) -> None:
        """Copy a payload in, as far as it is wanted."""
        keep = min(len(data), self.limit - offset)
        if keep > 0:
            self.view[offset : offset + keep] = data[:keep]

    def advance(self, tag: int | None, burst: Burst, length: int, final: bool) -> None:
        """A payload of the burst is in. Raises DataError when F does not mark its end (11.7.1)."""
        burst.offset += length
        burst.data_sn += 1
        self.received = max(self.received, min(burst.offset, self.limit))
        if not final:
            if burst.offset >= burst.end:
                raise DataError(INCORRECT_AMOUNT_OF_DATA)
        elif tag is None:
            self.unsolicited = None
            self.solicited = max(self.solicited, burst.offset)
        else:
            del self.bursts[tag]
            if burst.offset < burst.end:
                raise DataError(INCORRECT_AMOUNT_OF_DATA)

    def solicit(self, tag: int, max_burst: int) -> tuple[int, int]:
        """Open the next solicited burst under this tag: (offset, length)."""
        offset = self.solicited
        length = min(max_burst, self.limit - offset)
        self.solicited = offset + length
        self.bursts[tag] = Burst(offset, offset + length)
        return offset, length
