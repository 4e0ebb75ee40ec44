"""GET LBA STATUS (16), (32): what is mapped, anchored, unmapped or marked as bad (SBC-4 5.6, 5.7)."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command, Handler
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sbc.flaws import FlawedMedium
from tgtd.scsi.sense import GOOD, INVALID_FIELD_IN_CDB, LBA_OUT_OF_RANGE, CheckCondition
from tgtd.scsi.spc.commands import usage
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

MOST_DESCRIPTORS = 1024
_STEP = 4096  # runs that a worker looks at before others have their turn
_LONGEST = 0xFFFFFFFF

MAPPED, DEALLOCATED, ANCHORED = range(3)
"""PROVISIONING STATUS (table 53) where all blocks are asked for; else a mapped block has _SURELY_MAPPED."""
_SURELY_MAPPED = 3
_ALL, _ALL_BY_NAME, _BAD = 0x00, 0x01, 0x10
_STATUSES = {
    _ALL: (MAPPED, DEALLOCATED, ANCHORED),
    _ALL_BY_NAME: (MAPPED, DEALLOCATED, ANCHORED),
    0x02: (MAPPED,),
    0x03: (DEALLOCATED,),
    0x04: (ANCHORED,),
    _BAD: (MAPPED, DEALLOCATED, ANCHORED),
}
"""By REPORT TYPE (table 49): which blocks it is about."""

_PROCESSED = 0x01  # RTP
_NO_INDICATION, _ALLOCATION_MET, _SCAN_DONE, _CAPACITY_REACHED = (code << 1 for code in range(4))

Run = tuple[int, int, int]
"""First block, blocks, status."""
Descriptor = tuple[int, int, int, int]
"""First block, blocks, PROVISIONING STATUS, ADDITIONAL STATUS: 1 for what is marked as bad."""
_NO_MORE: Descriptor = (-1, 0, 0, 0)
_OF_NO_INTEREST: Descriptor = (-2, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Question:
    """report: REPORT TYPE. Blocks from lba to end; whole: that is the end of the disk. allocation: bytes
    of the answer."""

    report: int
    lba: int
    end: int
    whole: bool
    allocation: int


def get_lba_status_16(disk: Disk, task: Task) -> int:
    """GET LBA STATUS(16)."""
    cdb = task.cdb
    return _answer(disk, task, cdb[14], 14, int.from_bytes(cdb[2:10], "big"), 0, int.from_bytes(cdb[10:14], "big"))


def get_lba_status_32(disk: Disk, task: Task) -> int:
    """GET LBA STATUS(32): may stop after SCAN LENGTH blocks. There is no physical element that could be named."""
    lba, scan = struct.unpack_from(">QI", task.cdb, 12)
    return _answer(disk, task, task.cdb[10], 10, lba, scan, int.from_bytes(task.cdb[28:32], "big"))


def _answer(disk: Disk, task: Task, report: int, field: int, lba: int, scan: int, allocation: int) -> int:
    """As many descriptors as fit, at least one where there is any. scan: blocks, 0 for no limit."""
    if report not in _STATUSES:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=field, bit=7)
    if lba >= disk.blocks:
        raise CheckCondition(LBA_OUT_OF_RANGE)
    end = min(disk.blocks, lba + (scan or disk.blocks))
    look = _Look(disk.store(), disk.shift, Question(report, lba, end, end == disk.blocks, allocation))

    def tell(done: Task) -> int:
        if look.condition is None:
            return disk.defer(task, look.go_on, then=tell)
        done.data_in = look.answer()[:allocation]
        return GOOD

    return disk.defer(task, look.go_on, then=tell)


class _Look:
    """The search for what was asked, in bounded steps. condition: COMPLETION CONDITION, None while it goes on."""

    def __init__(self, medium: BlockMedium, shift: int, asked: Question) -> None:
        self.condition: int | None = None
        self._at_the_end = _CAPACITY_REACHED if asked.whole else _SCAN_DONE
        self._most = min(max(1, (asked.allocation - 8) // 16), MOST_DESCRIPTORS)
        self._found = _descriptors(medium, shift, asked)
        self._told: list[bytes] = []

    def go_on(self) -> None:
        """The next step. Blocks, and raises OSError."""
        for _ in range(_STEP):
            found = next(self._found, _NO_MORE)
            if found is _NO_MORE:
                self.condition = self._at_the_end
                return
            if len(self._told) == self._most:
                self.condition = _NO_INDICATION if self._most == MOST_DESCRIPTORS else _ALLOCATION_MET
                return
            if found is not _OF_NO_INTEREST:
                self._told.append(struct.pack(">QIBBxx", *found))

    def answer(self) -> bytes:
        assert self.condition is not None
        return struct.pack(">I3xB", 4 + 16 * len(self._told), self.condition | _PROCESSED) + b"".join(self._told)


def _descriptors(medium: BlockMedium, shift: int, asked: Question) -> Iterator[Descriptor]:
    """With _OF_NO_INTEREST for each run that is not asked for: the search may pause there."""
    if asked.report == _ALL:
        for start, count, status in runs(medium, asked.lba, asked.end, shift):
            yield start, count, status, 0
        return
    wanted = _STATUSES[asked.report]
    bad = sorted(medium.bad.copy()) if isinstance(medium, FlawedMedium) else []
    found = _singles(medium, asked, shift, bad) if asked.report == _BAD else runs(medium, asked.lba, asked.end, shift)
    for run in found:
        if run[2] in wanted:
            yield from _flagged(run, bad)
        else:
            yield _OF_NO_INTEREST


def _singles(medium: BlockMedium, asked: Question, shift: int, bad: list[int]) -> Iterator[Run]:
    for block in bad[bisect_left(bad, asked.lba) : bisect_left(bad, asked.end)]:
        yield from runs(medium, block, block + 1, shift)


def _flagged(run: Run, bad: list[int]) -> Iterator[Descriptor]:
    """The run, cut where blocks are marked as bad."""
    at, count, status = run
    end = at + count
    status = status or _SURELY_MAPPED
    for block in bad[bisect_left(bad, at) : bisect_left(bad, end)]:
        if block > at:
            yield at, block - at, status, 0
        yield block, 1, status, 1
        at = block + 1
    if end > at:
        yield at, end - at, status, 0


def runs(medium: BlockMedium, lba: int, end: int, shift: int) -> Iterator[Run]:
    """Runs of blocks of one status; counts fit in 32 bits. A block is mapped when any byte of it is, and anchored when
    all of it is."""
    at = upto = lba
    state = DEALLOCATED
    for offset, length, status in _pieces(medium, lba << shift, end - lba << shift, shift):
        # A mapped extent takes in the blocks it touches, the others leave those their neighbours touch.
        last = offset + length
        edge = -(-last >> shift) if status == MAPPED else last >> shift
        edge = min(max(edge, upto), end)
        if edge == upto:
            continue
        if status != state and upto > at:
            yield from _cut(at, upto, state)
            at = upto
        state, upto = status, edge
    if upto > at:
        yield from _cut(at, upto, state)


def _pieces(medium: BlockMedium, offset: int, length: int, shift: int) -> Iterator[Run]:
    """In bytes. What is anchored begins and ends with a block."""
    for start, size, mapped in medium.extents(offset, length):
        status = MAPPED if mapped else DEALLOCATED
        if medium.can_anchor:
            yield from _parted(medium.anchored(start, size), start, start + size, status, shift)
        else:
            yield start, size, status


def _parted(anchored: Iterable[tuple[int, int]], at: int, end: int, status: int, shift: int) -> Iterator[Run]:
    for start, size in anchored:
        first, last = -(-start >> shift) << shift, start + size >> shift << shift
        if last <= first:
            continue
        if first > at:
            yield at, first - at, status
        yield first, last - first, ANCHORED
        at = last
    if end > at:
        yield at, end - at, status


def _cut(start: int, end: int, status: int) -> Iterator[Run]:
    while start < end:
        count = min(end - start, _LONGEST)
        yield start, count, status
        start += count


def _thin(disk: Disk) -> bool:
    return disk.thin


def _row(opcode: int, name: str, handler: Handler, mask: str) -> Command:
    return Command(opcode, name, handler, usage(mask), action=0x12, medium=True, reservation="read", available=_thin)


LBA_STATUS = (
    _row(0x9E, "GET LBA STATUS(16)", get_lba_status_16, "9E 12 FFFFFFFFFFFFFFFF FFFFFFFF FF 04"),
    _row(
        0x7F,
        "GET LBA STATUS(32)",
        get_lba_status_32,
        "7F 04 0000000000 18 0012 FF 00 FFFFFFFFFFFFFFFF FFFFFFFF 00000000 FFFFFFFF",
    ),
)
