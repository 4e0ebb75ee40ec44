"""What a disk counts of its commands, for the administrator."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class DiskCounters:
    """Plain counts since the disk was made; `other`: commands besides reads and writes. medium_errors: those of
    `errors` that the medium is to blame for."""

    reads: int = 0
    writes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    flushes: int = 0
    unmaps: int = 0
    other: int = 0
    errors: int = 0
    medium_errors: int = 0

    def as_dict(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}
