"""What every device type offers beyond the bare logical unit: who it says it is, and its mode pages (SPC-5).

The rows of its pages are class attributes; inquiry.py and mode.py read them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tgtd.scsi.lun import Identity, LogicalUnit
from tgtd.scsi.savedmodes import MEMORY, Choice, load, restore
from tgtd.scsi.sense import MODE_PARAMETERS_CHANGED
from tgtd.scsi.spc.records import Records

if TYPE_CHECKING:
    from tgtd.scsi.buffers import BufferPool
    from tgtd.scsi.inquiry import InquiryBit, VitalPage
    from tgtd.scsi.log import LogPage
    from tgtd.scsi.medium import Offload
    from tgtd.scsi.memory import Memory
    from tgtd.scsi.mode import ModePage


class PrimaryUnit(LogicalUnit):
    """A logical unit that answers the primary commands.

    qualifier: peripheral qualifier (SPC-5 6.6.2). versions: version descriptors of the command standards.
    """

    qualifier: ClassVar[int] = 0
    versions: ClassVar[tuple[int, ...]] = ()
    vital_pages: ClassVar[tuple[VitalPage, ...]] = ()
    mode_pages: tuple[ModePage, ...] = ()
    extended: ClassVar[tuple[InquiryBit, ...]] = ()
    """What the extended INQUIRY data page says of this device type besides."""
    log_pages: ClassVar[tuple[LogPage, ...]] = ()
    bare_modes: ClassVar[bool] = False
    """Whether MODE SENSE of page code 00h is about the header and the block descriptor alone, as with tape drives."""
    removable: bool = False
    protectable: bool = False
    """PROTECT: blocks can have protection information beside them (SPC-5 6.6.2)."""
    volatile_cache: bool = False
    """V_SUP: completed writes may wait in a cache that loses them with the power (SPC-5 7.7.7)."""

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload) -> None:
        self.records = Records(self)
        super().__init__(identity, pool, lane)
        self.saved_modes: dict[str, Choice] = {}
        """The mode parameters that an initiator has saved (savedmodes.py)."""
        self.declared_modes: dict[tuple[int, int], bytes] = {}
        """What the administrator declares to be the default of a mode page, without its header: by code and subpage."""

    def remember(self, memory: Memory) -> None:
        """The mode parameters that were saved are in force from now on."""
        super().remember(memory)
        self.saved_modes = load(memory.recall(MEMORY))
        self.recall_modes()

    def recall_modes(self) -> None:
        """Make the saved values current, and say so."""
        changed, flush = restore(self)
        if changed:
            self.attend_all(MODE_PARAMETERS_CHANGED)
            self.regate_all()
        if flush:
            self.flush_behind()

    def flush_behind(self) -> None:
        """Have what was acknowledged written to the medium; nobody waits. Device types with a cache do so."""

    @property
    def peripheral(self) -> int:
        """Byte 0 of all INQUIRY data: peripheral qualifier and device type."""
        return self.qualifier << 5 | self.device_type

    def block_geometry(self) -> tuple[int, int] | None:
        """Number and length of blocks for mode parameter block descriptors; None: the device type has none."""
        return None

    def medium_type(self) -> int:
        """The MEDIUM TYPE of the mode parameter header."""
        return 0

    def device_specific(self) -> int:
        """The DEVICE-SPECIFIC PARAMETER of the mode parameter header."""
        return 0

    def takes_block_length(self, length: int) -> bool:
        """Whether a block descriptor of MODE SELECT may choose this block length: where blocks are cut as they come."""
        return False

    def adopt_block_length(self, length: int) -> None:
        """One that `takes_block_length` has agreed to is in force from now on."""
