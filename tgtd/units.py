"""A logical unit that runs: the SCSI device, the medium behind it, and how the one gets hold of the other.

Probing a medium may block for ever, as opening and closing one may (opening.py), so all of it is work for the pool. A
unit whose medium cannot be had is pending: it answers NOT READY, says why, and is tried again.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import logging
import time
from collections.abc import Callable
from functools import partial

from tgtd import encrypting, protecting
from tgtd.config import model
from tgtd.devices import KINDS
from tgtd.faults import Faults
from tgtd.ledger import Kept, Page
from tgtd.memories import UnitMemory
from tgtd.opening import BEING_OPENED, Opening, Shop, put_away, reason
from tgtd.patience import Patience
from tgtd.pools import Pool
from tgtd.scsi.layer import bottom
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Store
from tgtd.scsi.memory import Unknown
from tgtd.scsi.sense import BECOMING_READY, Sense
from tgtd.scsi.spc.persistent import Clearing
from tgtd.scsi.task import Task
from tgtd.workers import Lane

log = logging.getLogger(__name__)

JOBS_AT_ONCE = 16
"""How many commands of one unit may be with the workers at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failing:
    """What commands met on a medium that is there. count: since the unit was made; when: seconds since the epoch."""

    count: int = 0
    last: str = ""
    when: float = 0.0


class UnitState(enum.Enum):
    ONLINE = "online"
    PENDING = "pending"
    OFFLINE = "offline"


