"""How a medium is to be opened, whatever its kind."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """What is no concern of a kind of medium, it passes over.

    size: bytes; None: as large as it is. create: make it if it is not there. writable: it is written to. direct: past
    the page cache. sync: every write is on stable storage on return. preallocate: space for all of it is taken now,
    and when it grows.
    """

    size: int | None = None
    create: bool = False
    writable: bool = True
    direct: bool = False
    sync: bool = False
    preallocate: bool = False


PLAIN = OpenOptions()
