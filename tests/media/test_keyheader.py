"""tgtd.media.keyheader: whole whatever happens, and nothing of the old key is left."""

from __future__ import annotations

import errno
import os

import pytest

from tgtd.media.keyheader import SIZE, SLOT, HeaderEntry, KeyHeader, in_force
from tgtd.media.ram import RamMedium
from tgtd.scsi.medium import Buffer

OLD, NEW = os.urandom(64), os.urandom(64)
SECRET = b"a passphrase"


class Fragile(RamMedium):
    """fails: which writes from now on fail, after they have kept `part` bytes."""

    fails: tuple[bool, ...] = ()
    part = 0

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        assert durable
        broken, self.fails = (self.fails or (False,))[0], self.fails[1:]
        super().write(offset, memoryview(data)[: self.part] if broken else data, durable)
        if broken:
            raise OSError(errno.EIO, "broken")


def content(medium: RamMedium) -> bytes:
    found = memoryview(bytearray(SIZE))
    medium.read(0, found)
    return bytes(found)


def make() -> tuple[Fragile, KeyHeader]:
    medium = Fragile(SIZE)
    header = KeyHeader(medium)
    assert (header.entry, header.blank) == (None, True)
    header.put(SECRET, OLD, 512)
    return medium, header


def test_first() -> None:
    medium, header = make()
    assert header.unlock(SECRET) == OLD
    assert header.unlock(b"another") is None
    again = KeyHeader(medium)
    assert again.entry == header.entry
    assert not again.blank


def test_either_slot_will_do() -> None:
    medium, _ = make()
    for slot in (0, 1):
        copy = Fragile(SIZE)
        copy.write(0, content(medium), True)
        copy.write(slot * SLOT + 20, os.urandom(200), True)
        assert KeyHeader(copy).unlock(SECRET) == OLD


def test_nothing_is_left_of_the_old_one() -> None:
    medium, header = make()
    assert header.entry is not None
    old = header.entry.wrapped
    assert content(medium).count(old) == 2
    for count in range(5):
        header.put(SECRET, NEW, 512)
        assert content(medium).count(old) == 0, count
        assert KeyHeader(medium).unlock(SECRET) == NEW


@pytest.mark.parametrize("part", [0, 100, 200, SLOT])
def test_a_write_that_fails(part: int) -> None:
    """What is in force stays so, now and for who opens it again: even where it had reached the medium."""
    medium, header = make()
    medium.fails, medium.part = (True,), part
    with pytest.raises(OSError, match="broken"):
        header.put(SECRET, NEW, 512)
    assert not header.torn
    assert header.unlock(SECRET) == OLD
    assert KeyHeader(medium).unlock(SECRET) == OLD
    header.put(SECRET, NEW, 512)
    assert KeyHeader(medium).unlock(SECRET) == NEW


def test_nobody_knows() -> None:
    medium, header = make()
    medium.fails = (True, True)
    with pytest.raises(OSError, match="broken"):
        header.put(SECRET, NEW, 512)
    assert header.torn
    header.put(SECRET, NEW, 512)
    assert not header.torn


def test_the_second_write_fails() -> None:
    """The new one counts, and the next change overwrites what was left."""
    medium, header = make()
    assert header.entry is not None
    old = header.entry.wrapped
    medium.fails = (False, True)
    with pytest.raises(OSError, match="broken"):
        header.put(SECRET, NEW, 512)
    assert header.unlock(SECRET) == NEW
    assert content(medium).count(old) == 1
    header.put(SECRET, os.urandom(64), 512)
    assert content(medium).count(old) == 0


@pytest.mark.parametrize("cut", [0, 1, 100, 159, 160, SLOT])
def test_cut_short(cut: int) -> None:
    """Power goes while a slot is written."""
    medium, header = make()
    before = content(medium)
    header.put(SECRET, NEW, 512)
    slot = 0 if content(medium)[16:24] > content(medium)[SLOT + 16 : SLOT + 24] else 1
    at = slot * SLOT
    torn = before[:at] + content(medium)[at : at + cut] + before[at + cut :]
    copy = Fragile(SIZE)
    copy.write(0, torn, True)
    assert KeyHeader(copy).unlock(SECRET) == (NEW if cut >= 160 else OLD)


def test_what_is_none() -> None:
    entry = HeaderEntry(512, 1, bytes(32), bytes(72))
    assert HeaderEntry.decode(entry.encode()) == entry
    assert HeaderEntry.decode(HeaderEntry(513, 1, bytes(32), bytes(72)).encode()) is None
    for wrong in (b"", bytes(SLOT), os.urandom(SLOT), entry.encode()[:100]):
        assert HeaderEntry.decode(wrong) is None
    assert in_force(b"") is None
