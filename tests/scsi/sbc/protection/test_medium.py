"""tgtd.scsi.sbc.protection.medium: both parts of a block, whatever happens in between."""

from __future__ import annotations

import threading

import pytest

from tgtd.media.ram import RamMedium
from tgtd.scsi.sbc.protection.medium import ProtectedMedium, room
from tgtd.scsi.sbc.protection.rules import READ, check, unpack
from tgtd.scsi.sense import CheckCondition

SIZE = 1 << 20


class Dying(RamMedium):
    """Writes so often, then no more."""

    left = 1 << 30

    def write(self, offset: int, data: object, durable: bool) -> None:
        if not self.left:
            raise OSError(5, "the daemon died here")
        self.left -= 1
        super().write(offset, data, durable)  # type: ignore[arg-type]


def make(kind: int = 1, block_size: int = 512) -> tuple[ProtectedMedium, Dying, Dying]:
    data, beside = Dying(SIZE), Dying(room(SIZE, block_size))
    return ProtectedMedium(data, beside, block_size, kind), data, beside


def read(medium: ProtectedMedium, offset: int, length: int) -> bytes:
    into = memoryview(bytearray(length))
    medium.read(offset, into)
    return bytes(into)


def fields(medium: ProtectedMedium, lba: int, count: int = 1) -> list[tuple[int, int, int]]:
    return list(unpack(medium.fetch(lba * medium.block_size, count * medium.block_size)[1]))


NOTHING = (0xFFFF, 0xFFFF, 0xFFFFFFFF)


def test_room() -> None:
    assert room(1 << 20, 512) == 16384
    assert room(512, 512) == 4096
    assert room(1 << 40, 4096) == 2 << 30


def test_what_was_never_written_is_not_checked() -> None:
    medium, data, _ = make()
    data.write(0, b"from before", False)
    assert read(medium, 0, 1024)[:11] == b"from before"
    assert fields(medium, 0) == [NOTHING]


def test_a_write_is_found_again_and_damage_too() -> None:
    medium, data, _ = make()
    medium.write(1024, b"x" * 1024, False)
    assert read(medium, 1024, 1024) == b"x" * 1024
    assert [reference for _, _, reference in fields(medium, 2, 2)] == [2, 3]
    data.write(1536, b"y", False)
    with pytest.raises(CheckCondition) as refused:
        read(medium, 0, 4096)
    assert (refused.value.sense[:3], refused.value.information) == ((0xB, 0x10, 1), 3)
    assert not medium.read_now(1024, memoryview(bytearray(1024)))
    medium.policy.lenient = True
    assert medium.read_now(1024, memoryview(bytearray(1024)))


def test_small_reads_take_no_worker() -> None:
    medium, _, _ = make()
    medium.write(0, b"x" * 65536, False)
    into = memoryview(bytearray(4096))
    assert medium.read_now(0, into)
    assert bytes(into) == b"x" * 4096
    assert not medium.read_now(0, memoryview(bytearray(65536)))
    assert not medium.write_now(0, b"x" * 4096)


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_death_within_a_write(left: int) -> None:
    """At any moment the block reads: as before, or as after, or unchecked."""
    medium, data, beside = make()
    medium.write(0, b"a" * 512, False)
    order = [beside, data, beside]
    data.left, beside.left = order[:left].count(data), order[:left].count(beside)
    if left < 3:
        with pytest.raises(OSError, match="died"):
            medium.write(0, b"b" * 512, False)
    else:
        medium.write(0, b"b" * 512, False)
    assert read(medium, 0, 512) == (b"a" if left < 2 else b"b") * 512
    assert (fields(medium, 0) == [NOTHING]) == (left in (1, 2))


def test_discard_and_zero() -> None:
    medium, _, _ = make()
    medium.write(0, b"x" * 4096, False)
    medium.discard(512, 512)
    medium.zero(1024, 512, True)
    medium.zero(1536, 512, False)
    medium.blank(2048, 512, False)
    assert read(medium, 512, 2048) == bytes(2048)
    assert fields(medium, 1, 4) == [NOTHING, NOTHING, (0, 0, 3), NOTHING]


class Anchoring(Dying):
    can_anchor = True

    def anchor(self, offset: int, length: int) -> None:
        self.discard(offset, length)


@pytest.mark.parametrize("kind", [0, 1])
def test_anchor(kind: int) -> None:
    data = Anchoring(SIZE)
    medium = ProtectedMedium(data, Dying(room(SIZE, 512)), 512, kind)
    assert medium.can_anchor
    medium.write(0, b"x" * 2048, False)
    medium.anchor(512, 512)
    assert read(medium, 0, 2048) == b"x" * 512 + bytes(512) + b"x" * 1024
    assert not kind or fields(medium, 1) == [NOTHING]


def test_without_it_all_goes_straight_to_the_medium() -> None:
    medium, data, _ = make(0)
    assert medium.read_now == data.read_now
    assert medium.write == data.write
    medium.become(3)
    medium.write(0, b"x" * 512, True)
    assert fields(medium, 0)[0][1:] == (0, 0xFFFFFFFF)
    medium.become(0)
    data.write(0, b"y" * 512, False)
    assert read(medium, 0, 512) == b"y" * 512


def test_growing_makes_room() -> None:
    medium, _, beside = make()
    medium.grow(4 << 20)
    assert medium.size == 4 << 20
    assert beside.size == room(4 << 20, 512)
    medium.write((4 << 20) - 512, b"x" * 512, False)
    assert read(medium, (4 << 20) - 512, 512) == b"x" * 512


def test_writers_and_readers_at_once() -> None:
    """Whoever reads meanwhile finds no block damaged, and both parts of one age."""
    medium, _, _ = make()
    stop = threading.Event()
    troubles: list[BaseException] = []

    def write(value: int) -> None:
        while not stop.is_set():
            medium.write(0, bytes((value,)) * 8192, False)

    def look() -> None:
        try:
            for _ in range(300):
                read(medium, 0, 8192)
                data, information = medium.fetch(0, 8192)
                check(medium.rules(0), READ[1], 0, data, information, 512)
                assert len(set(data)) == 1
        except BaseException as trouble:
            troubles.append(trouble)

    writers = [threading.Thread(target=write, args=(value,)) for value in (1, 2)]
    medium.write(0, b"\1" * 8192, False)
    reader = threading.Thread(target=look)
    for thread in (*writers, reader):
        thread.start()
    reader.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert not troubles
