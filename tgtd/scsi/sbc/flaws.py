"""Blocks that an application client has marked bad, and those that were replaced (SBC-4 4.18, 5.44, 5.19)."""

from __future__ import annotations

from functools import partial

from tgtd.scsi.layer import Layer
from tgtd.scsi.medium import BlockMedium, Buffer, Work
from tgtd.scsi.sense import MARKED_BAD, NO_DEFECT_SPARE, CheckCondition

MOST = 4096
"""Marks, and replaced blocks, that one disk keeps."""


class FlawedMedium(Layer):
    """A medium, some blocks of which cannot be read until they are written again.

    It stands before all else, and only once a block was marked, so that flawless disks pay nothing. bad: the marked
    blocks' numbers; the loop thread adds, workers that write take away, one by one.
    """

    def __init__(self, medium: BlockMedium, shift: int) -> None:
        super().__init__(medium)
        self.bad: set[int] = set()
        self._shift = shift

    def before(self, medium: BlockMedium) -> FlawedMedium:
        """The same marks, before another medium or other layers of this one."""
        fresh = FlawedMedium(medium, self._shift)
        fresh.bad = self.bad
        return fresh

    def mark(self, first: int, count: int) -> None:
        """Raises NO DEFECT SPARE LOCATION AVAILABLE when there are too many already."""
        if len(self.bad) + count > MOST:
            raise CheckCondition(NO_DEFECT_SPARE)
        self.bad.update(range(first, first + count))

    def _within(self, offset: int, length: int) -> list[int]:
        first, last = offset >> self._shift, offset + length - 1 >> self._shift
        return [block for block in list(self.bad) if first <= block <= last]

    def heal(self, offset: int, length: int) -> None:
        """These blocks were written."""
        for block in self._within(offset, length):
            self.bad.discard(block)

    def read_now(self, offset: int, into: memoryview) -> bool:
        return not self._within(offset, len(into)) and self.medium.read_now(offset, into)

    def write_now(self, offset: int, data: Buffer) -> bool:
        if not self.medium.write_now(offset, data):
            return False
        self.heal(offset, len(data))
        return True

    def refuse_bad(self, offset: int, length: int) -> None:
        """Raises the medium error of the first block that is marked."""
        found = self._within(offset, length)
        if found:
            raise CheckCondition(MARKED_BAD, information=min(found))

    def read(self, offset: int, into: memoryview) -> None:
        self.refuse_bad(offset, len(into))
        self.medium.read(offset, into)

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        self.medium.write(offset, data, durable)
        self.heal(offset, len(data))

    def reading(self, offset: int, into: memoryview) -> Work:
        if self._within(offset, len(into)):
            return partial(self.read, offset, into)
        return self.medium.reading(offset, into)

    def discard(self, offset: int, length: int) -> None:
        self.medium.discard(offset, length)
        self.heal(offset, length)

    def anchor(self, offset: int, length: int) -> None:
        self.medium.anchor(offset, length)
        self.heal(offset, length)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        self.medium.zero(offset, length, may_discard)
        self.heal(offset, length)
