"""What a logical unit remembers beyond its process: small values by name, such as saved mode pages.

Does no I/O: who makes the unit gives it a memory, and its store is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tgtd.scsi.sense import BECOMING_READY, CheckCondition

WhenKept = Callable[[BaseException | None], None]
"""Called once, in the loop thread: the value is on stable storage, or with what went wrong; then all is as before."""


class Memory(Protocol):
    """Loop thread only."""

    def recall(self, name: str) -> bytes | None:
        """What was kept last under this name; costs nothing. None: nothing was, or it was to be forgotten."""

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        """Keep a value from now on; None forgets it. `then` may be called before this returns, or later; `recall` goes
        by the value before until then. One after the other, in the order of the calls."""


class Forgetful:
    """Of units without a store: what it keeps lasts as long as the unit does."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}

    def recall(self, name: str) -> bytes | None:
        return self._values.get(name)

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        if value is None:
            self._values.pop(name, None)
        else:
            self._values[name] = value
        then(None)


class Unknown:
    """Not loaded yet: nothing is recalled, and nothing can be kept before it is known what there is."""

    def recall(self, name: str) -> bytes | None:
        return None

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        then(CheckCondition(BECOMING_READY))
