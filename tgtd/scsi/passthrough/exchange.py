"""What a passthrough needs of a real SCSI device: one command at a time, and who the device says it is. Does no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tgtd.scsi.medium import Buffer, Store


class DeviceReply(NamedTuple):
    """What came of a command. status: SAM-5 5.3. sense: as the device sent it, or b"". moved: bytes of data that went
    to the device, or came from it."""

    status: int
    sense: bytes
    moved: int


@dataclass(frozen=True, slots=True)
class Portrait:
    """What a device said of itself when it was opened.

    inquiry: standard INQUIRY data. pages: VPD pages with their headers. block_size, blocks: of a disk that had a
    medium, else 0.
    """

    inquiry: bytes
    pages: Mapping[int, bytes] = field(default_factory=dict)
    block_size: int = 0
    blocks: int = 0

    @property
    def device_type(self) -> int:
        return self.inquiry[0] & 0x1F


class ScsiDevice(Store, Protocol):
    """A real device. portrait, most_bytes and the like are plain attributes."""

    portrait: Portrait
    most_bytes: int
    """The most data that this host moves in one command."""

    def execute(self, cdb: bytes, out: Buffer | None, into: memoryview | None, seconds: int) -> DeviceReply:
        """Have the device carry out one command; called by a worker. At most one of out and into is given.

        OSError when it does not get that far: ENODEV: the device is gone; EPERM: this host does not let the command
        pass; EINVAL: it cannot pass it; EBUSY: not now; ETIMEDOUT: it took longer than `seconds`; EIO: the way broke.
        """
