"""How units come by their media: opening one, and putting one away.

Both may block for ever (a dead network file system), so they are work for the pool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tgtd.config import model
from tgtd.encrypting import enciphered
from tgtd.ledger import Kept, Ledger
from tgtd.media import MediumError, Opener, OpenOptions
from tgtd.memories import Memories
from tgtd.protecting import beside
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.layer import bottom
from tgtd.scsi.medium import Store
from tgtd.workers import Workers

log = logging.getLogger(__name__)

BEING_OPENED = "its medium is still being opened"
"""Why a unit is pending while its first attempt is under way."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What units are made from. openers: by medium type. ledger: where their reservations are kept; memories:
    whatever else they remember."""

    workers: Workers
    pool: BufferPool
    openers: Mapping[str, Opener]
    ledger: Ledger
    memories: Memories


class Opening:
    """An attempt to open a medium. Ends with `medium` or `cause`; `done` stays false while the system call hangs.

    kept: the reservations of the unit with this wwid, as they were before; remembered: the rest of what it remembers.
    """

    def __init__(self, shop: Shop, wish: model.Lun, wwid: bytes) -> None:
        self.wish = wish
        self.kept: Kept | None = None
        self.remembered: dict[str, bytes] = {}
        self.medium: Store | None = None
        self.cause = BEING_OPENED
        self.done = False
        self._shop = shop
        self._wwid = wwid
        self._then: Callable[[], None] | None = None
        self._abandoned = False
        shop.workers.lane(1).submit(self._open, self._opened)

    def then(self, call: Callable[[], None]) -> None:
        """Call once when the attempt has ended (at once when it has)."""
        self._then = call
        if self.done:
            call()

    def abandon(self) -> None:
        """Nobody wants the medium any more: close it, whenever it comes."""
        self._abandoned = True
        self._then = None
        if self.medium is not None:
            put_away(self._shop.workers, self.medium)
            self.medium = None

    def take(self) -> Store | None:
        """The medium, which now belongs to the caller."""
        medium, self.medium = self.medium, None
        return medium

    def _open(self) -> None:
        self.kept = self._shop.ledger.load(self._wwid)
        self.remembered = self._shop.memories.load(self._wwid)
        medium = open_medium(self._shop.openers, self.wish)
        try:
            medium = enciphered(self._shop.openers, self.wish, medium, self.remembered)
            self.medium = beside(self._shop.openers, self.wish, medium, self.remembered)
        except BaseException:
            medium.close()
            raise

    def _opened(self, error: BaseException | None) -> None:
        self.done = True
        if error is not None:
            self.cause = reason(error)
            if not isinstance(error, (OSError, ValueError)):
                log.error("opening a medium failed", exc_info=error)
        if self._abandoned:
            self.abandon()
        elif self._then is not None:
            self._then()


def open_medium(openers: Mapping[str, Opener], wish: model.Lun) -> Store:
    """Blocks. Raises OSError or ValueError."""
    medium = wish.medium
    options = OpenOptions(
        medium.size, medium.create, not wish.read_only, medium.direct, medium.sync, medium.preallocate
    )
    return openers[medium.type](medium.path, options)


def put_away(workers: Workers, medium: Store, done: Callable[[], None] | None = None) -> None:
    """Flush and close a medium that nobody uses any more, in a worker."""

    def work() -> None:
        store = bottom(medium)  # past filters, which might fail or hang
        try:
            if store.writable:
                store.flush()
        finally:
            store.close()

    def ended(error: BaseException | None) -> None:
        if error is not None:
            log.error("closing a medium: %s", reason(error))
        if done is not None:
            done()

    workers.lane(1).submit(work, ended)


def reason(error: BaseException) -> str:
    """An error as people like to read it: the file it is about, and what is wrong with it."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, MediumError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__
