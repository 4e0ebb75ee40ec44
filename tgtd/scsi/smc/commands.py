"""The commands of media changers, as rows (SMC-3, SPC-5)."""

from __future__ import annotations

from tgtd.scsi.smc.moves import MOVES
from tgtd.scsi.smc.status import STATUS
from tgtd.scsi.spc.commands import COMMON, MODES
from tgtd.scsi.spc.persistent import PERSISTENT
from tgtd.scsi.spc.reserve import RESERVES

ROWS = (*COMMON, *MODES, *PERSISTENT, *RESERVES, *MOVES, *STATUS)
