"""Operations that take a disk to themselves for long: SANITIZE and FORMAT UNIT (SBC-4 4.11, 5.4).

Done in bounded steps in the medium's lane, so that the rest of the daemon goes on. It is nobody's task: aborts, resets
and lost nexuses do not end it. When the medium goes away in between it has failed: the next one may be another, and
nobody asked to wipe that. It does not outlive the process: a daemon that is restarted in between serves what is there.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from tgtd.scsi.command import Command
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.sense import CheckCondition, Sense

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

STEP = 4 << 20
"""Bytes of one step."""

Pass = Callable[[BlockMedium, int, int], None]
"""Treats `length` bytes at `offset` of a medium; run by a worker. May raise OSError."""


class Operation:
    """passes: done one after the other, each over the whole disk and then flushed. sense: the answer to all commands
    meanwhile. ended: called once, in the loop thread, with the error that ended it, or None. at_once: each pass is a
    single step, however large the disk is."""

    def __init__(
        self,
        disk: Disk,
        sense: Sense,
        passes: Iterable[Pass],
        ended: Callable[[BaseException | None], None],
        at_once: bool = False,
    ) -> None:
        self._disk = disk
        self._sense = sense
        self._passes = tuple(passes)
        self._ended = ended
        self._size = disk.blocks << disk.shift
        self._most = self._size if at_once else STEP
        self._number = self._at = 0
        self._started = self._over = False

    def begin(self) -> None:
        """After everything that workers do for this disk now."""
        self._disk.turns.take(self._start)

    def _start(self) -> bool:
        if self._over:
            return False
        self._started = True
        self._step()
        return True

    def _step(self) -> None:
        medium = self._disk.store()
        length = min(self._most, self._size - self._at)
        work = partial(self._passes[self._number], medium, self._at, length) if length else medium.flush
        self._disk.lane.submit(work, partial(self._stepped, length))

    def _stepped(self, length: int, error: BaseException | None) -> None:
        if self._over:
            return
        if error is not None:
            self._end(error)
        elif length:
            self._at += length
            self._step()
        else:
            self._number, self._at = self._number + 1, 0
            if self._number < len(self._passes):
                self._step()
            else:
                self._end(None)

    def _end(self, error: BaseException | None) -> None:
        self._over = True
        if self._started:
            self._disk.turns.end()
        self._ended(error)

    def interrupt(self) -> None:
        """The medium goes."""
        if not self._over:
            self._end(OSError(errno.ENODEV, "the medium was taken away"))

    def stop(self, row: Command) -> None:
        """Nothing runs meanwhile."""
        raise self.standing()

    def standing(self) -> CheckCondition:
        """Pollable sense data, with the progress indication."""
        whole = len(self._passes) * self._size
        done = (self._number * self._size + self._at) * 65536 // whole if whole else 0
        return CheckCondition(self._sense, progress=min(done, 65535))


def repeat(pattern: bytes, block_size: int) -> Pass:
    """A pass that writes a pattern into every block: repeated within the block, its last copy cut (SBC-4 5.4.2.3)."""
    block = (pattern * -(-block_size // len(pattern)))[:block_size]
    whole = memoryview(block * (STEP // block_size))

    def write(medium: BlockMedium, offset: int, length: int) -> None:
        medium.write(offset, whole[:length], False)

    return write


def erase(medium: BlockMedium, offset: int, length: int) -> None:
    """A pass that leaves nothing: what is mapped is overwritten first, as to discard it would only let go of it."""
    zeros = memoryview(bytes(length))
    for at, size, mapped in medium.extents(offset, length):
        if mapped:
            medium.write(at, zeros[:size], True)
    medium.discard(offset, length)


def clear(thin: bool) -> Pass:
    """A pass of zeros, as the medium does it best; unmapped where the disk is thin."""

    def zero(medium: BlockMedium, offset: int, length: int) -> None:
        if medium.can_zero:
            medium.zero(offset, length, thin)
        else:
            medium.write(offset, memoryview(bytes(length)), False)

    return zero
