"""What a copy manager knows of its copies, under way and ended, and what it tells of them (SPC-5 5.18.4, 6.24 ff).

A record belongs to one nexus and is found by its list identifier. It is gone once it was fetched, replaced or the nexus
is lost; and the oldest ones go when there are too many.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from tgtd.scsi.sense import GOOD, OPERATION_IN_PROGRESS, CheckCondition

if TYPE_CHECKING:
    from tgtd.scsi.copy.job import CopyJob
    from tgtd.scsi.nexus import Nexus

MOST = 64
"""Records that one unit keeps."""

DONE, FAILED, IN_FOREGROUND, IN_BACKGROUND, ABORTED = 0x01, 0x02, 0x11, 0x12, 0x60
_BYTES, _KILOBYTES, _BLOCKS = 0x00, 0x01, 0xF1
_UPDATE_DELAY = 500
"""Milliseconds after which asking again is worth while."""


class CopyRecord:
    """One copy. action: the service action that began it. block_size: what the transfer is counted in, 0: bytes."""

    def __init__(self, nexus: Nexus, identifier: int | None, action: int, state: int, block_size: int = 0) -> None:
        self.nexus = nexus
        self.identifier = identifier
        self.action = action
        self.state = state
        self.job: CopyJob | None = None
        self.token: bytes | None = None
        self.moved = 0
        self.wanted_end = False
        """Somebody has put an end to it."""
        self._segment = 0
        self._steps = 0
        self._block_size = block_size
        self._sense = b""
        self._status = GOOD

    @property
    def running(self) -> bool:
        return self.state in (IN_FOREGROUND, IN_BACKGROUND)

    def end(self, state: int, status: int = GOOD, sense: bytes = b"") -> None:
        self._look()
        self.state, self.job, self._status, self._sense = state, None, status, sense

    def _look(self) -> None:
        if self.job is not None:
            self.moved, self._segment, self._steps = self.job.moved, self.job.segment, self.job.steps

    def narrow(self) -> bytes:
        """RECEIVE COPY STATUS(LID1) (SPC-5 6.28)."""
        self._look()
        state = 0x00 if self.running else DONE if self.state == DONE else FAILED
        large = self.moved > 0xFFFFFFFF
        count = self.moved >> 10 if large else self.moved
        unit = _KILOBYTES if large else _BYTES
        return struct.pack(">IBHBI", 8, state, self._segment, unit, min(count, 0xFFFFFFFF))

    def details(self) -> bytes:
        """RECEIVE COPY FAILURE DETAILS(LID1) (SPC-5 6.25)."""
        if self.state == DONE:
            return bytes(4)
        body = struct.pack(">52xBBH", FAILED, self._status, len(self._sense)) + self._sense
        return struct.pack(">I", len(body)) + body

    def wide(self, blocks: bool = False) -> bytes:
        """RECEIVE COPY STATUS(LID4) without its length (SPC-5 6.29). blocks: count in them."""
        self._look()
        count, unit = (self.moved // self._block_size, _BLOCKS) if blocks and self._block_size else (self.moved, _BYTES)
        return (
            struct.pack(
                ">BBHIBBBBQH6x",
                self.action,
                self.state,
                self._steps & 0xFFFF,
                _UPDATE_DELAY if self.running else 0xFFFFFFFF,
                self._status,
                len(self._sense),
                len(self._sense),
                unit,
                count,
                self._segment,
            )
            + self._sense
        )


class CopyRecords:
    """The records of one unit."""

    def __init__(self) -> None:
        self._by_identifier: dict[tuple[Nexus, int], CopyRecord] = {}
        self._nameless: dict[CopyRecord, None] = {}

    def enter(self, record: CopyRecord) -> None:
        """Raises OPERATION IN PROGRESS while the nexus has a copy of this name under way."""
        if record.identifier is None:
            self._nameless[record] = None
            return
        key = record.nexus, record.identifier
        self.demand_free(*key)
        self._by_identifier.pop(key, None)
        if len(self._by_identifier) >= MOST:
            oldest = next((at for at, one in self._by_identifier.items() if not one.running), None)
            if oldest is not None:
                del self._by_identifier[oldest]
        self._by_identifier[key] = record

    def demand_free(self, nexus: Nexus, identifier: int | None) -> None:
        known = None if identifier is None else self._by_identifier.get((nexus, identifier))
        if known is not None and known.running:
            raise CheckCondition(OPERATION_IN_PROGRESS)

    def find(self, nexus: Nexus, identifier: int) -> CopyRecord | None:
        return self._by_identifier.get((nexus, identifier))

    def drop(self, record: CopyRecord) -> None:
        self._nameless.pop(record, None)
        key = record.nexus, record.identifier
        if record.identifier is not None and self._by_identifier.get((record.nexus, record.identifier)) is record:
            del self._by_identifier[key]  # type: ignore[arg-type]

    def lose(self, nexus: Nexus | None = None) -> None:
        """A nexus is lost, or the unit was reset: its copies end, and what is known of them is forgotten."""
        for record in (*self._by_identifier.values(), *self._nameless):
            if nexus is None or record.nexus is nexus:
                record.wanted_end = True
                self.drop(record)
