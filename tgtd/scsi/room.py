"""How much room there is where a medium's space comes from: what a thin disk can run out of. Does no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tgtd.scsi.medium import Store


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes. total: of the pool, as far as the daemon may use it. free: what is left of it. taken: by this medium."""

    total: int
    free: int
    taken: int

    @property
    def percent(self) -> int:
        """How full the pool is, rounded up as df(1) does."""
        return -(-(self.total - self.free) * 100 // self.total) if self.total else 100


@runtime_checkable
class Roomy(Protocol):
    """A medium that knows its pool. room: as it was when the medium was opened, and then at the last look."""

    room: Room

    def look_for_room(self) -> Room:
        """As it is now. May block; raises OSError."""


def roomy(medium: Store | None) -> Roomy | None:
    """What below a medium knows the pool; None where nothing does."""
    while medium is not None:
        if isinstance(medium, Roomy):
            return medium
        medium = getattr(medium, "medium", None)
    return None
