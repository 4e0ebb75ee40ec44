"""A task: one SCSI command on its way through a device server (SAM-5 4.10, 5.4).

A transport fills a Task and hands it to its LunNexus; `done(task)` is called exactly once, from the loop thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tgtd.scsi.sense import BUSY, TASK_SET_FULL, Refused

if TYPE_CHECKING:
    from tgtd.scsi.buffers import BufferPool
    from tgtd.scsi.nexus import LunNexus

PENDING = -1
"""A handler's answer when it will complete the task later (LogicalUnit.finish)."""

NO_RESPONSE = -2
"""Status of a task that was aborted on its own initiator's wish: nothing is to be sent (SAM-5 5.7)."""

RECEIVING, WORKING = 1, 2
"""Task.busy: its transport receives into its buffer, or a worker carries it out."""

# SAM-5 8.6: task attributes.
SIMPLE = 0
ORDERED = 1
HEAD_OF_QUEUE = 2
ACA = 3

NACA = 0x04
CONTROL: Mapping[int, int] = {0: 5, 1: 9, 2: 9, 3: 1, 4: 15, 5: 11}
"""Where the CONTROL byte is, by the operation code's group (SAM-5 5.2, SPC-5 4.2.5)."""


def naca(cdb: bytes) -> bool:
    """NACA of the CONTROL byte (SAM-5 5.2); false for vendor specific groups, whose CONTROL byte nobody knows."""
    at = CONTROL.get(cdb[0] >> 5)
    return at is not None and bool(cdb[at] & NACA)


class Task:
    """The contract between a transport and a device server.

    Filled by the transport: itl, tag (unique within its I_T nexus), attribute, cdb (bytes, at least 16, zero-padded),
    data_out (the bytes that arrived, maybe fewer than the CDB asks for, or None), expected_in and expected_out (bytes
    the initiator has room for and offers), done, and owner (the transport's own).

    Filled by the device server: status, sense (encoded, or b""), data_in (all that the command has to say; the
    transport cuts it to expected_in and computes the residual), wanted_out (bytes of data-out that the CDB asks for).

    buffer: a pooled buffer that data_out or data_in lies in; `release` gives it back, once nobody is busy with it.
    busy: RECEIVING, WORKING, or false.
    """

    __slots__ = (
        "aborted",
        "attribute",
        "buffer",
        "busy",
        "cdb",
        "data_in",
        "data_out",
        "done",
        "expected_in",
        "expected_out",
        "itl",
        "owner",
        "pool",
        "sense",
        "started",
        "status",
        "tag",
        "wanted_out",
    )

    def __init__(
        self,
        itl: LunNexus,
        tag: int,
        attribute: int,
        cdb: bytes,
        expected_in: int,
        done: Callable[[Task], None],
        data_out: memoryview | bytes | None = None,
        owner: Any = None,
    ) -> None:
        self.itl = itl
        self.tag = tag
        self.attribute = attribute
        self.cdb = cdb
        self.data_out = data_out
        self.expected_in = expected_in
        self.done = done
        self.owner = owner
        self.status = PENDING
        self.sense = b""
        self.data_in: memoryview | bytes | None = None
        self.expected_out = 0
        self.wanted_out = 0
        self.buffer: memoryview | None = None
        self.pool: BufferPool | None = None
        self.busy: int = False
        self.aborted = False
        self.started = False

    def is_aborted(self) -> bool:
        return self.aborted

    def allocate(self, pool: BufferPool, length: int) -> memoryview:
        """A page-aligned buffer of exactly `length` bytes that lives as long as the task.

        Raises Refused: TASK SET FULL when the initiator holds its share of the pool, BUSY when others leave it none. A
        second call gives the first buffer back.
        """
        if self.buffer is not None:
            self.release()
        nexus = self.itl.nexus
        if nexus.buffered + length > pool.limit - pool.used - length:  # pool.share, spelled out on the hot path
            raise Refused(TASK_SET_FULL if nexus.buffered else BUSY)
        buffer = self.buffer = pool.take(length)
        size = len(buffer)
        nexus.buffered += size
        self.pool = pool
        return buffer if size == length else buffer[:length]

    def adopt(self, pool: BufferPool, buffer: memoryview) -> None:
        """Make a buffer that was taken from the pool this task's."""
        self.buffer = buffer
        self.pool = pool
        self.itl.nexus.buffered += len(buffer)

    def release(self) -> None:
        """Give the buffer back. While somebody is busy with it, that is put off until they are done."""
        if self.buffer is not None and not self.busy:
            assert self.pool is not None
            self.data_in = self.data_out = None
            self.itl.nexus.buffered -= len(self.buffer)
            self.pool.give(self.buffer)
            self.buffer = None
