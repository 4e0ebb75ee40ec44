"""A change of a library's inventory: out of the drives, remembered, into the drives."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tgtd.scsi.sense import Sense
from tgtd.scsi.smc.inventory import Inventory, Resting

if TYPE_CHECKING:
    from tgtd.scsi.smc.changer import Changer

WhenMoved = Callable[[BaseException | None], None]

MEMORY = "inventory"
"""The name under which it is remembered."""


class Declined(NamedTuple):
    """Why a drive does not take a volume. why: in words, where there is more to say than by sense data."""

    barcode: str
    sense: Sense
    why: str = ""


class Bay(Protocol):
    """Where a drive stands in a library. `then` is called once, in the loop thread, with what went wrong, or None."""

    refused: Declined | None
    """The volume in it that its drive does not take, and why."""

    @property
    def identifier(self) -> tuple[int, int, bytes]:
        """Of the drive: code set, designator type, designator (SPC-5 7.7.6.1)."""

    @property
    def usable(self) -> bool:
        """Whether there is a drive that the robot can serve."""

    def check(self, leaving: bool) -> None:
        """Raises CheckCondition when the drive takes no volume, or (leaving) gives none back, now."""

    def settled(self, barcode: str | None, present: bool) -> bool:
        """Whether nothing has to be done for this volume to be in it."""

    def accept(self, volume: Resting, then: WhenMoved) -> None:
        """The robot has put it into the drive."""

    def release(self, then: WhenMoved, forced: bool = False) -> None:
        """The robot takes out what is in the drive. forced: even if not all that was written to it can be kept."""


class Change:
    """after: the inventory that is to be. releases, accepts: bays, with what they give and get; None where nobody
    minds. forced: nothing of it may fail because a drive cannot keep what was written."""

    def __init__(
        self,
        changer: Changer,
        after: Inventory,
        releases: Iterable[tuple[Bay, Resting | None]],
        accepts: Iterable[tuple[Bay, Resting]],
        forced: bool = False,
    ) -> None:
        self._forced = forced
        self._changer = changer
        self._after = after
        self._releases = list(releases)
        self._released: list[tuple[Bay, Resting]] = []
        self._accepts = list(accepts)
        self._error: BaseException | None = None
        self._done: WhenMoved = _nobody
        self._over: Callable[[], None] | None = None
        self._ended = False

    def begin(self, done: WhenMoved, over: Callable[[], None]) -> bool:
        """`done` is called once, with what went wrong, or None; then `over`, unless that is before this returns.

        Whether it is still under way.
        """
        self._done = done
        self._release()
        self._over = over
        return not self._ended

    def _release(self) -> None:
        if self._releases:
            bay, volume = self._releases.pop(0)
            bay.release(partial(self._left, bay, volume), self._forced)
        elif self._after == self._changer.inventory:
            self._put(None)
        else:
            self._changer.memory.keep(MEMORY, self._after.encode(), self._kept)

    def _left(self, bay: Bay, volume: Resting | None, error: BaseException | None) -> None:
        if error is not None:
            self._back(error)
            return
        if volume is not None:
            self._released.append((bay, volume))
        self._release()

    def _kept(self, error: BaseException | None) -> None:
        if error is not None:
            self._back(error)
            return
        self._changer.inventory = self._after
        self._put(None)

    def _back(self, error: BaseException) -> None:
        """It did not happen: what was taken out goes in again."""
        self._error = error
        self._accepts = self._released
        self._put(None)

    def _put(self, error: BaseException | None) -> None:
        if self._accepts:
            bay, volume = self._accepts.pop(0)
            bay.accept(volume, self._put)
        else:
            self._end()

    def _end(self) -> None:
        self._ended = True
        try:
            self._done(self._error)
        finally:
            if self._over is not None:
                self._over()


def _nobody(error: BaseException | None) -> None:
    """Before anybody waits."""
