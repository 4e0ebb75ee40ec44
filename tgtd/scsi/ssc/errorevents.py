"""Tape diagnostic data: the last errors that a drive met, and with which cartridge (SSC-5 8.2.6).

Kept in the unit's memory, so that they are there after a restart; what was met a moment before a loss of power may be
missing. Nothing moves in this drive: MEDIA MOTION HOURS and HOURS SINCE LAST CLEAN, which are counted in those, are 0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tgtd.scsi.log import BINARY_LIST, LogPage, Parameter
from tgtd.scsi.memory import Memory
from tgtd.scsi.sense import Sense

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

MOST = 12
"""As many as LTO drives keep."""
MEMORY = "tape-diagnostics"

_EVENT = struct.Struct(">2xBB5xBBB4x4s4xBB2x32sBx6s")
"""Density code, medium type, sense key with REPEAT, additional sense code and its qualifier, product revision level,
operation code, service action, medium ID number, timestamp origin, timestamp."""
_REPEAT_AT, _REPEAT = 9, 0x80
_MOMENT_AT = 60


class ErrorEvents:
    """The loop thread's; the latest error first."""

    def __init__(self) -> None:
        self._events: list[bytes] = []
        self._memory: Memory | None = None
        self._keeping = self._late = False

    def all(self, drive: TapeDrive) -> list[bytes]:
        """Each as a log parameter's value."""
        if drive.memory is not self._memory:
            self._memory = drive.memory
            kept = drive.memory.recall(MEMORY) or b""
            whole = len(kept) - len(kept) % _EVENT.size
            self._events = [kept[at : at + _EVENT.size] for at in range(0, whole, _EVENT.size)][:MOST]
        return self._events

    def note(self, drive: TapeDrive, cdb: bytes | None, sense: Sense) -> None:
        """An error was met. The same one again is no other event: the first one counts, and says so. cdb: None: no
        command met it, and OPERATION CODE is 0."""
        events, event = self.all(drive), _encode(drive, cdb, sense)
        if not events or _essence(events[0]) != _essence(event):
            events.insert(0, event)
            del events[MOST:]
        elif events[0][_REPEAT_AT] & _REPEAT:
            return
        else:
            repeated = bytearray(events[0])
            repeated[_REPEAT_AT] |= _REPEAT
            events[0] = bytes(repeated)
        self._keep(drive)

    def _keep(self, drive: TapeDrive) -> None:
        """One change at a time, however fast errors come. Nobody waits for it."""
        if self._keeping:
            self._late = True
            return

        def kept(error: BaseException | None) -> None:
            self._keeping = False
            if self._late and error is None:
                self._keep(drive)

        self._keeping, self._late = True, False
        drive.records.keeper.change(lambda: {MEMORY: b"".join(self.all(drive))}, kept)


def _encode(drive: TapeDrive, cdb: bytes | None, sense: Sense) -> bytes:
    cartridge, clock = drive.cartridge, drive.records.clock
    return _EVENT.pack(
        0 if cartridge is None else drive.density_of(cartridge),
        drive.medium_type(),
        sense.key,
        sense.asc,
        sense.ascq,
        drive.identity.revision.encode("ascii", "replace"),
        0 if cdb is None else cdb[0],
        0 if cdb is None else drive.find(cdb).action or 0,
        b"" if cartridge is None else cartridge.serial.encode("ascii", "replace").ljust(32),
        clock.origin,
        clock.now().to_bytes(6, "big"),
    )


def _essence(event: bytes) -> bytes:
    """Without when it was, and whether more than once."""
    return event[:_REPEAT_AT] + bytes((event[_REPEAT_AT] & ~_REPEAT,)) + event[_REPEAT_AT + 1 : _MOMENT_AT]


def _diagnostics(drive: TapeDrive) -> Iterator[Parameter]:
    for code, event in enumerate(drive.events.all(drive)):
        yield Parameter(code, BINARY_LIST, event)


TAPE_DIAGNOSTICS = LogPage(0x16, 0, "tape diagnostic data", _diagnostics)
"""Neither set nor reset by LOG SELECT."""
