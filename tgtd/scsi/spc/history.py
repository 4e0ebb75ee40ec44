"""The error history of a unit: its most recent errors, and how an application client fetches them (SPC-5 5.5, 6.18.9).

One snapshot at a time, for one I_T nexus at a time. What a snapshot holds is JSON: format and contents are the
vendor's to choose. It names no file of the host.
"""

from __future__ import annotations

import json
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

from tgtd.scsi.nexus import LunNexus
from tgtd.scsi.sense import (
    COMMAND_SEQUENCE_ERROR,
    ERROR_HISTORY_NEXUS_CLEARED,
    INVALID_FIELD_IN_CDB,
    OPERATION_IN_PROGRESS,
    CheckCondition,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.spc.unit import PrimaryUnit

MOST_ERRORS = 32
PATIENCE = 600.0
"""Seconds after its last command for which nobody else may take over from the error history I_T nexus."""

_RETURN, _RETURN_NEW, _ESTABLISH, _ESTABLISH_NEW = range(4)
_BUFFER = 0x10
_CLEAR_NEXUS, _RELEASE = 0xFE, 0xFF
_UNCONSTRAINED = (_ESTABLISH, _ESTABLISH_NEW)
_DIRECTORY = (_RETURN, _RETURN_NEW, _ESTABLISH, _ESTABLISH_NEW, _BUFFER)
_VERSION = 1
_RETRIEVED, _NOT_RETRIEVED = 0b01, 0b10
_NOW, _BEFORE = 0b01, 0b10


class ErrorHistory:
    """errors: what `note` was told, the oldest first."""

    def __init__(self) -> None:
        self.errors: deque[dict[str, object]] = deque(maxlen=MOST_ERRORS)
        self._snapshot: bytes | None = None
        self._nexus: LunNexus | None = None
        self._touched = 0.0
        self._retrieved = _NOT_RETRIEVED

    def note(self, task: Task, milliseconds: int) -> None:
        """A command that ended with an error of the medium or the target."""
        self.errors.append(
            {
                "time": milliseconds,
                "initiator": task.itl.nexus.port,
                "cdb": task.cdb.hex(),
                "sense": task.sense.hex(),
            }
        )

    def read(self, unit: PrimaryUnit, itl: LunNexus, buffer: int, buffer_at: int, offset: int, offset_at: int) -> bytes:
        """READ BUFFER with mode 1Ch; buffer_at, offset_at: where the CDB has BUFFER ID and BUFFER OFFSET."""
        if buffer not in _UNCONSTRAINED:
            self._demand(itl)
        if buffer in _DIRECTORY[:-1]:
            if offset:
                raise CheckCondition(INVALID_FIELD_IN_CDB, field=offset_at, bit=7)
            return self._directory(unit, itl, buffer)
        if buffer in (_CLEAR_NEXUS, _RELEASE):
            self._clear(buffer == _RELEASE)
            return b""
        if buffer != _BUFFER:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=buffer_at, bit=7)
        if self._snapshot is None or self._nexus is None:
            raise CheckCondition(COMMAND_SEQUENCE_ERROR)
        if offset > len(self._snapshot):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=offset_at, bit=7)
        self._touched = time.monotonic()
        return self._snapshot[offset:]

    def lose(self, itl: LunNexus) -> None:
        """I_T nexus loss: the snapshot stays."""
        if self._nexus is itl:
            self._nexus = None

    def release(self) -> None:
        """A logical unit reset."""
        self._nexus = self._snapshot = None

    def _demand(self, itl: LunNexus) -> None:
        """Raises OPERATION IN PROGRESS while another nexus fetches a snapshot; one that is too slow has lost it."""
        if self._nexus in (None, itl) or self._snapshot is None:
            return
        if time.monotonic() - self._touched <= PATIENCE:
            raise CheckCondition(OPERATION_IN_PROGRESS)
        self._put_out()

    def _put_out(self) -> None:
        if self._nexus is not None:
            self._nexus.attend(ERROR_HISTORY_NEXUS_CLEARED)
            self._nexus = None

    def _clear(self, release: bool) -> None:
        self._nexus = None
        self._retrieved = _RETRIEVED
        if release:
            self._snapshot = None

    def _directory(self, unit: PrimaryUnit, itl: LunNexus, buffer: int) -> bytes:
        """Every directory action sees to it that there is a nexus and a snapshot (SPC-5 6.18.9.2)."""
        if buffer in _UNCONSTRAINED and self._nexus is not itl:
            self._put_out()
        self._nexus, self._touched = itl, time.monotonic()
        source = _BEFORE
        if self._snapshot is None or buffer in (_RETURN_NEW, _ESTABLISH_NEW):
            self._snapshot = self._take(unit)
            self._retrieved = _NOT_RETRIEVED
            source = _NOW
        size = 32 + 8 * len(_DIRECTORY)
        head = struct.pack(
            ">8sBB20xH",
            unit.identity.vendor.encode("ascii", "replace")[:8].ljust(8),
            _VERSION,
            self._retrieved << 3 | source << 1,
            size - 32,
        )
        lengths = [size] * (len(_DIRECTORY) - 1) + [len(self._snapshot)]
        return head + b"".join(map(_ENTRY.pack, _DIRECTORY, lengths))

    def _take(self, unit: PrimaryUnit) -> bytes:
        found = {
            "unit": unit.identity.serial,
            "time": unit.records.clock.now(),
            "faults": unit.faults,
            "errors": list(self.errors),
        }
        return json.dumps(found).encode()


_ENTRY = struct.Struct(">B3xI")
