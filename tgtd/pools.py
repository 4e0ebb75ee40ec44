"""A look at the pool that a disk takes its space from, and the warning before it is full."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from tgtd.config import model
from tgtd.opening import reason
from tgtd.scsi.device import AnyDevice
from tgtd.scsi.room import Room, roomy
from tgtd.scsi.sbc.disk import Disk
from tgtd.workers import Lane

log = logging.getLogger(__name__)

_GIB = 1 << 30


class Pool:
    """Of one unit. place: what logs call it; fields: what they add. One look at a time: a file system may hang."""

    def __init__(self, place: str, fields: Callable[[], Mapping[str, object]]) -> None:
        self._place = place
        self._fields = fields
        self._looking: object = None
        self._complaint = ""

    def look(self, device: AnyDevice, lane: Lane) -> None:
        """Have a worker look; then the disk and the log know. The medium stays open until the lane is idle."""
        medium = roomy(device.medium)
        if medium is None or not isinstance(device, Disk) or self._looking is medium:
            return
        self._looking = medium
        found: list[Room] = []

        def looked(error: BaseException | None) -> None:
            if self._looking is medium:
                self._looking = None
            if roomy(device.medium) is not medium:
                return
            if error is not None:
                self._complain(f"cannot look how full its file system is: {reason(error)}")
                return
            self._complaint = ""
            self._tell(device, found[0], device.thresholds.observe(found[0]))

        lane.submit(lambda: found.append(medium.look_for_room()), looked)

    def _complain(self, complaint: str) -> None:
        if complaint != self._complaint:
            log.warning("%s: %s", self._place, complaint, extra=self._fields())
        self._complaint = complaint

    def _tell(self, disk: Disk, room: Room, news: bool | None) -> None:
        if news:
            log.warning(
                "%s: its file system is %d %% full (pool_warning = %d): %.1f GiB are free, and this disk alone "
                "may still take %.1f GiB; make room there, or writes will fail",
                self._place,
                room.percent,
                disk.settings.pool_warning,
                room.free / _GIB,
                max(0, disk.capacity - room.taken) / _GIB,
                extra=self._fields(),
            )
        elif news is not None:
            log.info(
                "%s: its file system has room again: %d %% full, %.1f GiB are free",
                self._place,
                room.percent,
                room.free / _GIB,
                extra=self._fields(),
            )


def status(device: AnyDevice, wish: model.Lun) -> dict[str, object] | None:
    """percent: how full the file system is; warning: the percentage that is too much, warned: whether it is reached.
    total, free: of the file system; taken: by this disk; all in bytes."""
    medium = roomy(device.medium)
    if medium is None or not wish.pool_warning or not isinstance(device, Disk):
        return None
    room = medium.room
    return {
        "percent": room.percent,
        "warning": wish.pool_warning,
        "warned": device.thresholds.reached,
        "total": room.total,
        "free": room.free,
        "taken": room.taken,
    }
