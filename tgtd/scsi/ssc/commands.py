"""The commands of tape drives, as rows (SSC-5, SPC-5)."""

from __future__ import annotations

from tgtd.scsi.spc.buffers import BUFFERS
from tgtd.scsi.spc.commands import COMMON, MODES
from tgtd.scsi.spc.identifying import IDENTIFYING
from tgtd.scsi.spc.persistent import PERSISTENT
from tgtd.scsi.spc.reserve import RESERVES
from tgtd.scsi.spc.tapealert import ALERTING_LOGS
from tgtd.scsi.spc.timestamp import TIMESTAMPS
from tgtd.scsi.ssc.attributes import MEMORY
from tgtd.scsi.ssc.blocks import BLOCKS
from tgtd.scsi.ssc.density import LIMITS
from tgtd.scsi.ssc.diagnostic import DIAGNOSTICS
from tgtd.scsi.ssc.ground import GROUND
from tgtd.scsi.ssc.marks import MARKS
from tgtd.scsi.ssc.motion import MOTION
from tgtd.scsi.ssc.security import SECURITY
from tgtd.scsi.ssc.verify import VERIFIES

ROWS = (
    *COMMON,
    *MODES,
    *PERSISTENT,
    *RESERVES,
    *BLOCKS,
    *VERIFIES,
    *MOTION,
    *MARKS,
    *GROUND,
    *LIMITS,
    *MEMORY,
    *SECURITY,
    *ALERTING_LOGS,
    *TIMESTAMPS,
    *BUFFERS,
    *DIAGNOSTICS,
    *IDENTIFYING,
)
