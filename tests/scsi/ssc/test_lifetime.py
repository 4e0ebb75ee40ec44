"""What a drive has seen since it was made (SSC-5 8.2.5), and that it knows of it after a restart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.scsi.ssc.taping import MIB, Tape, other
from tests.scsi.ssc.test_logs import numbers
from tests.scsi.test_log import select, sense
from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.scsi.memory import Forgetful, WhenKept
from tgtd.scsi.ssc import lifetime
from tgtd.scsi.ssc.lifetime import MEMORY

LOAD, UNLOAD = bytes.fromhex("1b0000000100"), bytes.fromhex("1b0000000000")


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(lifetime, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Counting(Forgetful):
    """Counts what it is given to keep, and can refuse it, or take its time."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.full = self.slow = False
        self.waiting: list[WhenKept] = []

    def keep(self, name: str, value: bytes | None, then: WhenKept) -> None:
        self.times += name == MEMORY
        if self.full:
            then(OSError())
        elif self.slow:
            self.waiting.append(then)
        else:
            super().keep(name, value, then)


def life(tape: Tape) -> list[int]:
    page = numbers(tape, 0x14)
    return [page[code] for code in (0x00, 0x01, 0x0C, 0x02)]


def test_it_outlives_the_drive(clock: Clock, tmp_path: Path) -> None:
    memory = Counting()
    first = other(tmp_path / "a")
    first.drive.remember(memory)
    first.good(UNLOAD)
    first.good(LOAD)
    first.drive.take_out()
    cleaner = Cartridge.create(str(tmp_path / "cleaner"), Making("CLN001L8", MIB, "clean"))
    first.drive.put_in(cleaner)
    first.lane.drain()
    cleaner.close()
    clock.now += 90 * 60
    first.drive.looked_at()
    assert life(first) == [2, 1, 1, 1]
    first.cartridge.close()
    second = other(tmp_path / "b")
    second.drive.remember(memory)
    clock.now += 40 * 60
    assert life(second) == [3, 1, 2, 2]
    second.good(select(0, page=0x14, flags=2))
    assert life(second) == [3, 1, 2, 2], "what is of a lifetime is not reset"
    assert numbers(second, 0x14)[0x0D] == 0
    assert second.good(sense(0x14))[4:12] == bytes.fromhex("0000 22 04 00000003")
    second.cartridge.close()


def test_it_is_kept_when_it_changes_and_once_an_hour(clock: Clock, tape: Tape) -> None:
    memory = Counting()
    tape.drive.remember(memory)
    for seconds, times in ((0, 1), (2, 1), (3590, 1), (8, 2), (3599, 2), (1, 3)):
        clock.now += seconds
        tape.drive.looked_at()
        assert memory.times == times
    tape.good(UNLOAD)
    tape.good(LOAD)
    tape.drive.looked_at()
    assert memory.times == 4


def test_one_change_at_a_time(clock: Clock, tape: Tape) -> None:
    memory = Counting()
    memory.slow = True
    tape.drive.remember(memory)
    tape.drive.looked_at()
    tape.good(UNLOAD)
    tape.good(LOAD)
    tape.drive.looked_at()
    assert memory.times == 1
    memory.waiting.pop()(None)
    tape.drive.looked_at()
    assert memory.times == 2


def test_what_cannot_be_kept_is_tried_again_in_an_hour(clock: Clock, tape: Tape) -> None:
    memory = Counting()
    memory.full = True
    tape.drive.remember(memory)
    for seconds, times in ((0, 1), (2, 1), (3600, 2)):
        clock.now += seconds
        tape.drive.looked_at()
        assert memory.times == times
    assert life(tape)[0] == 1


@pytest.mark.parametrize("kept", [b"", b"x", bytes(31), bytes(33)])
def test_what_is_remembered_may_be_anything(tape: Tape, kept: bytes) -> None:
    tape.drive.memory.keep(MEMORY, kept, lambda _: None)
    assert life(tape) == [1, 0, 1, 0]


def test_the_most_that_there_is_room_for(tape: Tape) -> None:
    tape.drive.memory.keep(MEMORY, b"\xff" * 32, lambda _: None)
    assert life(tape) == [0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF // 60]


def test_who_becomes_another_has_another_life(tape: Tape) -> None:
    own, others = Forgetful(), Forgetful()
    tape.drive.remember(own)
    tape.drive.looked_at()
    assert life(tape) == [1, 0, 1, 0]
    tape.drive.remember(others)
    tape.good(UNLOAD)
    assert life(tape) == [0, 0, 1, 0]
    tape.good(LOAD)
    tape.drive.looked_at()
    assert life(tape) == [1, 0, 1, 0]
    tape.drive.remember(own)
    assert life(tape) == [1, 0, 2, 0]
