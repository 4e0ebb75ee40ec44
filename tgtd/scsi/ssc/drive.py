"""The tape drive (SSC-5): what is in it, where it stands, and how its commands take turns.

Commands are rows in commands.py. A tape is sequential: what moves or uses it is done one after the other, whoever asks,
each from where the one before has left the drive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.counters import Counters
from tgtd.scsi.device import Device
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Offload
from tgtd.scsi.nexus import LunNexus, Nexus
from tgtd.scsi.pace import Pace
from tgtd.scsi.savedmodes import restore
from tgtd.scsi.sense import (
    CLEANING_CARTRIDGE,
    CLEANING_EXPIRED,
    ENCRYPTION_PARAMETERS_NOT_USEABLE,
    INITIALIZING_COMMAND_REQUIRED,
    INQUIRY_DATA_CHANGED,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    MEDIUM_NOT_PRESENT,
    WRITE_PROTECTED,
    CheckCondition,
    Sense,
)
from tgtd.scsi.ssc.alerts import READ_ONLY_FORMAT, Alerts
from tgtd.scsi.ssc.blocks import LONGEST
from tgtd.scsi.ssc.cartridge import Cartridge, Mount, Partition
from tgtd.scsi.ssc.codec import Codec, Codecs
from tgtd.scsi.ssc.coding import Coding
from tgtd.scsi.ssc.commands import ROWS
from tgtd.scsi.ssc.division import Division
from tgtd.scsi.ssc.encryption import ENCRYPT, Keyring
from tgtd.scsi.ssc.errorevents import ErrorEvents
from tgtd.scsi.ssc.flushing import Flushing
from tgtd.scsi.ssc.ground import NONE, Ground
from tgtd.scsi.ssc.guarding import OFF, Guard, Guards
from tgtd.scsi.ssc.head import Head
from tgtd.scsi.ssc.lifetime import Lifetime
from tgtd.scsi.ssc.loading import ALERTS, begin, forget, misfit, worries
from tgtd.scsi.ssc.logs import LOG_PAGES
from tgtd.scsi.ssc.modes import MODE_PAGES
from tgtd.scsi.ssc.personality import Personality
from tgtd.scsi.ssc.sealing import Ciphers
from tgtd.scsi.ssc.tally import TapeTally
from tgtd.scsi.ssc.trouble import explain, is_error
from tgtd.scsi.ssc.turn import Behind, Conclusion, Now, Prepare, Turn
from tgtd.scsi.ssc.vital import VITAL_PAGES
from tgtd.scsi.task import Task
from tgtd.scsi.turns import Turns

if TYPE_CHECKING:
    from tgtd.scsi.inquiry import VitalPage
    from tgtd.scsi.log import LogPage
    from tgtd.scsi.mode import ModePage

SSC_5 = 0x0540

_LEAST_EARLY, _MOST_EARLY = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class TapeSettings:
    """What the administrator chose, and what this host can do. ciphers: None where it cannot encrypt. guards: the
    methods of logical block protection."""

    personality: Personality
    codecs: Codecs
    read_only: bool = False
    ciphers: Ciphers | None = None
    guards: Guards = field(default_factory=dict)


@dataclass(slots=True)
class TapeCounters(Counters):
    """Plain counts since the drive was made."""

    reads: int = 0
    writes: int = 0
    read_bytes: int = 0
    write_bytes: int = 0
    loads: int = 0
    cleanings: int = 0


class TapeDrive(Device[Mount, TapeSettings]):
    """A sequential access device. loaded: whether the cartridge that is in it is threaded."""

    device_type = 0x01
    rows = ROWS
    versions = (SSC_5,)
    vital_pages: ClassVar[tuple[VitalPage, ...]] = VITAL_PAGES
    mode_pages: tuple[ModePage, ...] = MODE_PAGES
    log_pages: ClassVar[tuple[LogPage, ...]] = LOG_PAGES
    removable = True
    bare_modes = True

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload, settings: TapeSettings) -> None:
        self.settings = settings
        self.counters: TapeCounters = TapeCounters()
        self.tally = TapeTally()
        self.alerts = Alerts()
        self.events = ErrorEvents()
        self.lifetime = Lifetime()
        self.last_medium_error = None
        self.medium = None
        self.block_size = 0
        self.loaded = False
        self._absence: Sense | None = None
        self.misfit: Sense | None = None
        """Why it cannot use what is in it."""
        self.threadings = 0
        """How often something was threaded or taken out: what was begun before is about another cartridge."""
        self.mounted: Callable[[], None] | None = None
        """Plugged in by a library: called when the drive has come up."""
        self.head = Head()
        self.turns = Turns()
        self.pace = Pace()
        self.flushing = Flushing(self)
        self.turn: Turn | None = None
        """What has the tape now."""
        self.lengthy: set[Turn] = set()
        """What may take hours, or goes on behind a command: the one that has the tape, and those that wait for it."""
        self.codecs = settings.codecs()
        self.keys = Keyring()
        self.protection = OFF
        self.append_only = False
        """WRITE MODE: what was written is not overwritten."""
        self.exemption = NONE
        self.warning_size = 0
        """PEWS: bytes before early warning from which on writers want to know that the end is near."""
        self.compression = False
        """DCE: what is written is compressed."""
        self.block_length = 0
        """Of the mode parameter block descriptor; 0: blocks of any length."""
        self.division = Division()
        """How FORMAT MEDIUM shall divide a medium; as the one that is loaded is, until an initiator wants another."""
        super().__init__(identity, pool, lane)
        self._survey()

    # What commands ask

    @property
    def personality(self) -> Personality:
        return self.settings.personality

    @property
    def cartridge(self) -> Cartridge | None:
        """What is in it."""
        return None if self.medium is None else self.medium.cartridge

    @property
    def engaged(self) -> bool:
        return self.turn is not None and self.turn.long

    @property
    def occupied(self) -> bool:
        """Whether it is at something that a robot had better not wait for."""
        return bool(self.lengthy)

    @property
    def capacity(self) -> None:
        """A cartridge's, not the drive's."""
        return None

    def tape(self) -> Cartridge:
        """Raises MEDIUM NOT PRESENT: the gate asks only for commands that need one."""
        if self.cartridge is None or not self.loaded:
            raise CheckCondition(self._find_obstacle() or MEDIUM_NOT_PRESENT)
        return self.cartridge

    def partition(self) -> Partition:
        """The one that the drive is in."""
        return self.tape().partitions[self.head.partition]

    @property
    def worm(self) -> bool:
        return self.cartridge is not None and self.cartridge.kind == "worm"

    @property
    def packer(self) -> Codec | None:
        """What compresses that which is written now."""
        return self.codecs[0] if self.compression else None

    @property
    def encrypts(self) -> bool:
        """Whether drives of its kind can, and this host."""
        return self.settings.ciphers is not None and any(one.encrypted for one in self.personality.densities)

    @property
    def encryptable(self) -> bool:
        """Whether what it would write on now can be encrypted."""
        cartridge = self.cartridge
        if cartridge is None or not self.loaded or not self.encrypts:
            return False
        density = self.personality.density(cartridge.density)
        return density is not None and density.encrypted

    def encoding(self, itl: LunNexus) -> Coding:
        """What is done to blocks that a nexus writes. Raises CheckCondition: they cannot be encrypted as it asks."""
        parameters = self.keys.use(itl)
        if parameters.encryption == ENCRYPT and not self.encryptable:
            raise CheckCondition(ENCRYPTION_PARAMETERS_NOT_USEABLE)
        return Coding(self.codecs, self.packer, parameters, LONGEST, self._guard(writing=True))

    def decoding(self, itl: LunNexus, compared: bool = False) -> Coding:
        """What is done to blocks that a nexus reads, or has compared with what it sends."""
        return Coding(self.codecs, None, self.keys.use(itl), LONGEST, self._guard(writing=compared))

    def _guard(self, writing: bool) -> Guard | None:
        return self.protection.guard(self.settings.guards, writing)

    @property
    def most_bytes(self) -> int:
        """What one READ or WRITE of fixed blocks may move."""
        return LONGEST

    def density_of(self, cartridge: Cartridge) -> int:
        """The density code that a cartridge is formatted with: its own, as that is what it is made for."""
        return cartridge.density or self.write_density

    def looked_at(self) -> None:
        self.lifetime.look(self)

    def worries(self) -> Iterator[str]:
        return worries(self)

    @property
    def write_density(self) -> int:
        """The density code that a blank medium is written with."""
        return self.personality.densities[0].code

    def early(self, partition: Partition) -> int:
        """The byte of a partition from which on writers are told that its end is near (SSC-5 4.2.5): an initiator must
        still be able to write its trailer behind it."""
        return max(0, partition.capacity - min(max(partition.capacity >> 6, _LEAST_EARLY), _MOST_EARLY))

    def ground(self, partition: int) -> Ground:
        """What a writer must know of a partition."""
        early = self.early(self.tape().partitions[partition])
        return Ground(self.append_only, self.exemption.place, max(0, early - self.warning_size), early)

    def move(self, head: Head) -> None:
        """Where the drive is from now on."""
        if head[:2] != self.head[:2] and self.exemption.place is not None:
            self.exemption = NONE
        self.head = head

    def block_geometry(self) -> tuple[int, int]:
        """The density code stands where disks have the first byte of their number of blocks (SSC-5 8.3.2)."""
        density = self.write_density if self.cartridge is None else self.cartridge.density
        return density << 24, self.block_length

    def takes_block_length(self, length: int) -> bool:
        return length <= LONGEST

    def adopt_block_length(self, length: int) -> None:
        self.block_length = length

    def medium_type(self) -> int:
        """As IBM's drives have it: the generation, and whether it is WORM."""
        density = (
            None if self.cartridge is None or not self.loaded else self.personality.density(self.cartridge.density)
        )
        return 0 if density is None else density.medium | 0x04 * self.worm

    def device_specific(self) -> int:
        """WP, and buffered mode 1: a WRITE ends when the data is in the buffer."""
        return 0x10 | (0x80 if self.write_protected else 0)

    # What takes its turn

    def alone(
        self,
        task: Task,
        prepare: Prepare,
        then: Conclusion | None = None,
        writing: bool = False,
        long: bool = False,
        behind: Behind | None = None,
        now: Now | None = None,
    ) -> int:
        """Do a command when all before it are through (turn.py has what the arguments are)."""
        return Turn(self, task, writing, long, behind).take(prepare, then, now)

    def hold(self, turn: Turn | None) -> None:
        """What has the tape from now on; None: nothing."""
        errand = self.errand
        self.turn = turn
        if errand is not self.errand:
            self.bar = None if self.errand is None else self.errand.stop
            self.regate_all()

    @property
    def errand(self) -> Turn | None:
        """What goes on behind a command that has ended."""
        return self.turn if self.turn is not None and self.turn.behind is not None else None

    def standing(self) -> CheckCondition:
        errand = self.errand
        return super().standing() if errand is None else errand.standing()

    # Cartridges come and go

    def insert(self, medium: Mount) -> None:
        self.medium = medium
        self._absence = None
        self._come(medium.cartridge)
        if self.mounted is not None:
            self.mounted()

    def offline(self, sense: Sense | None = None) -> Mount | None:
        medium, self.medium = self.medium, None
        self._absence = sense or MANUAL_INTERVENTION_REQUIRED
        self._thread(False)
        return medium

    def change(self, settings: TapeSettings, identity: Identity) -> None:
        before, self.settings = self.identity, settings
        self.identity = identity
        self._survey()
        if before != identity:
            self.attend_all(INQUIRY_DATA_CHANGED)

    def take_out(self) -> Cartridge | None:
        """What was in the drive, to be closed by the caller when the lane is idle."""
        cartridge = self.cartridge
        if cartridge is not None:
            forget(self)
        if self.medium is not None:
            self.medium.cartridge = self._absence = None
        self.alerts.over(*ALERTS.values())
        self._thread(False)
        return cartridge

    def reject(self, sense: Sense) -> None:
        """There is something in it that it cannot use: what it answers instead of MEDIUM NOT PRESENT, until it is
        taken out."""
        self._absence = sense
        if sense in ALERTS:
            self.alerts.activate(ALERTS[sense])
        self._survey()

    def put_in(self, cartridge: Cartridge) -> None:
        """A cartridge, and thread it. The drive must be empty and have a mount."""
        assert self.medium is not None
        self._absence = None
        self.medium.cartridge = cartridge
        self._come(cartridge)

    def _come(self, cartridge: Cartridge | None) -> None:
        """Something is in the drive, or nothing. Initiators hear of what they can use."""
        self._thread(cartridge is not None)
        if cartridge is not None:
            begin(self)
        if self.misfit is None:
            self.attend_all(MEDIUM_MAY_HAVE_CHANGED)
        else:
            self.alerts.activate(ALERTS[self.misfit])

    def cleaned(self, useful: bool) -> None:
        """A cleaning cartridge is in the drive, and was of use there; or it was used up before."""
        sense = CLEANING_CARTRIDGE if useful else CLEANING_EXPIRED
        if self.cartridge is None:
            self.reject(sense)
        else:
            self.misfit = sense
            self._survey()
        self.alerts.over(*ALERTS.values())
        self.alerts.activate(ALERTS[sense])

    def refuse(self, task: Task, trouble: BaseException, writing: bool = False) -> int:
        trouble = explain(self, trouble, writing, task.cdb)
        status = super().refuse(task, trouble, writing)
        if isinstance(trouble, CheckCondition) and is_error(self, trouble):
            self.records.history.note(task, self.records.clock.now())
        return status

    def thread(self, on: bool, by: Nexus) -> None:
        """LOAD UNLOAD: at the beginning of partition 0, or not ready. Who asked for it knows."""
        before = self.loaded
        self._thread(on)
        if on and not before:
            self.attend_all(MEDIUM_MAY_HAVE_CHANGED, but=by)

    def _thread(self, on: bool) -> None:
        self.misfit = None if self.cartridge is None else misfit(self.personality, self.cartridge)
        on = on and self.misfit is None
        if on and self.cartridge is not None:
            self.division = Division(additional=len(self.cartridge.partitions) - 1)
        if on and not self.loaded:
            self._fresh()
        if self.loaded and not on:
            self.keys.demount()
            if self.errand is not None:
                self.errand.cancel()
        self.loaded = on
        self.threadings += 1
        self.head = Head()
        self.exemption = NONE
        self._survey()

    def _fresh(self) -> None:
        """A cartridge is threaded: what was wrong with another is over."""
        self.counters.loads += 1
        self.tally.load()
        self.alerts.clear()
        if self.cartridge is not None and self.density_of(self.cartridge) not in self.personality.writes:
            self.alerts.activate(READ_ONLY_FORMAT)

    def restore_defaults(self) -> None:
        super().restore_defaults()
        if self.errand is not None:
            self.errand.cancel()
        self.alerts.clear()
        self.keys.clear()
        self.protection = OFF
        self.records.reset()
        self.block_length = 0
        restore(self)

    def lose(self, itl: LunNexus) -> None:
        super().lose(itl)
        self.alerts.lose(itl)
        self.keys.lose(itl)
        self.records.lose(itl)

    def _survey(self) -> None:
        self.obstacle = self._find_obstacle()
        self.write_protected = self._find_protection()
        self.refresh_commands()
        self.regate_all()

    def _find_obstacle(self) -> Sense | None:
        if self.cartridge is None:
            return self._absence or MEDIUM_NOT_PRESENT
        return self.misfit or (None if self.loaded else INITIALIZING_COMMAND_REQUIRED)

    def _find_protection(self) -> Sense | None:
        cartridge = self.cartridge
        if cartridge is None:
            return None
        made_for = self.density_of(cartridge) in self.personality.writes
        able = cartridge.writable and not self.settings.read_only and made_for
        return None if able else WRITE_PROTECTED
