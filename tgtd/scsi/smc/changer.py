"""The media changer (SMC-3): a robot that moves volumes between slots, import/export elements and drives.

It decides and remembers; what a move means to a drive is its bay's affair. Moves are made one after the other, and the
inventory is on stable storage before the initiator hears that one was made. Does no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.counters import Counters
from tgtd.scsi.device import AnyDevice, Device
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Offload
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.savedmodes import restore
from tgtd.scsi.sense import (
    BECOMING_READY,
    GOOD,
    INQUIRY_DATA_CHANGED,
    LOAD_FAILED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MODE_PARAMETERS_CHANGED,
    Sense,
)
from tgtd.scsi.smc.alerts import DRIVE_OFFLINE, INVENTORY, Alerts
from tgtd.scsi.smc.barcodes import medium_type
from tgtd.scsi.smc.bay import DriveBay
from tgtd.scsi.smc.change import MEMORY, Bay, Change, Declined, WhenMoved
from tgtd.scsi.smc.commands import ROWS
from tgtd.scsi.smc.inventory import ElementType, Inventory, Layout, reconcile
from tgtd.scsi.smc.modes import MODE_PAGES
from tgtd.scsi.smc.report import Status
from tgtd.scsi.smc.shelf import Blank, Found, LibrarySettings, Shelf
from tgtd.scsi.smc.status import Search
from tgtd.scsi.smc.vital import VITAL_PAGES
from tgtd.scsi.spc.tapealert import TAPE_ALERT
from tgtd.scsi.ssc.drive import TapeDrive
from tgtd.scsi.task import PENDING, Task
from tgtd.scsi.turns import Turns

if TYPE_CHECKING:
    from tgtd.scsi.inquiry import VitalPage
    from tgtd.scsi.log import LogPage
    from tgtd.scsi.mode import ModePage

log = logging.getLogger(__name__)

SMC_3 = 0x0480
_MOST_TOLD = 8
_AT_ONCE = 256
"""Cartridges that are made before others may have the lane."""


@dataclass(slots=True)
class ChangerCounters(Counters):
    """Plain counts since the changer was made. moves: inventories that came into force."""

    moves: int = 0


class Changer(Device[Shelf, LibrarySettings]):
    """bays: of the drives, by element address. present: barcodes on the shelf when it was looked at last, each with
    what is wrong with its cartridge. unmade: those that could not be made, with the reason; they are no part of the
    library. homeless: those for which no element is free."""

    device_type = 0x08
    rows = ROWS
    versions = (SMC_3,)
    removable = True
    vital_pages: ClassVar[tuple[VitalPage, ...]] = VITAL_PAGES
    mode_pages: tuple[ModePage, ...] = MODE_PAGES
    log_pages: ClassVar[tuple[LogPage, ...]] = (TAPE_ALERT,)

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload, settings: LibrarySettings) -> None:
        self.settings = settings
        self.counters: ChangerCounters = ChangerCounters()
        self.last_medium_error = None
        self.medium = None
        self.block_size = 0
        self.inventory = Inventory()
        self.bays: dict[int, Bay] = {}
        self.present: Mapping[str, str | None] = {}
        self.unmade: dict[str, str] = {}
        self.homeless: tuple[str, ...] = ()
        self.searches: dict[LunNexus, Search] = {}
        """What each nexus has looked for last."""
        self.alerts = Alerts()
        self.turns = Turns()
        self._absence: Sense | None = None
        self._counted = False  # whether it is known what there is
        self._looking: Shelf | None = None
        self._again = False
        self._leaving: list[Bay] = []
        super().__init__(identity, pool, lane)
        self._survey()

    @property
    def layout(self) -> Layout:
        return self.settings.layout

    @property
    def capacity(self) -> None:
        """Volumes have one, a library has none."""
        return None

    def statuses(self, first: int = 0, kind: int = 0) -> Iterator[Status]:
        """Elements in the order of their addresses, from `first` on; kind: of which, 0 for all."""
        for some in sorted(self.layout.ranges, key=lambda one: one.first):
            if kind in (0, some.kind):
                for address in range(max(first, some.first), some.first + some.count):
                    yield self._status(some.kind, address)

    def _status(self, kind: ElementType, address: int) -> Status:
        volume, bay = self.inventory.at(address), self.bays.get(address)
        return Status(
            address,
            kind,
            volume,
            accessible=kind is not ElementType.DRIVE or (bay is not None and bay.usable),
            trouble=self.trouble(volume.barcode) if volume is not None else None,
            identifier=bay.identifier if bay is not None else None,
            medium=medium_type(volume.barcode, self.settings.rules) if volume is not None else 0,
        )

    def trouble(self, barcode: str) -> Sense | None:
        """Why a volume cannot be used: its file is missing, or the drive that it is in does not take it."""
        declined = self._declined(barcode)
        if declined is not None:
            return declined.sense
        return None if not self._counted or self._sound(barcode) else LOAD_FAILED

    def _declined(self, barcode: str) -> Declined | None:
        """Of the drive that it is in."""
        return next((bay.refused for bay in self.bays.values() if bay.refused and bay.refused.barcode == barcode), None)

    def _sound(self, barcode: str) -> bool:
        """Whether its cartridge is on the shelf, with nothing wrong that could be seen."""
        return self.present.get(barcode, "missing") is None

    def traits(self) -> Mapping[str, bool]:
        volumes = self.inventory.contents.values()
        return {
            "cartridge-trouble": any(self.trouble(one.barcode) is not None for one in volumes),
            "no-room": bool(self.homeless),
        }

    def worries(self) -> Iterator[str]:
        for volume in self.inventory.contents.values():
            sense = self.trouble(volume.barcode)
            if sense is not None:
                yield f"cartridge {volume.barcode} cannot be used: {self.explain(volume.barcode, sense)}"
        for barcode, trouble in self.unmade.items():
            yield f"cartridge {barcode} cannot be made: {trouble}"
        for barcode in self.homeless:
            yield f"no slot is free for cartridge {barcode}: export another, or give the library more slots"
        for address, name in zip(self.layout.drives, self.settings.drives, strict=True):
            bay = self.bays.get(address)
            if bay is None or not bay.usable:
                yield (
                    f"the robot cannot use the drive that is LUN {name}: it is not there, not online, or has a "
                    "cartridge in it that does not come from this library"
                )

    def explain(self, barcode: str, sense: Sense) -> str:
        """In words, why a volume cannot be used."""
        if barcode not in self.present:
            return "no such file"
        declined = self._declined(barcode)
        return self.present[barcode] or (declined.why if declined is not None else "") or sense.text

    # Moves

    def change_inventory(self, task: Task, plan: Callable[[], Change]) -> int:
        """Make a change when those before it are made. plan: called then; raises CheckCondition. A handler returns what
        this returns."""
        status, late = PENDING, False

        def done(error: BaseException | None) -> None:
            nonlocal status
            status = GOOD if error is None or task.aborted else self.refuse(task, error)
            if late:
                self.finish(task, status)

        self.in_turn(plan, done, lambda: task.aborted)
        late = True
        return status

    def in_turn(self, plan: Callable[[], Change], done: WhenMoved, vain: Callable[[], bool] = lambda: False) -> None:
        """The same for whoever wants it. done: called once, with what went wrong, or None; not if it was in vain."""
        self.turns.take(partial(self._begin, plan, done, vain))

    def _begin(self, plan: Callable[[], Change], done: WhenMoved, vain: Callable[[], bool]) -> bool:
        if vain():
            return False
        try:
            change = plan()
        except Exception as trouble:
            done(trouble)
            return False
        self.counters.moves += 1
        return change.begin(done, self.turns.end)

    # What is there

    def look(self) -> None:
        """See what is on the shelf, and have the library hold what it is to hold."""
        shelf = self.medium
        if shelf is None:
            return
        if self._looking is shelf:
            self._again = True
            return
        self._looking, self._again = shelf, False
        settings, known = self.settings, self._known()
        new = [settings.blank(one) for one in settings.cartridges or () if settings.create and one not in known]
        self._fill(shelf, new, {})

    def _fill(self, shelf: Shelf, new: list[Blank], unmade: dict[str, str]) -> None:
        """Make what is new, some at a time, and look."""
        some, rest, found = new[:_AT_ONCE], new[_AT_ONCE:], list[Found]()
        self.lane.submit(lambda: found.append(shelf.look(some)), partial(self._looked, shelf, rest, unmade, found))

    def _looked(
        self,
        shelf: Shelf,
        rest: list[Blank],
        unmade: dict[str, str],
        found: list[Found],
        error: BaseException | None,
    ) -> None:
        if self.medium is not shelf:
            return
        if error is None:
            unmade.update(found[0].unmade)
            if rest:
                self._fill(shelf, rest, unmade)
                return
        self._looking = None
        if isinstance(error, OSError):
            if str(error) != str(self.last_medium_error):
                self.counters.medium_errors += 1
            self.last_medium_error = error
        elif error is not None:
            log.error("%s: looking for its cartridges failed", self.describe(), exc_info=error)
        else:
            self._tell(found[0].present, unmade)
            self.present, self.unmade = found[0].present, unmade
        self.turns.take(self._settle)
        if self._again:
            self.look()

    def _tell(self, found: Mapping[str, str | None], unmade: Mapping[str, str]) -> None:
        """Log what has come to be wrong with cartridges."""
        new = [
            f"{barcode} ({trouble})"
            for barcode, trouble in found.items()
            if trouble is not None and self.present.get(barcode) != trouble
        ]
        new += [
            f"{barcode} (it cannot be made: {trouble})"
            for barcode, trouble in unmade.items()
            if self.unmade.get(barcode) != trouble
        ]
        if new:
            more = f" and {len(new) - _MOST_TOLD} more" if len(new) > _MOST_TOLD else ""
            log.warning("%s: cartridges cannot be used: %s%s", self.describe(), ", ".join(new[:_MOST_TOLD]), more)

    def _known(self) -> set[str]:
        """Barcodes that the library has, or has had: these are not made again."""
        return {*(volume.barcode for volume in self.inventory.contents.values()), *self.inventory.exported}

    def _wished(self) -> Iterator[str]:
        """Barcodes that the library is to hold; those that are to be made once they are made."""
        cartridges = self.settings.cartridges
        if cartridges is None:
            yield from (volume.barcode for volume in self.inventory.contents.values())
            yield from sorted(self.present)
            return
        known = self._known()
        yield from (one for one in cartridges if not self.settings.create or one in self.present or one in known)

    def _settle(self) -> bool:
        """Bring what is wished and what is remembered together, and the drives with that."""
        if self.medium is None:
            return False
        found = reconcile(self.layout, self._wished(), self.inventory)
        self.homeless = found.homeless
        after = found.inventory
        leaving, self._leaving = self._leaving, []
        releases: list[Bay] = [bay for bay in leaving if not bay.settled(None, True)]
        accepts = []
        for address, bay in self.bays.items():
            volume = after.at(address)
            barcode = None if volume is None else volume.barcode
            if not bay.usable or bay.settled(barcode, barcode is not None and self._sound(barcode)):
                continue
            releases.append(bay)
            if volume is not None:
                accepts.append((bay, volume))
        differs = after.contents != self.inventory.contents
        change = Change(self, after, [(bay, None) for bay in releases], accepts, forced=True)
        return change.begin(partial(self._settled, differs), self.turns.end)

    def _settled(self, differs: bool, error: BaseException | None) -> None:
        if error is not None:
            log.error("%s: what it holds could not be remembered: %s", self.describe(), error)
        if not self._counted and self.medium is not None:
            self._counted = True
            self._survey()
        missing = any(not self._sound(volume.barcode) for volume in self.inventory.contents.values())
        useless = any(address not in self.bays or not self.bays[address].usable for address in self.layout.drives)
        self.alerts.see({DRIVE_OFFLINE: useless, INVENTORY: missing or bool(self.homeless)})
        if differs and error is None:
            self.attend_all(MEDIUM_MAY_HAVE_CHANGED)

    # The shelf comes and goes, and so do drives

    def insert(self, medium: Shelf) -> None:
        kept = self.memory.recall(MEMORY)
        self.inventory = Inventory() if kept is None else Inventory.decode(kept)
        self.medium = medium
        self._absence = None
        self._survey()
        self.look()

    def offline(self, sense: Sense | None = None) -> Shelf | None:
        medium, self.medium = self.medium, None
        self._absence = sense or MANUAL_INTERVENTION_REQUIRED
        self._counted = False
        self._looking = None
        self._survey()
        return medium

    def change(self, settings: LibrarySettings, identity: Identity) -> None:
        before, self.settings = (self.identity, self.layout), settings
        self.identity = identity
        if before[0] != identity:
            self.attend_all(INQUIRY_DATA_CHANGED)
        if before[1] != settings.layout:
            self.attend_all(MODE_PARAMETERS_CHANGED)
        self.look()

    def meet(self, find: Callable[[str | None, int], AnyDevice | None]) -> None:
        stand = {bay.drive: bay for bay in self.bays.values() if isinstance(bay, DriveBay)}
        bays: dict[int, Bay] = {}
        for address, name in zip(self.layout.drives, self.settings.drives, strict=True):
            drive = find(*name)
            if isinstance(drive, TapeDrive):
                bay = stand.pop(drive, None) or DriveBay(self, drive)
                drive.mounted = bay.started
                bays[address] = bay
        for drive, bay in stand.items():
            drive.mounted = None
            self._leaving.append(bay)
        if bays != self.bays:
            self.bays = bays
            self.look()

    def looked_at(self) -> None:
        self.look()

    def _survey(self) -> None:
        if self.medium is None:
            self.obstacle = self._absence or MANUAL_INTERVENTION_REQUIRED
        else:
            self.obstacle = None if self._counted else BECOMING_READY
        self.refresh_commands()
        self.regate_all()

    def refuse(self, task: Task, trouble: BaseException, writing: bool = False) -> int:
        self.counters.errors += 1
        return super().refuse(task, trouble, writing)

    def restore_defaults(self) -> None:
        super().restore_defaults()
        self.alerts.clear()
        restore(self)

    def lose(self, itl: LunNexus) -> None:
        super().lose(itl)
        self.alerts.lose(itl)
        self.searches.pop(itl, None)
