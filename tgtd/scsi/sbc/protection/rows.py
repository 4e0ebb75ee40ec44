"""The rows of disks with protection information, made of those without, and the 32 byte forms (SBC-4 4.21.2, 5).

A disk without has the plain rows and pays nothing. With it, a row looks at the PROTECT field first: zero is the plain
handler's business, as the medium checks and makes protection information by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command, DataOut, Handler
from tgtd.scsi.sbc.atomic import most_atomic
from tgtd.scsi.sbc.orwrite import ORWRITE_32
from tgtd.scsi.sbc.protection import same, scattered, transfers, verify
from tgtd.scsi.sbc.protection.access import VARIABLE, flags_at, protect_of
from tgtd.scsi.sbc.provision import NDOB, anchors
from tgtd.scsi.sbc.scattered import WRITE_SCATTERED_16, WRITE_SCATTERED_32
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk


class Way(NamedTuple):
    """How a command is done with protection information."""

    handler: Handler
    data_out: DataOut | None


_READ = Way(transfers.read, None)
_WRITE = Way(transfers.write, transfers.wanted)
_WRITE_AND_VERIFY = Way(transfers.write_and_verify, transfers.wanted)
_VERIFY = Way(verify.verify, verify.wanted_verify)
_SAME = Way(same.write_same, same.wanted)
_OR = Way(transfers.orwrite, transfers.wanted)
_ATOMIC = Way(transfers.write_atomic, transfers.wanted_atomic)
_SCATTERED = Way(scattered.write_scattered, scattered.wanted)

_WAYS = {
    **dict.fromkeys((0x28, 0xA8, 0x88), _READ),
    **dict.fromkeys((0x2A, 0xAA, 0x8A), _WRITE),
    **dict.fromkeys((0x2E, 0xAE, 0x8E), _WRITE_AND_VERIFY),
    **dict.fromkeys((0x2F, 0xAF, 0x8F), _VERIFY),
    **dict.fromkeys((0x41, 0x93), _SAME),
    0x8B: _OR,
    0x89: Way(verify.compare_and_write, verify.wanted_compare),
    0x9C: _ATOMIC,
}
"""By operation code: what has a PROTECT field."""
_ACTION_WAYS = {(VARIABLE, ORWRITE_32): _OR, (0x9F, WRITE_SCATTERED_16): _SCATTERED}
"""By operation code and service action."""

Ask = Callable[["Disk"], bool]


def _also(one: Ask, other: Ask | None) -> Ask:
    return one if other is None else lambda disk: one(disk) and other(disk)


def _plain(disk: Disk) -> bool:
    return not disk.protection


def _protected(disk: Disk) -> bool:
    return disk.protection > 0


def _long(disk: Disk) -> bool:
    """The 32 byte forms with expected tags are for type 2 only."""
    return disk.protection == 2


def with_protection(rows: Iterable[Command]) -> Iterator[Command]:
    """Each row that has a PROTECT field twice: for disks without protection information, and for those with."""
    for row in rows:
        way = _WAYS.get(row.opcode) if row.action is None else _ACTION_WAYS.get((row.opcode, row.action))
        if way is None:
            yield row
            continue
        yield replace(row, available=_also(_plain, row.available))
        yield _both(row, way)


def _both(row: Command, way: Way) -> Command:
    plain, plain_out, protecting, protecting_out = row.handler, row.data_out, way.handler, way.data_out
    no_data = NDOB if row.opcode == 0x93 else 0

    def handle(disk: Disk, task: Task) -> int:
        cdb = task.cdb
        if protect_of(disk, cdb) or cdb[1] & no_data:
            return protecting(disk, task)
        return plain(disk, task)

    def data_out(disk: Disk, cdb: bytes) -> int:
        wanted = protecting_out if protect_of(disk, cdb) else plain_out
        return 0 if wanted is None else wanted(disk, cdb)

    mask = bytearray(row.usage)
    mask[flags_at(row.usage)] |= 0xE0
    wants = None if plain_out is None else data_out
    return replace(row, handler=handle, data_out=wants, usage=bytes(mask), available=_also(_protected, row.available))


_FIELDS = "FFFFFFFFFFFFFFFF FFFFFFFF FFFF FFFF FFFFFFFF"
"""The CDB of most 32 byte forms from byte 12 on: LBA, the expected tags and their mask, length."""
_SCATTERED_FIELDS = "FFFF 0000 FFFF 00000000000000000000 FFFFFFFF"


def _row(
    action: int, name: str, way: Way, flags: str, writes: bool, available: Ask = _long, fields: str = _FIELDS
) -> Command:
    return Command(
        0x7F,
        name,
        way.handler,
        usage(f"7F 04 00000000 3F 18 {action:04X} {flags} 00 {fields}"),
        action=action,
        data_out=way.data_out,
        medium=True,
        writes=writes,
        reservation="write" if writes else "read",
        available=available,
    )


def _anchors(disk: Disk) -> bool:
    return _long(disk) and anchors(disk)


def _lets_go(disk: Disk) -> bool:
    return _long(disk) and disk.thin and not anchors(disk)


def _thick(disk: Disk) -> bool:
    return _long(disk) and not disk.thin


def _atomic(disk: Disk) -> bool:
    return _long(disk) and most_atomic(disk) > 0


LONG_TRANSFERS = (
    _row(0x09, "READ(32)", _READ, "F8", writes=False),
    _row(0x0B, "WRITE(32)", _WRITE, "F8", writes=True),
    _row(0x0C, "WRITE AND VERIFY(32)", _WRITE_AND_VERIFY, "F2", writes=True),
    _row(0x0D, "WRITE SAME(32)", _SAME, "F9", writes=True, available=_anchors),
    _row(0x0D, "WRITE SAME(32)", _SAME, "E9", writes=True, available=_lets_go),
    _row(0x0D, "WRITE SAME(32)", _SAME, "E1", writes=True, available=_thick),
    _row(0x0F, "WRITE ATOMIC(32)", _ATOMIC, "F8", writes=True, available=_atomic),
    _row(WRITE_SCATTERED_32, "WRITE SCATTERED(32)", _SCATTERED, "F8", writes=True, fields=_SCATTERED_FIELDS),
)
LONG_OTHERS = (_row(0x0A, "VERIFY(32)", _VERIFY, "F6", writes=False),)
_ACTIONS = frozenset(row.action for row in (*LONG_TRANSFERS, *LONG_OTHERS))


def for_type_2(cdb: bytes) -> bool:
    """Whether it is a 32 byte form that is no command at all for other types (SBC-4 4.21.2.2 to 4.21.2.5)."""
    return cdb[0] == VARIABLE and int.from_bytes(cdb[8:10], "big") in _ACTIONS
