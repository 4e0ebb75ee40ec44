"""What a tape drive counts for its log pages: bytes before and after compression, errors, what a cartridge has seen."""

from __future__ import annotations

from typing import NamedTuple


class Traffic(NamedTuple):
    """Bytes of blocks. received, stored: by WRITE, as sent and as they stand in the cartridge. fetched, handed: by
    READ, as they stand there and as far as the initiator wanted them; unpacked: as they were sent once. unwritten,
    unread: commands that met a medium's error."""

    received: int = 0
    stored: int = 0
    fetched: int = 0
    handed: int = 0
    unpacked: int = 0
    unwritten: int = 0
    unread: int = 0


class TapeTally:
    """resets: what counters were when LOG SELECT reset them, by log page."""

    def __init__(self) -> None:
        self.total = Traffic()
        self.resets: dict[int, tuple[int, ...]] = {}
        self._loaded = Traffic()

    def add(self, received: int = 0, stored: int = 0, fetched: int = 0, handed: int = 0, unpacked: int = 0) -> None:
        more = (received, stored, fetched, handed, unpacked, 0, 0)
        self.total = Traffic(*map(int.__add__, self.total, more))

    def fail(self, writing: bool) -> None:
        received, stored, fetched, handed, unpacked, unwritten, unread = self.total
        self.total = Traffic(received, stored, fetched, handed, unpacked, unwritten + writing, unread + (not writing))

    def load(self) -> None:
        """A cartridge was threaded."""
        self._loaded = self.total

    def since_load(self) -> Traffic:
        return Traffic(*map(int.__sub__, self.total, self._loaded))


def ratio(before: int, after: int) -> int:
    """How many times smaller, in hundredths; 100 while nothing was stored (SSC-5 8.2)."""
    return min(before * 100 // after, 0xFFFF) if after else 100
