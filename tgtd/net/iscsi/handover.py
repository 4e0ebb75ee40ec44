"""A connection on its way to the process that its target lives in. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


class Elsewhere(Exception):
    """The target that a login asks for is served by another process."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.target = target


@dataclass(frozen=True, slots=True)
class Parcel:
    """received: all that was read, from the first Login Request on. answered: how many of these requests were, all of
    them with the C bit, for which there is but one answer (RFC 7143 6.2). since: loop time of its coming."""

    target: str
    sock: socket.socket
    received: bytes
    answered: int
    since: float


Courier = Callable[[Parcel, str], None]
"""Takes a parcel, and the address it comes from, which counts as connected until IscsiService.parted."""
