"""What a unit keeps of itself besides its medium: its clock, its buffers, the errors it met; and who keeps the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.spc.buffers import Buffers
from tgtd.scsi.spc.history import ErrorHistory
from tgtd.scsi.spc.keeping import Keeper
from tgtd.scsi.spc.timestamp import Clock

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit


class Records:
    """Belongs to the loop thread; gone with the process, but for what `keeper` gives to the unit's memory."""

    def __init__(self, unit: PrimaryUnit) -> None:
        self.keeper = Keeper(unit)
        self.clock = Clock()
        self.buffers = Buffers()
        self.history = ErrorHistory()

    def lose(self, itl: LunNexus) -> None:
        """I_T nexus loss."""
        self.buffers.lose(itl)
        self.history.lose(itl)

    def reset(self) -> None:
        """LOGICAL UNIT RESET."""
        self.buffers.clear()
        self.history.release()
