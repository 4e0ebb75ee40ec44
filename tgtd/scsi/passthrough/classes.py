"""Which class of command (scsi.reservation.types) a CDB is of that goes to a real device.

Reservations are kept on our side, as the device sees one initiator only. What is not listed conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tgtd.scsi.command import Command
from tgtd.scsi.sbc.commands import ROWS

DISKS = frozenset({0x00, 0x04, 0x07, 0x0E, 0x14})
"""Device types whose commands are those of SBC: also write-once, optical, reduced and zoned ones."""

_PRIMARY = {
    0x00: "allowed",  # TEST UNIT READY
    0x1A: "read",  # MODE SENSE(6)
    0x3C: "read",  # READ BUFFER(10)
    0x4D: "read",  # LOG SENSE
    0x5A: "read",  # MODE SENSE(10)
    0xA3: "read",  # MAINTENANCE IN
}
_OTHER_TYPES = {
    0x05: "allowed",  # READ BLOCK LIMITS
    0x08: "read",  # READ(6)
    0x0F: "read",  # READ REVERSE(6)
    0x13: "read",  # VERIFY(6)
    0x25: "allowed",  # READ CAPACITY
    0x28: "read",  # READ(10)
    0x34: "read",  # READ POSITION
    0x43: "read",  # READ TOC/PMA/ATIP
    0x44: "allowed",  # REPORT DENSITY SUPPORT
    0x46: "allowed",  # GET CONFIGURATION
    0x4A: "allowed",  # GET EVENT STATUS NOTIFICATION
    0x51: "read",  # READ DISC INFORMATION
    0x52: "read",  # READ TRACK INFORMATION
    0x81: "read",  # READ REVERSE(16)
    0x88: "read",  # READ(16)
    0x8C: "read",  # READ ATTRIBUTE
    0xA8: "read",  # READ(12)
    0xB8: "read",  # READ ELEMENT STATUS
    0xB9: "read",  # READ CD MSF
    0xBE: "read",  # READ CD
}

CDB_LENGTHS = {0: 6, 1: 10, 2: 10, 4: 16, 5: 12}
"""CDB bytes by the operation code's group (SPC-5 4.2.5)."""

Class = str | Callable[[bytes], str]


def _action(cdb: bytes) -> int:
    return int.from_bytes(cdb[8:10], "big") if cdb[0] == 0x7F else cdb[1] & 0x1F


def _disk_classes() -> Mapping[int, Class]:
    """As our own disk has them (SBC-4 4.17)."""
    plain: dict[int, Class] = {}
    actions: dict[int, dict[int, Class]] = {}
    for row in ROWS:
        if row.action is None:
            plain[row.opcode] = row.reservation
        else:
            actions.setdefault(row.opcode, {})[row.action] = row.reservation

    def by_action(rows: Mapping[int, Class], otherwise: str) -> Callable[[bytes], str]:
        def find(cdb: bytes) -> str:
            found = rows.get(_action(cdb), otherwise)
            return found if isinstance(found, str) else found(cdb)

        return find

    return plain | {opcode: by_action(rows, _PRIMARY.get(opcode, "conflict")) for opcode, rows in actions.items()}


def _usage(opcode: int) -> bytes:
    """Every bit may be set, but for NACA in the CONTROL byte, where it is known which that is (SAM-5 5.2)."""
    mask = bytearray(b"\xff" * CDB_LENGTHS.get(opcode >> 5, 16))
    mask[0] = opcode
    if opcode >> 5 in CDB_LENGTHS:
        mask[-1] = 0xFB
    elif opcode >> 5 == 3:  # variable length
        mask[1] = 0xFB
    return bytes(mask)


def passing(handler: Callable[..., int], disk: bool) -> tuple[Command, ...]:
    """256 rows by operation code, for what goes to the device with every bit as it came. disk: SBC's meanings."""
    classes: Mapping[int, Class] = {**_PRIMARY, **(_disk_classes() if disk else _OTHER_TYPES)}
    return tuple(
        Command(
            opcode,
            f"operation code {opcode:02X}h",
            handler,
            _usage(opcode),
            medium=True,
            reservation=classes.get(opcode, "conflict"),
        )
        for opcode in range(256)
    )
