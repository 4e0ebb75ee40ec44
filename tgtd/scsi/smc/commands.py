"""The commands of media changers, as rows (SMC-3, SPC-5)."""

from __future__ import annotations

from dataclasses import replace

from tgtd.scsi.smc.moves import MOVES
from tgtd.scsi.smc.reservations import ELEMENT_RESERVES
from tgtd.scsi.smc.status import STATUS
from tgtd.scsi.spc.commands import COMMON, MODES
from tgtd.scsi.spc.persistent import PERSISTENT
from tgtd.scsi.spc.tapealert import ALERTING_LOGS

_WITH_LUN = frozenset((0x07, 0x1A, 0x2B, 0xA5, 0xA6, 0xB6, 0xB8))
"""Those into which Linux's ch puts the LUN as SCSI-2 had it, and mtx too: by another LUN than 0 they would fail."""

ROWS = tuple(
    replace(row, lun_bits=True) if row.opcode in _WITH_LUN else row
    for row in (*COMMON, *MODES, *PERSISTENT, *ELEMENT_RESERVES, *ALERTING_LOGS, *MOVES, *STATUS)
)
