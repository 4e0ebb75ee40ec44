"""Self-tests: whether the medium answers when it is read (SPC-5 5.15), and their results (SPC-5 7.3.19).

A short one reads blocks here and there, an extended one every block: in bounded steps in the lane, one at a time, and
nothing is written. One in the background goes on whatever commands come, one in the foreground has the disk to itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from tgtd.scsi.command import Command
from tgtd.scsi.log import SAVED_BINARY_LIST, LogPage, Parameter
from tgtd.scsi.medium import BlockMedium
from tgtd.scsi.memory import WhenKept
from tgtd.scsi.sense import (
    FAILED_SELF_TEST,
    GOOD,
    SELF_TEST_IN_PROGRESS,
    UNABLE_TO_UPDATE_SELF_TEST_LOG,
    CheckCondition,
    Refused,
    Sense,
    from_errno,
)
from tgtd.scsi.task import Task

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

MEMORY = "self-test-results"
MOST_RESULTS = 20
STEP = 1 << 20
"""Bytes of one step of an extended self-test."""
SPOTS, SPOT = 128, 64 << 10
"""How many places a short self-test reads, and the bytes of each."""

DEFAULT, BACKGROUND_SHORT, BACKGROUND_EXTENDED, ABORT, FOREGROUND_SHORT, FOREGROUND_EXTENDED = 0, 1, 2, 4, 5, 6
"""SELF-TEST CODE; DEFAULT with the SELFTEST bit."""
BACKGROUND = (BACKGROUND_SHORT, BACKGROUND_EXTENDED)

# SELF-TEST RESULTS (SPC-5 7.3.19.2).
PASSED, ABORTED_BY_COMMAND, ABORTED, INCOMPLETE, FIRST_SEGMENT_FAILED, IN_PROGRESS = 0x0, 0x1, 0x2, 0x3, 0x5, 0xF
_RESULT = struct.Struct(">BBHQBBBx")
_PACE = 250_000_000
"""Bytes a second of an ordinary medium."""
_NOWHERE = 0xFFFF_FFFF_FFFF_FFFF


class _Bad(Exception):
    """A place that could not be read. offset: the first such byte, on a block's boundary."""

    def __init__(self, offset: int, sense: Sense) -> None:
        super().__init__(sense.text)
        self.offset = offset
        self.sense = sense


class SelfTest:
    """One self-test. task: who waits for it, None in the background."""

    def __init__(self, disk: Disk, code: int, task: Task | None) -> None:
        self.code = code
        self._disk = disk
        self._task = task
        self._medium = disk.store()
        self._size = disk.blocks << disk.shift
        self._places, length = _places(self._size, disk.block_size, code in (BACKGROUND_EXTENDED, FOREGROUND_EXTENDED))
        self._scratch = memoryview(bytearray(length))
        self._at = 0
        self._over = False

    def begin(self) -> None:
        self._step()

    def _step(self) -> None:
        if self._at == len(self._places):
            self._end(PASSED)
            return
        offset = self._places[self._at]
        into = self._scratch[: min(len(self._scratch), self._size - offset)]
        self._disk.lane.submit(partial(_look, self._medium, offset, into, self._disk.block_size), self._stepped)

    def _stepped(self, error: BaseException | None) -> None:
        if self._over:
            return
        if self._task is not None and self._task.aborted:
            self._end(ABORTED)
        elif isinstance(error, _Bad):
            self._end(FIRST_SEGMENT_FAILED, error)
        elif error is not None:
            self._end(INCOMPLETE)
        else:
            self._at += 1
            self._step()

    def abort(self, result: int) -> None:
        """End it now; what a worker still reads is of no interest."""
        if not self._over:
            self._end(result)

    def stop(self, row: Command) -> None:
        """In the foreground nothing runs meanwhile."""
        if self._task is not None and self._task.aborted:
            self.abort(ABORTED)
        else:
            raise self.standing()

    def standing(self) -> CheckCondition:
        """Pollable sense data, with the progress indication."""
        done = self._at * 65536 // max(1, len(self._places))
        return CheckCondition(SELF_TEST_IN_PROGRESS, progress=min(done, 65535))

    def _end(self, result: int, bad: _Bad | None = None) -> None:
        self._over = True
        if result in (ABORTED, INCOMPLETE):
            self._leave()  # whoever did that is not to wait for the log
        self._disk.self_tests.ended(self, result, bad, partial(self._answer, result))

    def _answer(self, result: int, error: BaseException | None) -> None:
        """The log has been updated, or could not be: only now the initiator hears (SPC-5 table 106)."""
        disk, task = self._disk, self._task
        if task is None:
            return
        self._leave()
        if result == PASSED and error is None:
            disk.finish(task, GOOD)
        elif task.aborted:
            task.release()
        else:
            trouble = FAILED_SELF_TEST if error is None else UNABLE_TO_UPDATE_SELF_TEST_LOG
            disk.finish(task, disk.refuse(task, CheckCondition(trouble)))

    def _leave(self) -> None:
        if self._disk.hindrance is self:
            self._disk.settle(None)


