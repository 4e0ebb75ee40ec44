"""PREVENT ALLOW MEDIUM REMOVAL (SPC-5; SBC-4 5.17, SSC-5, SMC-3).

Each I_T nexus prevents for itself; the medium may be removed when none does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tgtd.scsi.sense import GOOD
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.device import AnyDevice


def prevent_allow(device: AnyDevice, task: Task) -> int:
    if task.cdb[4] & 0x01:
        device.preventing[task.itl] = None
    else:
        device.preventing.pop(task.itl, None)
    return GOOD


def prevented_by(device: AnyDevice) -> str:
    """The initiators that prevent it, for the administrator."""
    return ", ".join(sorted({itl.nexus.initiator for itl in device.preventing}))
