"""The pool of a thin disk: how much is left of it, and the threshold at which initiators hear of it (SBC-4 4.7.3.7).

The administrator sets the threshold, as a percentage of the pool that is used; initiators choose whether they want to
be told (LBPERE). Available resources are the pool's, which others may share; used ones are the disk's own. Does no I/O:
whoever runs the disk looks, and reports with `observe`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tgtd.scsi.log import BINARY_LIST, LogPage, Parameter
from tgtd.scsi.mode import ModeField, ModePage
from tgtd.scsi.room import Room, roomy
from tgtd.scsi.sense import SOFT_THRESHOLD_REACHED, Sense

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_SET_SHIFT = 20
"""A threshold set is at least 1 MiB."""
_AVAILABLE, _USED = 0x01, 0x02
_DEDICATED, _SHARED = 0b01, 0b10
_DESCRIPTOR = 16
"""Where the one threshold descriptor lies in the mode page; INFORMATION of the unit attention says it."""
REACHED = Sense(*SOFT_THRESHOLD_REACHED[:4], information=_DESCRIPTOR)
_MOST = 0xFFFFFFFF
_EASE = 100
"""Once told, a crossing is over when a hundredth of the pool is free beyond the threshold: no news at every write."""


class Thresholds:
    """Of one disk. Belongs to the loop thread."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.quiet = False
        """An initiator has cleared LBPERE."""
        self.reached = False
        """Less is left than the administrator wants."""
        self._told = False

    @property
    def room(self) -> Room | None:
        """As it was at the last look; None while nobody knows."""
        found = roomy(self._disk.medium)
        return None if found is None else found.room

    @property
    def limit(self) -> int | None:
        """Bytes that are free when the threshold is reached; None where there is none."""
        room, warning = self.room, self._disk.settings.pool_warning
        return None if room is None or not warning else room.total * (100 - warning) // 100

    @property
    def active(self) -> bool:
        """Whether initiators see a threshold."""
        return self._disk.thin and self.limit is not None

    @property
    def exponent(self) -> int:
        """THRESHOLD EXPONENT: a set has 2 to the power of it blocks, and the disk no more sets than 32 bits count."""
        disk = self._disk
        return max(_SET_SHIFT - disk.shift, disk.blocks.bit_length() - 32, 1)

    def sets(self, size: int) -> int:
        """Bytes in threshold sets, rounded down."""
        return min(size >> self._disk.shift + self.exponent, _MOST)

    @property
    def count(self) -> int:
        """THRESHOLD COUNT."""
        return max(1, self.sets(self.limit or 0))

    def observe(self, room: Room) -> bool | None:
        """Somebody has looked. True: the threshold has been crossed just now; False: there is room again."""
        found, before = roomy(self._disk.medium), self.reached
        if found is not None:
            found.room = room
        limit = self.limit
        if limit is None:
            self.reached = self._told = False
            return None
        if room.free <= limit:
            self.reached = True
        elif room.free > limit + room.total // _EASE:
            self.reached = self._told = False
        if self.reached and not self._told and self.active and not self.quiet:
            self._told = True
            self._disk.attend_all(REACHED)
        return None if self.reached == before else self.reached

    def standing(self) -> list[Sense]:
        """What initiators were told and is still so: who comes later is told, too. SBC-4 4.7.3.7 speaks of every I_T
        nexus; other targets repeat it from time to time."""
        return [REACHED] if self._told and not self.quiet else []

    def restart(self) -> None:
        """After a reset initiators are told again."""
        self._told = False

    def forget(self) -> None:
        """The administrator wants another threshold."""
        self.reached = self._told = False


def _armed(disk: Disk) -> bool:
    return disk.settings.pool_warning > 0


def _reporting(disk: Disk) -> int:
    return _armed(disk) and not disk.thresholds.quiet


def _set_reporting(disk: Disk, on: int) -> None:
    disk.thresholds.quiet = not on


def _active(disk: Disk) -> bool:
    return disk.thresholds.active


LBPERE = ModeField(7, 7, 1, "LBPERE", _reporting, _armed, _set_reporting, _armed)
"""Of the read-write error recovery page: thresholds that are reached are told."""


def _shown(byte: int, bit: int, width: int, name: str, value: int) -> ModeField:
    return ModeField(byte, bit, width, name, lambda _: value, lambda _: value)


PROVISIONING = ModePage(
    0x1C,
    0x02,
    "logical block provisioning",
    _DESCRIPTOR + 8,
    (
        _shown(_DESCRIPTOR, 7, 1, "ENABLED", 1),
        _shown(_DESCRIPTOR + 1, 0, 8, "THRESHOLD RESOURCE", _AVAILABLE),
        ModeField(
            _DESCRIPTOR + 4,
            0,
            32,
            "THRESHOLD COUNT",
            lambda disk: disk.thresholds.count,
            lambda disk: disk.thresholds.count,
        ),
    ),
    available=_active,
)
"""SBC-4 6.5.9: type and arming of the descriptor are zero, for a number of sets that decreases; SITUA is zero, so that
every initiator is told."""


def _resources(disk: Disk) -> Iterator[Parameter]:
    """SBC-4 6.4.5."""
    room = disk.thresholds.room
    if room is not None:
        available, used = disk.thresholds.sets(room.free), disk.thresholds.sets(room.taken)
        yield Parameter(_AVAILABLE, BINARY_LIST, struct.pack(">IBxxx", available, _SHARED))
        yield Parameter(_USED, BINARY_LIST, struct.pack(">IBxxx", used, _DEDICATED))


RESOURCES = LogPage(0x0C, 0, "logical block provisioning", _resources, available=_active)