class Unit:
    """One LUN of a running target. `place` is what logs call it."""

    def __init__(self, shop: Shop, target: str, wish: model.Lun, identity: Identity) -> None:
        self.shop = shop
        self.target = target
        self.place = f"{target} LUN {wish.number}"
        self.wish = wish
        self.cause: str | None = None
        self.lane: Lane = shop.workers.lane(JOBS_AT_ONCE)
        self.kind = KINDS[wish.device]
        self.device = self.kind.make(identity, shop.pool, self.lane, self.kind.settings(wish))
        self.device.reservations.forget()
        self.device.remember(Unknown())
        self.device.lost = self._lost
        self.faults = Faults(self.device)
        self.patience = Patience(shop.workers.loop, self.device, self.place)
        self.patience.use(wish.io_timeout, wish.io_timeout_policy)
        self.pool = Pool(self.place, self._fields)
        self._page_lane = shop.workers.lane(1)
        self._opening: Opening | None = None
        self._reopening = False
        self._probing = False
        self._resizing = False
        self._awaiting = False  # another unit's medium has to be closed first
        self._again = False  # what an attempt met may be out of date when it ends
        self._gone = False
        self._retiring = 0  # media of before that are not closed yet
        self._closed: Callable[[], None] | None = None
        self.failing = Failing()
        self._told = False  # whether the log says that the unit is pending

    @property
    def state(self) -> UnitState:
        if not self.wish.online:
            return UnitState.OFFLINE
        return UnitState.PENDING if self.device.medium is None else UnitState.ONLINE

    @property
    def size(self) -> int | None:
        """Bytes that initiators know of, while there is a medium."""
        return None if self.device.medium is None else self.device.capacity

    @property
    def settling(self) -> bool:
        """On the way to another medium or size."""
        return bool(self._opening or self._reopening or self._resizing or self._probing or self._awaiting)

    def adopt(self, opening: Opening) -> None:
        """Use what an attempt brings: now, or when it ends; a failure makes the unit pending."""
        self._opening = opening
        self._awaiting = False
        self.cause = self.cause or BEING_OPENED
        opening.then(self._settle)

    def retry(self) -> None:
        """A pending unit tries again: now, or when the attempt under way has failed."""
        if self._reopening or self._gone:
            return
        if self._opening is not None or self.state is not UnitState.PENDING:
            self._again = True
        else:
            self.adopt(Opening(self.shop, self.wish, self.device.identity.wwid))

    def note_errors(self) -> None:
        """Tell of commands that failed on the medium since the last look: once, however many they are."""
        count, error = self.device.counters.medium_errors, self.device.last_medium_error
        if error is None or count == self.failing.count:
            return
        new = count - self.failing.count
        self.failing = Failing(count, reason(error), time.time())
        log.error(
            "%s: %d command%s failed on its medium, the last with: %s%s",
            self.place,
            new,
            "" if new == 1 else "s",
            self.failing.last,
            "; make room on its file system" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "",
            extra=self._fields(),
        )

    def probe(self) -> None:
        """Look whether an undeclared size has grown; try again what a declared one asks for and could not be had."""
        medium = self.device.medium
        if medium is None or self._probing or self._resizing or self._gone:
            return
        if self.wish.medium.size is not None:
            if self.wish.medium.size != medium.size:
                self.resize(self.wish)
            return
        self._probing = True
        found = [0]

        def look() -> None:
            found[0] = medium.resize_probe()
            if found[0] > medium.size:
                medium.grow(found[0])

        self.lane.submit(look, partial(self._probed, medium, found))  # the medium is closed after this lane's jobs

    def look_for_room(self) -> None:
        """Look how full the pool is, where a warning is wanted."""
        if self.wish.pool_warning and not self._gone:
            self.pool.look(self.device, self.lane)  # the medium is closed after this lane's jobs

    def resize(self, wish: model.Lun) -> None:
        """The declared size changed: grow the medium (or cut it, where that was allowed), then tell initiators."""
        medium, size = self.device.medium, wish.medium.size
        self.wish = dataclasses.replace(self.wish, medium=wish.medium)
        self.faults.adopt(self.wish.medium.filters)
        if medium is None:
            self.retry()
            return
        if size is None:
            self.probe()
            return
        if self._resizing or self._probing:
            return  # one at a time; its end looks at what is wished by then
        self._resizing = True
        self.lane.submit(partial(medium.grow, size), partial(self._resized, medium))

    def change(self, wish: model.Lun, identity: Identity) -> None:
        """Adopt what needs no other medium. Raises ValueError when the medium cannot serve it."""
        self.device.change(self.kind.settings(wish), identity)
        self.wish = wish
        self.patience.use(wish.io_timeout, wish.io_timeout_policy)
        self.faults.adopt(wish.medium.filters)

    def await_release(self) -> None:
        """Another unit still has the medium; `retry` will be called when it has let go."""
        self.cause = "another LUN is about to let go of its medium"
        self._awaiting = True

    def swap(self, wish: model.Lun, identity: Identity, opening: Opening | None, released: Callable[[], None]) -> None:
        """Go over to another medium (opening None: to none, for now). `released()` once the old one is closed."""
        old = self._let_go(wish, identity, BECOMING_READY if wish.online else None)
        if opening is not None:
            self.adopt(opening)
        elif wish.online:
            self.await_release()
        if old is not None:
            self._retire(old, partial(self._released, released))

    def _released(self, then: Callable[[], None]) -> None:
        """The old medium is closed; it may have been the same one that is wanted again by now."""
        self.retry()
        then()

    def reopen(self, wish: model.Lun, identity: Identity) -> None:
        """Open the same medium in another way. Its lock admits one of us, so initiators are told to wait meanwhile."""
        old = self._let_go(wish, identity, BECOMING_READY)
        self.cause = "its medium is being opened anew"
        if old is None:
            self.retry()
        else:
            self._reopening = True
            self._retire(old, self._reopen)

    def _lost(self, error: OSError) -> None:
        """A command found that the medium is gone: pending, until it is there again."""
        if self.device.medium is not None and not self._gone:
            log.error("%s: its medium is gone: %s", self.place, reason(error), extra=self._fields())
            self.reopen(self.wish, self.device.identity)

    def _reopen(self) -> None:
        self._reopening = False
        self.retry()

    def _let_go(self, wish: model.Lun, identity: Identity, sense: Sense | None) -> Store | None:
        self._stop_opening()
        self._awaiting = self._probing = self._resizing = False  # the old medium's are nobody's business any more
        self.faults.release()
        self.patience.use(wish.io_timeout, wish.io_timeout_policy)
        self.patience.forget()
        old = self.device.offline(sense)
        if identity.wwid != self.device.identity.wwid:
            self.device.reservations.forget()
            self.device.remember(Unknown())
        self.device.change(self.kind.settings(wish), identity)
        self.wish = wish
        self.cause = None
        return old

    def close(self, done: Callable[[], None]) -> None:
        """The unit was removed: end what runs, flush, close; then call `done()`."""
        self._gone = True
        self._stop_opening()
        self.faults.release()
        self.patience.stop()
        medium = self.device.medium

        def drained() -> None:
            if medium is not None:
                put_away(self.shop.workers, medium, ended)
            else:
                ended()

        def ended() -> None:
            self._closed = done
            self._report_closed()

        self._page_lane.close(partial(self.lane.close, drained))  # whoever has this identity next reads what we wrote

    def _stop_opening(self) -> None:
        if self._opening is not None:
            self._opening.abandon()
            self._opening = None

    def _settle(self) -> None:
        """An attempt to open the medium has ended."""
        opening, self._opening = self._opening, None
        assert opening is not None
        again, self._again = self._again, False
        if opening.medium is None and again:
            self.retry()
            return
        before = self.cause
        medium = opening.take()
        if medium is None:
            self.cause = opening.cause
            if self.cause != before:
                self.device.offline()
        else:
            try:
                self._recall(opening)
                self.device.insert(self.faults.before(medium, self.wish.medium.filters))
                protecting.note(self.device, self.wish)
                encrypting.note(self.device, self.wish)
                self.cause = None
            except ValueError as trouble:
                self.cause = str(trouble)
                put_away(self.shop.workers, medium)
        if self.cause is None and self._told:
            self._told = False
            log.info("%s is online", self.place, extra=self._fields())
        elif self.cause is not None and self.cause != before:
            self._told = True
            log.warning("%s is pending: %s (%s)", self.place, self.cause, self.wish.origin, extra=self._fields())

    def _recall(self, opening: Opening) -> None:
        """The first time under this identity, begin with the reservations and all else that was kept."""
        wwid = self.device.identity.wwid
        if isinstance(self.device.memory, Unknown):
            memories, values = self.shop.memories, opening.remembered
            self.device.remember(UnitMemory(memories, self._page_lane, wwid, self.place, values))
        reservations = self.device.reservations
        if reservations.known or opening.kept is None:
            return
        state, damage = opening.kept
        page = Page(self.shop.ledger, self._page_lane, wwid, self.place)
        reservations.adopt(state, page, damage)
        if damage is not None:
            log.error(
                "%s: nobody knows what is reserved, so nobody may use it: %s", self.place, damage, extra=self._fields()
            )
        self.device.regate_all()

    def recover_reservations(self) -> None:
        """While a damaged file keeps everybody away: look whether the administrator has restored it."""
        reservations = self.device.reservations
        store = reservations.store
        if reservations.lost is None or store is None or not self._page_lane.idle():
            return
        found: list[Kept] = []
        wwid = self.device.identity.wwid

        def look() -> None:
            found.append(self.shop.ledger.load(wwid))

        def looked(error: BaseException | None) -> None:
            if error is None and found[0].damage is None and reservations.lost and reservations.store is store:
                reservations.adopt(found[0].state, store)
                self.device.regate_all()
                log.info("%s: its reservations are known again", self.place, extra=self._fields())

        self._page_lane.submit(look, looked)

    def clear_reservations(self, then: Callable[[BaseException | None], None]) -> None:
        """For the administrator: nothing is reserved and nobody registered; `then(error)` is called once."""
        self.device.reservations.change(Clearing(self.device, then))

    def _probed(self, medium: Store, found: list[int], error: BaseException | None) -> None:
        if not self._has(medium):
            return
        self._probing = False
        if isinstance(error, OSError) and error.errno in (errno.ENODEV, errno.ENXIO):
            self._lost(error)
        elif error is not None:
            log.warning("%s: cannot look at its medium: %s", self.place, reason(error), extra=self._fields())
        elif found[0] < medium.size:
            self._complain(
                f"its medium shrank from {medium.size} to {found[0]} bytes while in use; restore it, or declare the "
                "smaller size with allow_shrink"
            )
        else:
            self.cause = None
            self._grown(medium)
        if self.wish.medium.size not in (None, medium.size):
            self.resize(self.wish)

    def _has(self, medium: Store) -> bool:
        """Whether it is still the one in use, whatever stands before it by now."""
        return self.device.medium is not None and bottom(self.device.medium) is bottom(medium) and not self._gone

    def _complain(self, cause: str) -> None:
        if cause != self.cause:
            log.error("%s: %s", self.place, cause, extra=self._fields())
        self.cause = cause

    def _resized(self, medium: Store, error: BaseException | None) -> None:
        if not self._has(medium):
            return
        self._resizing = False
        if error is not None:
            self._complain(f"cannot change its size to {self.wish.medium.size} bytes: {reason(error)}")
            return
        self.cause = None
        self._grown(medium)
        if self.wish.medium.size not in (None, medium.size):
            self.resize(self.wish)

    def _grown(self, medium: Store) -> None:
        size = self.device.capacity
        self.device.grown(medium.size)
        if self.device.capacity != size:
            log.info("%s now has %d bytes (before: %d)", self.place, medium.size, size, extra=self._fields())

    def _report_closed(self) -> None:
        """Once every medium that this unit has had is closed."""
        if self._closed is not None and not self._retiring:
            done, self._closed = self._closed, None
            done()

    def _retire(self, medium: Store, then: Callable[[], None]) -> None:
        """Close the old medium once nothing can still use it; what starts from now on has a lane of its own."""
        old, self.lane = self.lane, self.shop.workers.lane(JOBS_AT_ONCE)
        self.device.lane = self.lane
        self._retiring += 1
        close = partial(put_away, self.shop.workers, medium, partial(self._retired, then))
        self._when_released(old, list(self.device.tasks), close)

    def _retired(self, then: Callable[[], None]) -> None:
        self._retiring -= 1
        then()
        self._report_closed()

    def _when_released(self, lane: Lane, tasks: list[Task], close: Callable[[], None]) -> None:
        """Not before the old lane is empty and the tasks that knew the old medium are through, aborted ones too."""
        present = set(self.device.tasks)
        left = [task for task in tasks if task in present or task.busy]
        if left or not lane.idle():
            self.shop.workers.loop.call_later(0.02, partial(self._when_released, lane, left, close))
        else:
            close()

    def _fields(self) -> dict[str, object]:
        return {"TARGET": self.target, "LUN": self.wish.number}
