"""The passthrough: a logical unit whose commands a real SCSI device carries out, and what our side keeps to itself.

CDBs, data, status, sense data and residuals are handed on untouched, both ways. Ours are: which LUNs there are, the
task set and its management, unit attentions of our nexuses, reservations (the device sees one initiator only), and
what likeness.py changes of INQUIRY data. Does no I/O: the ScsiDevice does, in a worker.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.command import Command, unsupported
from tgtd.scsi.counters import Counters
from tgtd.scsi.device import Device
from tgtd.scsi.inquiry import SUPPORTED, VitalPage
from tgtd.scsi.lun import Identity
from tgtd.scsi.medium import Buffer, Offload
from tgtd.scsi.passthrough.classes import DISKS, passing
from tgtd.scsi.passthrough.commands import OWN, forward
from tgtd.scsi.passthrough.exchange import DeviceReply, Portrait, ScsiDevice
from tgtd.scsi.passthrough.opcodes import refused
from tgtd.scsi.sense import (
    BUSY,
    CHECK_CONDITION,
    COMMAND_TIMEOUT,
    GOOD,
    INQUIRY_DATA_CHANGED,
    INTERNAL_TARGET_FAILURE,
    INVALID_FIELD_IN_CDB,
    MANUAL_INTERVENTION_REQUIRED,
    MEDIUM_MAY_HAVE_CHANGED,
    UNIT_ATTENTION,
    CheckCondition,
    Refused,
    Sense,
    encode,
)
from tgtd.scsi.task import Task

log = logging.getLogger(__name__)

_PASSING = {disk: passing(forward, disk) for disk in (False, True)}

LONG = frozenset(
    {
        *(0x01, 0x04, 0x07, 0x10, 0x11, 0x13, 0x19, 0x1B, 0x2B, 0x2F, 0x35, 0x37, 0x3B, 0x48, 0x5B),
        *(0x80, 0x8F, 0x91, 0x92, 0x93, 0xA1, 0xA5, 0xA6, 0xAF, 0xE7),
    }
)
"""Operation codes that may take hours on some device type: rewind, format, space, erase, load, locate, filemarks (what
is buffered goes to the tape), verify, sanitize, inventories, ..."""

LONG_SECONDS = 14400
TAPE = 0x01
TAPE_SECONDS = 900
"""Reads and writes of a tape wait for the drive to thread and find its place. A command that is given up has the host
reset the drive, which rewinds it."""

Rewriting = Callable[[bytes], bytes]
"""Makes what initiators see of the data that a device sent."""


@dataclass(frozen=True, slots=True)
class PassthroughSettings:
    """command_timeout: seconds after which a command is given up; those of LONG have LONG_SECONDS at least, those of
    tape drives TAPE_SECONDS."""

    command_timeout: int = 60


@dataclass(slots=True)
class PassthroughCounters(Counters):
    """Plain counts since the unit was made. errors: commands that did not end well, for whatever reason;
    medium_errors: those that this host could not bring to the device and back."""

    commands: int = 0
    read_bytes: int = 0
    write_bytes: int = 0


class Passthrough(Device[ScsiDevice, PassthroughSettings]):
    """A real device, or waiting for one.

    NACA is refused: an ACA would be the device's, for all of our initiators.
    """

    qualifier = 0b001  # SPC-5 6.6.2: what is not connected now; used until it is known what the device is
    rows = OWN
    vital_pages: ClassVar[tuple[VitalPage, ...]] = (SUPPORTED,)
    normal_aca = False
    counters: PassthroughCounters

    def __init__(self, identity: Identity, pool: BufferPool, lane: Offload, settings: PassthroughSettings) -> None:
        self.settings = settings
        self.counters = PassthroughCounters()
        self.medium = None
        self.last_medium_error = None
        self.block_size = 0
        self.portrait: Portrait | None = None
        """What the device said of itself when it was last there."""
        self._passing = _PASSING[False]
        self._complained: set[int] = set()
        super().__init__(identity, pool, lane)
        self.obstacle = MANUAL_INTERVENTION_REQUIRED

    @property
    def capacity(self) -> int | None:
        return None if self.portrait is None else self.portrait.blocks * self.portrait.block_size or None

    # Commands

    def find(self, cdb: bytes) -> Command:
        """Our own row, else the one of what goes to the device."""
        try:
            return super().find(cdb)
        except CheckCondition:
            if cdb[0] == 0x5E or cdb[0] == 0x5F:
                raise
        if refused(cdb[0], cdb[1] & 0x1F):
            raise unsupported()
        return self._passing[cdb[0]]

    def data_out_length(self, task: Task) -> int:
        """What goes to the device is as long as the initiator says: no row knows."""
        try:
            passed = self.find(task.cdb).handler is forward
        except Refused:
            passed = False
        if not passed:
            return super().data_out_length(task)
        most = 0 if self.medium is None or task.expected_in else self.medium.most_bytes
        task.wanted_out = task.expected_out if task.expected_out <= most else 0
        return task.wanted_out

    def device(self) -> ScsiDevice:
        """Raises why there is none: the gate asks only for commands that need one."""
        if self.medium is None:
            raise CheckCondition(self.obstacle or MANUAL_INTERVENTION_REQUIRED)
        return self.medium

    def send(
        self,
        task: Task,
        cdb: bytes,
        out: Buffer | None = None,
        room: int = 0,
        show: Rewriting | None = None,
        most: int = 0,
    ) -> int:
        """Have the device do it. out: data for the device; room: bytes that it may send. show: makes of its data, cut
        to `most` bytes then, what the initiator gets."""
        device = self.device()
        if len(out or b"") > device.most_bytes or room > device.most_bytes:
            raise CheckCondition(INVALID_FIELD_IN_CDB)
        into = task.allocate(self.pool, room) if room else None
        replies: list[DeviceReply] = []
        seconds = self._seconds(cdb[0])
        self.counters.commands += 1

        def work() -> None:
            replies.append(device.execute(cdb, out, into, seconds))

        def then(task: Task) -> int:
            return self._answered(task, replies[0], into, show, most)

        return self.defer(task, work, then, writing=out is not None)

    def _seconds(self, opcode: int) -> int:
        """For which a command may take."""
        least = 0
        if opcode in LONG:
            least = LONG_SECONDS
        elif self.portrait is not None and self.portrait.device_type == TAPE:
            least = TAPE_SECONDS
        return max(self.settings.command_timeout, least)

    def _answered(
        self, task: Task, reply: DeviceReply, into: memoryview | None, show: Rewriting | None, most: int
    ) -> int:
        if into is not None:
            self.counters.read_bytes += reply.moved
            task.data_in = into[: reply.moved]
            if show is not None:
                task.data_in = show(bytes(task.data_in))[:most]
        else:
            self.counters.write_bytes += reply.moved
            task.wanted_out = min(reply.moved, task.expected_out)
        if reply.status == CHECK_CONDITION:
            self.counters.errors += 1
            task.sense = reply.sense or encode(CheckCondition(INTERNAL_TARGET_FAILURE))
            self._spread(task, task.sense)
        elif reply.status != GOOD:
            self.counters.errors += 1
        return reply.status

    def _spread(self, task: Task, sense: bytes) -> None:
        """A unit attention of the device is for all who use it: the others get it with their next command."""
        key, asc, ascq = _codes(sense)
        if key == UNIT_ATTENTION:
            for itl in self.nexuses:
                if itl is not task.itl:
                    itl.attend(Sense(key, asc, ascq, "unit attention of the device"))

    def refuse(self, task: Task, trouble: BaseException, writing: bool = False) -> int:
        self.counters.errors += 1
        if isinstance(trouble, OSError):
            trouble = self._explain(task, trouble)
        return super().refuse(task, trouble, writing)

    def _explain(self, task: Task, error: OSError) -> Refused | OSError:
        """What it means to an initiator that this host could not bring a command to the device and back."""
        opcode = task.cdb[0]
        if error.errno == errno.EPERM:
            if opcode not in self._complained:
                self._complained.add(opcode)
                log.warning(
                    "%s: this host does not let operation code %02Xh pass; name the device by its /dev/sg node, which "
                    "the daemon may write to, or give the service CAP_SYS_RAWIO",
                    self.describe(),
                    opcode,
                )
            return unsupported()
        if error.errno in (errno.EINVAL, errno.EMSGSIZE):
            return CheckCondition(INVALID_FIELD_IN_CDB)
        if error.errno in (errno.EBUSY, errno.EAGAIN, errno.ENOMEM):
            return Refused(BUSY)
        self.counters.medium_errors += 1
        self.last_medium_error = error
        if error.errno in (errno.ENODEV, errno.ENXIO):
            if self.lost is not None:
                self.lost(error)
            return error
        return CheckCondition(COMMAND_TIMEOUT if error.errno == errno.ETIMEDOUT else INTERNAL_TARGET_FAILURE)

    # Live changes

    def insert(self, medium: ScsiDevice) -> None:
        old, new = self.portrait, medium.portrait
        self.medium, self.portrait = medium, new
        self.block_size = new.block_size
        self.removable = len(new.inquiry) > 1 and bool(new.inquiry[1] & 0x80)
        self._passing = _PASSING[new.device_type in DISKS]
        self.obstacle = None
        self._complained.clear()
        self.regate_all()
        if old is None or (old.inquiry, old.pages) != (new.inquiry, new.pages):
            self.attend_all(INQUIRY_DATA_CHANGED)
        self.attend_all(MEDIUM_MAY_HAVE_CHANGED)

    def offline(self, sense: Sense | None = None) -> ScsiDevice | None:
        medium, self.medium = self.medium, None
        self.obstacle = sense or MANUAL_INTERVENTION_REQUIRED
        self.regate_all()
        return medium

    def change(self, settings: PassthroughSettings, identity: Identity) -> None:
        self.settings, self.identity = settings, identity

    def traits(self) -> Mapping[str, bool]:
        return {"removable": self.removable}


def _codes(sense: bytes) -> tuple[int, int, int]:
    """Sense key, ASC and ASCQ of sense data in either format; deferred errors and what is cut short have none."""
    if len(sense) >= 4 and sense[0] & 0x7F == 0x72:
        return sense[1] & 0x0F, sense[2], sense[3]
    if len(sense) >= 14 and sense[0] & 0x7F == 0x70:
        return sense[2] & 0x0F, sense[12], sense[13]
    return 0, 0, 0
