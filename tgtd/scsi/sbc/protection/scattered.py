"""WRITE SCATTERED (16) and (32) with protection information (SBC-4 5.55, 5.56; table 133).

What is sent for all ranges is checked before any of it is written. Done by workers, in bounded steps.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.sbc.protection.access import VARIABLE, ProtectedAccess, expecting, flags_at, guarded, protect_of, unit_of
from tgtd.scsi.sbc.protection.transfers import check_sent, place
from tgtd.scsi.sbc.scattered import LbaRange, asked, perform, ranges
from tgtd.scsi.sbc.write import FUA, exact
from tgtd.scsi.sense import GOOD
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

Piece = tuple[int, ProtectedAccess, memoryview]
"""Number of the descriptor, where it goes with what is known of its tags, and what was sent for it."""


def wanted(disk: Disk, cdb: bytes) -> int:
    unit = unit_of(disk, protect_of(disk, cdb))
    return asked(disk, cdb, unit).length * unit


def write_scattered(disk: Disk, task: Task) -> int:
    """WRITE SCATTERED with WRPROTECT, or WRITE SCATTERED(32), which has tags of its own for each range."""
    cdb = task.cdb
    protect = protect_of(disk, cdb)
    unit, tagged = unit_of(disk, protect), cdb[0] == VARIABLE
    wish = asked(disk, cdb, unit)
    disk.counters.writes += 1
    if not wish.length:
        return GOOD
    sent = exact(task, wish.length * unit, wish.field)

    def piece(one: LbaRange) -> Piece:
        rules = guarded(disk).rules(one.lba)
        if tagged:
            rules = expecting(disk, one.reference, one.tag, one.mask)
        what = ProtectedAccess(one.lba, one.blocks, protect, cdb[flags_at(cdb)], wish.field, rules)
        return one.number, what, sent[one.at : one.at + one.blocks * unit]

    pieces = [piece(one) for one in ranges(disk, wish, sent, unit, tagged) if one.blocks]
    disk.counters.write_bytes += sum(what.blocks for _, what, _ in pieces) << disk.shift
    durable = bool(cdb[flags_at(cdb)] & FUA) or disk.durable
    return disk.defer(task, partial(_write, disk, pieces, durable), writing=True)


def _write(disk: Disk, pieces: list[Piece], durable: bool) -> None:
    for _, what, sent in pieces:
        check_sent(disk, what, sent)
    perform(
        [(number, partial(place, disk, what, sent, False)) for number, what, sent in pieces],
        disk.store().flush if durable else None,
    )
