"""Commands that write, while there are tokens for what they write over.

Other rows are plugged into a disk's dispatch table then: a disk without tokens pays nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import ActionTable, Command, Entry, Handler
from tgtd.scsi.sbc.address import extent

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk
    from tgtd.scsi.task import Task

_PLAIN = frozenset({0x0A, 0x2A, 0xAA, 0x8A, 0x2E, 0xAE, 0x8E, 0x8B, 0x41, 0x93})
"""Operation codes of commands that write just the blocks that their CDB names."""


@lru_cache(maxsize=64)
def watched(ops: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The same table, with handlers that cancel tokens before they write."""
    return tuple(_entry(entry) for entry in ops)


def _entry(entry: Entry) -> Entry:
    if isinstance(entry, ActionTable):
        return ActionTable(entry.opcode, {action: _row(row) for action, row in entry.rows.items()})
    return None if entry is None else _row(entry)


def _row(row: Command) -> Command:
    return replace(row, handler=partial(_cancel, row.handler)) if row.writes else row


def _cancel(handler: Handler, disk: Disk, task: Task) -> int:
    disk.copies.disturb(*written(task.cdb))
    return handler(disk, task)


def written(cdb: bytes) -> tuple[int, int]:
    """First block and number of blocks that a command may change; where that takes more than a look, all of them."""
    if cdb[0] in _PLAIN:
        lba, count, _ = extent(cdb)
        return lba, count
    return 0, 1 << 64
