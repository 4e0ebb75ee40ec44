"""The disk: a direct access block device (SBC-4), its state, and what happens to it while it runs.

Commands are rows in commands.py. Does no I/O: the medium does, in a worker or where it takes no waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.command import Command, unsupported
from tgtd.scsi.copy.manager import CopyManager
from tgtd.scsi.declaredmodes import declare
from tgtd.scsi.device import Device
from tgtd.scsi.inquiry import SBC_3, SBC_4
from tgtd.scsi.layer import bottom
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import BlockMedium, Offload
from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.pace import Pace
from tgtd.scsi.savedmodes import restore
from tgtd.scsi.sbc.commands import ROWS
from tgtd.scsi.sbc.counters import DiskCounters
from tgtd.scsi.sbc.flaws import FlawedMedium
from tgtd.scsi.sbc.flush import FlushBehind
from tgtd.scsi.sbc.format import FormatFailure
from tgtd.scsi.sbc.logs import LOG_PAGES
from tgtd.scsi.sbc.modes import MODE_PAGES
from tgtd.scsi.sbc.operation import Operation
from tgtd.scsi.sbc.orwrite import Generations
from tgtd.scsi.sbc.protection.medium import Policy, ProtectedMedium
from tgtd.scsi.sbc.protection.rows import for_type_2
from tgtd.scsi.sbc.removal import put_in, take_out
from tgtd.scsi.sbc.sanitize import SanitizeFailure
from tgtd.scsi.sbc.selftest import INCOMPLETE, SelfTest, SelfTests
from tgtd.scsi.sbc.settings import DiskSettings, check_fit, tidings
from tgtd.scsi.sbc.tally import Tally
from tgtd.scsi.sbc.thresholds import Thresholds
from tgtd.scsi.sbc.vital import EXTENDED_BITS, VITAL_PAGES
from tgtd.scsi.sbc.write import met_instead
from tgtd.scsi.sense import (
    CAPACITY_DATA_CHANGED,
    INITIALIZING_COMMAND_REQUIRED,
    INVALID_FIELD_IN_CDB,
    LBA_OUT_OF_RANGE,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_NOT_PRESENT,
    MODE_PARAMETERS_CHANGED,
    SOFTWARE_WRITE_PROTECTED,
    WRITE_PROTECTED,
    CheckCondition,
    Sense,
)
from tgtd.scsi.stall import Stall
from tgtd.scsi.task import PENDING, Task
from tgtd.scsi.turns import Turns

if TYPE_CHECKING:
    from tgtd.scsi.inquiry import VitalPage
    from tgtd.scsi.log import LogPage
    from tgtd.scsi.memory import Memory
    from tgtd.scsi.mode import ModePage

log = logging.getLogger(__name__)

MOST_BYTES = 32 << 20
"""One READ, WRITE or VERIFY moves at most this (MAXIMUM TRANSFER LENGTH of VPD page B0h)."""


class Disk(Device[BlockMedium, DiskSettings]):
    """A direct access block device on a medium, or waiting for one.

    medium None: the disk exists, answers INQUIRY and its like, and is NOT READY.
    """

    device_type = 0x00
    can_be_copied = True
    rows = ROWS
    counters: DiskCounters
    versions = (SBC_4, SBC_3)  # initiators older than SBC-4 look for the one they know
    vital_pages: ClassVar[tuple[VitalPage, ...]] = VITAL_PAGES
    extended = EXTENDED_BITS
    mode_pages: tuple[ModePage, ...] = MODE_PAGES
    log_pages: ClassVar[tuple[LogPage, ...]] = LOG_PAGES

    def __init__(
        self, identity: Identity, pool: BufferPool, lane: Offload, medium: BlockMedium | None, settings: DiskSettings
    ) -> None:
        check_fit(medium, settings)
        self.settings = settings
        self.counters = DiskCounters()
        self.tally = Tally()
        self.thresholds = Thresholds(self)
        self.self_tests = SelfTests(self)
        self.turns = Turns()
        self.pace = Pace()
        self.generations = Generations()
        self.medium = medium
        self.size = 0 if medium is None else medium.size
        """Bytes that initiators know of. Not the medium's, which a worker changes before the loop is told (`grown`)."""
        self.write_cache = settings.write_cache
        """WCE as it is wanted now: by the settings, or by MODE SELECT until the next reset."""
        self.software_protected = False
        """SWP of the control mode page."""
        self.stopped = False
        self.ejected = False
        self.resting: Sense | None = None
        """The power condition that a command has set; None is active."""
        self.hindrance: Operation | SelfTest | SanitizeFailure | FormatFailure | None = None
        """A sanitize or format operation, under way or failed; or a self-test in the foreground."""
        self.stalled: Stall | None = None
        self.reassigned: set[int] = set()
        """The grown defect list: blocks that REASSIGN BLOCKS has replaced."""
        self.copies = CopyManager(self)
        self.unflushed: OSError | None = None
        """What a flush in the background met; the next SYNCHRONIZE CACHE reports it."""
        self.last_medium_error: OSError | None = None
        self.fetching = False
        """A PRE-FETCH that nobody waits for is under way."""
        self.flushes = FlushBehind(self)
        self._absence = MANUAL_INTERVENTION_REQUIRED
        self._recalled_early = False
        """Before it was known what can be changed here: with protection information more than without."""
        self.block_size = self.shift = self.blocks = self.most_blocks = self.most_protected = 0
        self.thin = False
        self.guarded: ProtectedMedium | None = None
        """The medium that can keep protection information, whether it does now or not."""
        self.policy = Policy()
        self.protection = 0
        """The protection type (SBC-4 4.21.2)."""
        super().__init__(identity, pool, lane)
        self._survey()
        declare(self, settings.mode_pages)

    # What others ask

    @property
    def capacity(self) -> int:
        return self.blocks << self.shift

    def traits(self) -> Mapping[str, bool]:
        return {
            "read-only": self.write_protected is not None,
            "write-cache": self.write_cache and self.volatile_cache,
            "thin": self.thin,
            "removable": self.settings.removable,
            "ejected": self.ejected,
            **({f"protection-type-{self.protection}": True} if self.protection else {}),
        }

    def greeting(self) -> list[Sense]:
        return [*super().greeting(), *self.thresholds.standing()]

    def looked_at(self) -> None:
        self.tally.look(self)

    def failed_self_test(self) -> str | None:
        return self.self_tests.complaint()

    @property
    def durable(self) -> bool:
        """Every write must be on stable storage before it is acknowledged."""
        return not self.write_cache

    def caches(self, wish: bool) -> bool:
        """WCE as it is reported for a wish: a medium that is not volatile has no cache to enable."""
        return wish and (self.medium is None or self.medium.volatile)

    def cache_changeable(self) -> bool:
        return self.medium is None or self.medium.volatile

    def block_geometry(self) -> tuple[int, int]:
        return self.blocks, self.block_size

    def device_specific(self) -> int:
        """SBC-4 6.5.1: WP and DPOFUA."""
        return 0x10 | (0x80 if self.write_protected else 0)

    def store(self) -> BlockMedium:
        """The medium. Raises why there is none: the gate asks only for commands that need one."""
        if self.medium is None:
            raise CheckCondition(self._absence)
        return self.medium

    def check(self, lba: int, count: int, field: int) -> None:
        """Raise when a range does not lie on the disk or is too long for one command; field: TRANSFER LENGTH's byte."""
        if lba >= self.blocks or lba + count > self.blocks:
            raise CheckCondition(LBA_OUT_OF_RANGE)
        if count > self.most_blocks:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=field)

    def standing(self) -> CheckCondition:
        if self.hindrance is not None:
            return self.hindrance.standing()
        if self.self_tests.running is not None:
            return self.self_tests.running.standing()
        return CheckCondition(self.resting) if self.resting and not self.obstacle else super().standing()

    # Work for the workers

    def find(self, cdb: bytes) -> Command:
        if self.protection != 2 and for_type_2(cdb):
            raise unsupported()
        return super().find(cdb)

    def refresh_commands(self) -> None:
        super().refresh_commands()
        self.copies.plug()

    def defer(
        self, task: Task, work: Callable[[], object], then: Callable[[Task], int] | None = None, writing: bool = False
    ) -> int:
        if self.turns.closed:
            self.turns.share(partial(self._start, task, work, then, writing))
            return PENDING
        super().defer(task, work, then, writing)
        self.turns.begin()
        return PENDING

    def defer_alone(
        self, task: Task, work: Callable[[], object], writing: bool = False, then: Callable[[Task], int] | None = None
    ) -> int:
        """As `defer`, with no other deferred work under way."""
        self.turns.take(partial(self._start, task, work, then, writing))
        return PENDING

    def _start(self, task: Task, work: Callable[[], object], then: Callable[[Task], int] | None, writing: bool) -> bool:
        if task.aborted:
            return False
        super().defer(task, work, then, writing)
        return True

    def _deferred(
        self, task: Task, then: Callable[[Task], int] | None, writing: bool, error: BaseException | None
    ) -> None:
        try:
            super()._deferred(task, then, writing, error)
        finally:
            self.turns.end()

    def refuse(self, task: Task, trouble: BaseException, writing: bool = False) -> int:
        self.counters.errors += 1
        if isinstance(trouble, OSError):
            self.counters.medium_errors += 1
            self.last_medium_error = trouble
            if self.volatile_cache and met_instead(task.cdb):
                self.unflushed = trouble
        status = super().refuse(task, trouble, writing)
        self.tally.note(self, task, writing)
        return status

    def flush_behind(self) -> None:
        """Flush without anybody waiting; a failure is kept for the next SYNCHRONIZE CACHE."""
        self.flushes.begin()

    # Operations on the whole disk, and its flaws

    def operate(self, operation: Operation | SelfTest) -> None:
        """Begin a sanitize or format operation, or a self-test in the foreground; nothing else runs until `settle`."""
        self.self_tests.abort()
        self.hindrance = operation
        self._survey()
        operation.begin()

    def settle(self, failure: SanitizeFailure | FormatFailure | None, error: BaseException | None = None) -> None:
        """The operation has ended, or its failure is forgiven."""
        self.hindrance = failure
        if isinstance(error, OSError):
            self.counters.medium_errors += 1
            self.last_medium_error = error
        if error is not None:
            log.error("%s: %s: %s", self.describe(), failure and failure.standing(), error)
        self._survey()

    def rest(self, condition: Sense | None) -> None:
        """A power condition, None being active (SBC-4 4.21); a stopped disk runs again."""
        if self.stopped:
            self.tally.started(self)
        self.resting, self.stopped = condition, False
        self._survey()

    def _rouse(self, row: Command) -> None:
        """What needs the medium ends a power condition; asking whether the disk is ready does not."""
        if row.medium and row.opcode:
            self.rest(None)

    def flawed(self) -> FlawedMedium:
        """The medium, prepared for blocks that cannot be read."""
        medium = self.store()
        if not isinstance(medium, FlawedMedium):
            self.medium = medium = FlawedMedium(medium, self.shift)
        return medium

    def heal(self, blocks: Iterable[int]) -> None:
        """Blocks that were marked bad can be read again."""
        if isinstance(self.medium, FlawedMedium):
            self.medium.bad.difference_update(blocks)

    # Live changes

    def remember(self, memory: Memory) -> None:
        super().remember(memory)
        self._recalled_early = self.medium is None

    def insert(self, medium: BlockMedium) -> None:
        """The medium is there (again): NOT READY to ready (SBC-4 4.4). Raises ValueError when it does not fit."""
        check_fit(medium, self.settings)
        self.medium, self.size = medium, medium.size
        self.stopped = self.ejected = False
        self._survey()
        if self._recalled_early:
            self._recalled_early = False
            self.recall_modes()
        self.attend_all(MEDIUM_MAY_HAVE_CHANGED)

    def stall(self, stall: Stall | None) -> None:
        self.stalled = stall
        self._survey()

    @property
    def engaged(self) -> bool:
        return self.hindrance is not None

    def relayer(self, medium: BlockMedium) -> None:
        """Commands under way go on through the layers that they have begun with."""
        self.medium = self.medium.before(medium) if isinstance(self.medium, FlawedMedium) else medium
        protected = self.write_protected
        self._survey()
        if self.write_protected != protected:
            self.attend_all(MODE_PARAMETERS_CHANGED)

    def offline(self, sense: Sense | None = None) -> BlockMedium | None:
        """Take the medium away and answer NOT READY from now on; returns it, to be closed when the lane is idle."""
        if isinstance(self.hindrance, Operation):
            self.hindrance.interrupt()
        self.self_tests.abort(INCOMPLETE)
        self.copies.disturb()
        medium, self.medium = _bare(self.medium), None
        self.size = 0
        self.reassigned.clear()
        self.fetching = False  # what this medium owes, the next one does not
        self.flushes.forget()
        self._absence = sense or (MEDIUM_NOT_PRESENT if self.settings.removable else MANUAL_INTERVENTION_REQUIRED)
        self._survey()
        return medium

    def grown(self, size: int) -> None:
        """The medium has `size` bytes now: CAPACITY DATA HAS CHANGED (SBC-4 4.7)."""
        self.size = size
        blocks = size >> self.shift
        if blocks != self.blocks:
            self.blocks = blocks
            self.attend_all(CAPACITY_DATA_CHANGED)

    def change(self, settings: DiskSettings, identity: Identity) -> None:
        """Adopt other settings while initiators look on. Raises ValueError when the medium cannot serve them.

        Another block size makes another disk.
        """
        check_fit(self.medium, settings)
        old, before = self.settings, self.identity
        flush = self.write_cache and not settings.write_cache
        self.settings, self.identity = settings, identity
        if settings.write_cache != old.write_cache:
            self.write_cache = settings.write_cache
        self._survey()
        if settings.pool_warning != old.pool_warning:
            self.thresholds.forget()
        if (settings.mode_pages, settings.pool_warning) != (old.mode_pages, old.pool_warning):
            flush |= declare(self, settings.mode_pages)
        if flush:
            self.flush_behind()
        for sense in tidings(old, settings, before != identity):
            self.attend_all(sense)

    def protect(self, on: bool) -> None:
        """SWP of the control mode page."""
        self.software_protected = on
        self._survey()

    def halt(self, stopped: bool, ejected: bool) -> None:
        """START STOP UNIT (SBC-4 5.31)."""
        self.self_tests.abort()
        if self.stopped and not stopped:
            self.tally.started(self)
        self.stopped, self.ejected, self.resting = stopped, ejected, None
        self._survey()

    eject = take_out
    load = put_in

    def restore_defaults(self) -> None:
        if not self.cache_changeable():
            self.write_cache = self.settings.write_cache
        if restore(self)[1]:
            self.flush_behind()
        self.resting = None
        super().restore_defaults()
        self.records.reset()
        self.thresholds.restart()
        self.self_tests.abort()
        self.copies.lose()
        self._survey()

    def lose(self, itl: LunNexus) -> None:
        super().lose(itl)
        self.records.lose(itl)
        self.copies.lose(itl.nexus)

    def _survey(self) -> None:
        """Derive what the commands look at from the settings, the medium and the state."""
        settings, medium = self.settings, self.medium
        self.removable = settings.removable
        self.block_size = settings.block_size
        self.shift = settings.block_size.bit_length() - 1
        store = None if medium is None else bottom(medium)
        self.guarded = store if isinstance(store, ProtectedMedium) else None
        self.protectable, self.protection = self.guarded is not None, 0
        if self.guarded is not None:
            self.protection, self.guarded.policy = self.guarded.kind, self.policy
        self.most_blocks = MOST_BYTES >> self.shift
        self.most_protected = MOST_BYTES // (self.block_size + 8) if self.protection else self.most_blocks
        self.blocks = self.size >> self.shift
        self.thin = settings.thin and medium is not None and medium.can_discard
        self.volatile_cache = medium is not None and medium.volatile
        blocked = self.stalled or self.hindrance
        self.bar = blocked.stop if blocked else self._rouse if self.resting else None
        self.obstacle = self._find_obstacle()
        self.write_protected = self._find_protection()
        self.refresh_commands()
        self.regate_all()

    def _find_obstacle(self) -> Sense | None:
        if self.medium is None:
            return self._absence
        if self.ejected:
            return MEDIUM_NOT_PRESENT
        return INITIALIZING_COMMAND_REQUIRED if self.stopped else None

    def _find_protection(self) -> Sense | None:
        if self.settings.read_only or (self.medium is not None and not self.medium.writable):
            return WRITE_PROTECTED
        return SOFTWARE_WRITE_PROTECTED if self.software_protected else None


def _bare(medium: BlockMedium | None) -> BlockMedium | None:
    """The medium itself, without the marks of bad blocks."""
    return medium.medium if isinstance(medium, FlawedMedium) else medium