class SelfTestResult(NamedTuple):
    """A self-test that ended. lba: of the first failure, None when there is none."""

    code: int
    result: int
    hours: int
    lba: int | None


class SelfTests:
    """The self-test under way, if any, and the results of those before it, which outlive the process."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.running: SelfTest | None = None

    def begin(self, code: int, task: Task) -> bool:
        """Raises why it cannot be: another one runs, the disk is not ready. True when the task is to wait for it."""
        disk = self._disk
        if self.running is not None:
            raise self.running.standing()
        if disk.hindrance is not None:
            raise disk.hindrance.standing()
        if disk.obstacle is not None:
            raise CheckCondition(disk.obstacle)
        foreground = code not in BACKGROUND
        test = SelfTest(disk, code, task if foreground else None)
        if foreground:
            disk.operate(test)
        self.running = test
        if not foreground:
            test.begin()
        return foreground

    def abort(self, result: int = ABORTED) -> None:
        """Whatever runs."""
        if self.running is not None:
            self.running.abort(result)

    def ended(self, test: SelfTest, result: int, bad: _Bad | None, then: WhenKept) -> None:
        """Called by a test. `then(error)` once the result is in the log; a default self-test has no place in it."""
        if self.running is test:
            self.running = None
        if test.code == DEFAULT:
            then(None)
            return
        lba, sense = (_NOWHERE, (0, 0, 0)) if bad is None else (bad.offset >> self._disk.shift, bad.sense[:3])
        hours = min(self._disk.tally.power_on_minutes(self._disk) // 60, 0xFFFF)
        latest = _RESULT.pack(test.code << 5 | result, int(bad is not None), hours, lba, *sense)
        self._disk.records.keeper.change(
            lambda: {MEMORY: (latest + self.kept())[: MOST_RESULTS * _RESULT.size]},
            then,
        )

    def kept(self) -> bytes:
        """As the log page has them, the latest first."""
        return self._disk.memory.recall(MEMORY) or b""

    def latest(self) -> SelfTestResult | None:
        """How the last one ended."""
        if not self.kept():
            return None
        first, _, hours, lba, *_ = _RESULT.unpack_from(self.kept())
        return SelfTestResult(first >> 5, first & 0x0F, hours, None if lba == _NOWHERE else lba)

    def complaint(self) -> str | None:
        """What the last one found wrong, in words."""
        latest = self.latest()
        if latest is None or latest.lba is None:
            return None
        return f"{_KINDS.get(latest.code, 'an extended')} self-test could not read block {latest.lba}"


_KINDS = {BACKGROUND_SHORT: "a short", FOREGROUND_SHORT: "a short"}


def extended_seconds(disk: Disk) -> int:
    """How long an extended self-test may take, as the control mode page has it: nobody has measured this medium."""
    return min(-(-(disk.blocks << disk.shift) // _PACE), 0xFFFF)


def _places(size: int, block_size: int, extended: bool) -> tuple[Sequence[int], int]:
    """Where to read, and how many bytes there (fewer at the end of the medium)."""
    if extended or size <= SPOTS * SPOT:
        return range(0, size, STEP), STEP
    last = size - SPOT
    return sorted({last * i // (SPOTS - 1) // block_size * block_size for i in range(SPOTS)}), SPOT


def _look(medium: BlockMedium, offset: int, into: memoryview, block_size: int) -> None:
    """Read a range. Raises _Bad with the first block of it that cannot be read."""
    try:
        medium.read(offset, into)
    except (OSError, Refused):
        trouble = _narrow(medium, offset, into, block_size)
        if trouble is not None:
            raise trouble from None


def _narrow(medium: BlockMedium, offset: int, into: memoryview, block_size: int) -> _Bad | None:
    """By halves. None when what failed can be read after all."""
    while len(into) > block_size:
        half = len(into) // block_size // 2 * block_size
        if _fails(medium, offset, into[:half]) is not None:
            into = into[:half]
        else:
            offset, into = offset + half, into[half:]
    sense = _fails(medium, offset, into)
    return None if sense is None else _Bad(offset, sense)


def _fails(medium: BlockMedium, offset: int, into: memoryview) -> Sense | None:
    try:
        medium.read(offset, into)
    except OSError as error:
        return from_errno(error, False).sense
    except CheckCondition as trouble:
        return trouble.sense
    return None


def _parameters(disk: Disk) -> Iterator[Parameter]:
    """Always twenty, the unused ones zero; a reset leaves none."""
    tests = disk.self_tests
    found = tests.kept()
    if tests.running is not None and tests.running.code:
        found = _RESULT.pack(tests.running.code << 5 | IN_PROGRESS, 0, 0, _NOWHERE, 0, 0, 0) + found
    for number in range(MOST_RESULTS):
        value = found[number * _RESULT.size : (number + 1) * _RESULT.size].ljust(_RESULT.size, b"\0")
        yield Parameter(number + 1, SAVED_BINARY_LIST, value, default=bytes(_RESULT.size))


def _forget(disk: Disk, values: Mapping[int, bytes]) -> Mapping[str, bytes | None]:
    return {MEMORY: None}


SELF_TEST_RESULTS = LogPage(0x10, 0, "self-test results", _parameters, _forget, saved=True)
