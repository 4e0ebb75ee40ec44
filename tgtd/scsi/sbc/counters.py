"""What a disk counts of its commands, for the administrator."""

from __future__ import annotations

from dataclasses import dataclass

from tgtd.scsi.counters import Counters


@dataclass(slots=True)
class DiskCounters(Counters):
    """other: commands besides reads and writes."""

    reads: int = 0
    writes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    flushes: int = 0
    unmaps: int = 0
    other: int = 0
