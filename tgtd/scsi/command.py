"""Command rows: one keyed row per SCSI command carries every fact about it.

Dispatch, REPORT SUPPORTED OPERATION CODES, reserved-bit checks, the gate (unit attention, reservation, not ready), the
tests and the manual's table all read these rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tgtd.scsi.sense import INVALID_COMMAND_OPERATION_CODE, INVALID_FIELD_IN_CDB, CheckCondition
from tgtd.scsi.task import Task

Handler = Callable[[Any, Task], int]
"""Called with the logical unit and the task; returns a SAM status or PENDING, or raises Refused."""

DataOut = Callable[[Any, bytes], int]
"""Called with the logical unit and the CDB: how many bytes of data-out the command wants. May raise CheckCondition."""


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """One SCSI command.

    usage: the CDB usage mask as REPORT SUPPORTED OPERATION CODES shows it (SPC-5 6.33.3), one byte per CDB byte, byte 0
    being the operation code; a bit that is zero must be zero in the CDB. For a service action its five bits (or two
    bytes, for 7Fh) hold its value there, as the standard has it.
    action: service action, or None. data_out: None when the command sends no data to the device.
    attention: a pending unit attention stops it. medium: a missing or stopped medium stops it.
    writes: refused while the medium is write protected. available: None, or asked with the logical unit: false hides
    the command, in dispatch and in reports alike. timeout: recommended seconds, for the timeouts descriptor.
    lun_bits: the first three bits of byte 1 may be set, and mean nothing: until SCSI-2 they held the LUN.
    reservation: the class by which another's reservation stops it or not, see scsi.reservation.types; or asked with the
    CDB, where that decides.
    """

    opcode: int
    name: str
    handler: Handler
    usage: bytes
    action: int | None = None
    data_out: DataOut | None = None
    attention: bool = True
    medium: bool = False
    writes: bool = False
    reservation: str | Callable[[bytes], str] = "conflict"
    available: Callable[[Any], bool] | None = None
    timeout: int = 30
    lun_bits: bool = False
    forbidden: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        mask = bytearray(~b & 0xFF for b in self.usage)
        mask[0] = 0
        if self.lun_bits:
            mask[1] &= 0x1F
        if self.action is not None:
            if self.opcode == 0x7F:
                mask[8:10] = b"\0\0"
            else:
                mask[1] &= 0xE0
        object.__setattr__(self, "forbidden", int.from_bytes(bytes(mask).ljust(max(16, len(mask)), b"\0"), "big"))

    def check(self, cdb: bytes) -> None:
        """Raise INVALID FIELD IN CDB, pointing at the first bit that is set and may not be."""
        wrong = int.from_bytes(cdb, "big") & self._mask(len(cdb))
        if wrong:
            highest = wrong.bit_length() - 1
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=len(cdb) - 1 - highest // 8, bit=highest % 8)

    def _mask(self, length: int) -> int:
        known = max(16, len(self.usage))
        return self.forbidden << 8 * (length - known) if length >= known else self.forbidden >> 8 * (known - length)


class ActionTable:
    """The rows that share one operation code and differ by service action."""

    def __init__(self, opcode: int, rows: dict[int, Command]) -> None:
        self.opcode = opcode
        self.rows = rows

    def find(self, cdb: bytes) -> Command:
        """Raises INVALID FIELD IN CDB for a service action that is not there, or an ADDITIONAL CDB LENGTH that is
        not its own (SPC-5 4.2.5.2)."""
        if self.opcode == 0x7F:
            row, at = self.rows.get(int.from_bytes(cdb[8:10], "big")), 8
        else:
            row, at = self.rows.get(cdb[1] & 0x1F), 1
        if row is None:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=at, bit=4 if at == 1 else 7)
        if at == 8 and not cdb[7] + 8 == len(row.usage) <= len(cdb):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=7, bit=7)
        return row


Entry = Command | ActionTable | None


@functools.cache
def table(rows: tuple[Command, ...]) -> tuple[Entry, ...]:
    """256 entries by operation code; units with the same rows share one. ValueError when two rows claim one place."""
    entries: list[Entry] = [None] * 256
    for row in rows:
        entry = entries[row.opcode]
        if row.action is None:
            if entry is not None:
                raise ValueError(f"two rows for operation code {row.opcode:02X}h")
            entries[row.opcode] = row
            continue
        if entry is None:
            entry = entries[row.opcode] = ActionTable(row.opcode, {})
        if not isinstance(entry, ActionTable) or row.action in entry.rows:
            raise ValueError(f"two rows for {row.opcode:02X}h/{row.action:02X}h")
        entry.rows[row.action] = row
    return tuple(entries)


def available(rows: Sequence[Command], unit: object) -> tuple[Command, ...]:
    """The rows that this logical unit performs, in the order of the table."""
    return tuple(row for row in rows if row.available is None or row.available(unit))


def unsupported() -> CheckCondition:
    """The answer to an operation code that has no row."""
    return CheckCondition(INVALID_COMMAND_OPERATION_CODE, field=0, bit=7)
