"""A filter that hangs when it is told to, until it is told otherwise: for trying out what initiators make of it."""

from __future__ import annotations

import threading
from collections.abc import Collection

from tgtd.media.touching import Touching
from tgtd.scsi.medium import BlockMedium


class StalledMedium(Touching):
    """While it hangs each of the verbs waits. `hang` and `release` may be called from any thread."""

    def __init__(self, medium: BlockMedium, verbs: Collection[str], hanging: bool) -> None:
        super().__init__(medium, verbs)
        self._open = threading.Event()
        if not hanging:
            self._open.set()

    @property
    def hanging(self) -> bool:
        return not self._open.is_set()

    def hang(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def concerned(self, verb: str, offset: int, length: int) -> bool:
        """What is not done by a worker yet may come upon a gate that was closed meanwhile."""
        return verb in self.verbs and self.hanging

    def before(self, verb: str, offset: int, length: int) -> None:
        self._open.wait()
