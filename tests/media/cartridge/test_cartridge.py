"""Cartridges against a model: a list of blocks and filemarks; and what is left of one after any cut."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.media.cartridge import index, label
from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.label import DATA, SLOT
from tgtd.media.cartridge.partition import Partition
from tgtd.media.cartridge.record import HEADER, INDEX, Header, Rot, pack
from tgtd.media.cartridge.space import Stream
from tgtd.media.problem import MediumError

MIB = 1 << 20
MARK = None


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several levels of index with few blocks."""
    monkeypatch.setattr(index, "FAN", 3)


def blank(tmp_path: Path, **more: Any) -> Cartridge:
    path = tmp_path / "tape"
    path.unlink(missing_ok=True)
    return Cartridge.create(str(path), Making("A00001L8", 64 * MIB, **more))


def contents(partition: Partition) -> list[bytes | None]:
    """All objects, by their numbers; each way to a record must agree with the others."""
    found: list[bytes | None] = []
    before = None
    while len(found) < partition.objects:
        place = partition.find(len(found))
        assert place.number == len(found)
        assert before is None or partition.after(before) == place
        before = place
        if place.run:
            for count in range(1, place.run + 1):
                assert partition.find_filemark(place.filemarks + count) == place
                assert partition.find(place.number + count - 1) == place
            found += [MARK] * place.run
        else:
            into = memoryview(bytearray(place.stored))
            header = partition.read(place, into)
            assert header.length == len(into)
            found.append(bytes(into))
    assert partition.filemarks == found.count(MARK)
    for missing in (partition.objects, partition.objects + 7):
        with pytest.raises(LookupError):
            partition.find(missing)
    with pytest.raises(LookupError):
        partition.find_filemark(partition.filemarks + 1)
    return found


def write(partition: Partition, objects: list[bytes | int]) -> list[bytes | None]:
    """Bytes are a block, a number is as many filemarks; what `contents` will say of them."""
    model: list[bytes | None] = []
    for one in objects:
        if isinstance(one, bytes):
            partition.append_block(one, len(one), 0)
            model.append(one)
        else:
            partition.append_filemarks(one)
            model += [MARK] * one
    return model


OBJECTS = st.lists(st.one_of(st.binary(min_size=1, max_size=40), st.integers(1, 5)), max_size=40)
STEPS = st.lists(
    st.tuples(st.sampled_from(["cut", "close", "reopen", "synchronize"]), st.floats(0, 1), OBJECTS), max_size=6
)


@settings(max_examples=60)
@given(OBJECTS, STEPS)
def test_it_is_a_list(tmp_path_factory: pytest.TempPathFactory, first: list[bytes | int], steps: Any) -> None:
    path = tmp_path_factory.mktemp("tape")
    cartridge = blank(path)
    model = write(cartridge.partitions[0], first)
    for verb, share, more in steps:
        if verb == "cut":
            number = int(share * len(model))
            cartridge.cut(0, number)
            del model[number:]
        elif verb == "synchronize":
            cartridge.synchronize()
        else:
            if verb == "close":
                cartridge.close()
            else:
                cartridge.synchronize()
                os.close(cartridge._fd)
            cartridge = Cartridge.open(str(path / "tape"))
            assert not cartridge.partitions[0].lost
        model += write(cartridge.partitions[0], more)
        assert contents(cartridge.partitions[0]) == model
    cartridge.close()
    cartridge = Cartridge.open(str(path / "tape"))
    assert contents(cartridge.partitions[0]) == model
    cartridge.close()


def test_cut_at_every_offset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever of the end is lost, what was synchronized is there, and of the rest a beginning, whole."""
    monkeypatch.setattr(os, "fdatasync", lambda fd: None)  # no power is lost here but by cutting
    cartridge = blank(tmp_path)
    partition = cartridge.partitions[0]
    model = write(partition, [b"one" * 9, 2, b"two" * 5, b"three", 1])
    cartridge.synchronize()
    synchronized, ends = partition.end, [(partition.end, len(model))]
    for one in (b"four", 3, b"five" * 7, b"six", b"seven", 1, b"eight"):
        model += write(partition, [one])
        ends.append((partition.find(len(model) - 1).end, len(model)))
    os.fdatasync(cartridge._fd)
    os.close(cartridge._fd)
    whole = (tmp_path / "tape").read_bytes()
    for length in range(synchronized, ends[-1][0] + 1):
        (tmp_path / "cut").write_bytes(whole[: DATA + length])
        os.truncate(tmp_path / "cut", DATA + MIB)
        found = Cartridge.open(str(tmp_path / "cut"))
        cut = whole[: DATA + length].ljust(len(whole), b"\0")  # bytes that were zero are no loss
        count = max(number for end, number in ends if cut[: DATA + end] == whole[: DATA + end])
        assert contents(found.partitions[0]) == model[:count]
        found.partitions[0].append_block(b"after", 5, 0)
        found.close()
        again = Cartridge.open(str(tmp_path / "cut"))
        assert contents(again.partitions[0]) == [*model[:count], b"after"]
        again.close()


def test_nothing_of_before_comes_back(tmp_path: Path) -> None:
    """Overwritten in the middle, and the power goes before anything else is synchronized."""
    cartridge = blank(tmp_path)
    partition = cartridge.partitions[0]
    write(partition, [b"%d" % number for number in range(20)])
    cartridge.synchronize()
    cartridge.cut(0, 5)
    write(partition, [b"x"])
    os.close(cartridge._fd)
    found = Cartridge.open(str(tmp_path / "tape"))
    assert contents(found.partitions[0]) in ([b"0", b"1", b"2", b"3", b"4"], [b"0", b"1", b"2", b"3", b"4", b"x"])
    found.close()


@pytest.mark.parametrize("slot", [0, 1])
def test_either_copy_of_the_label_will_do(tmp_path: Path, slot: int) -> None:
    cartridge = blank(tmp_path)
    model = write(cartridge.partitions[0], [b"one", 1, b"two"])
    cartridge.synchronize()
    cartridge.close()
    damage(tmp_path / "tape", slot * SLOT + 40)
    found = Cartridge.open(str(tmp_path / "tape"))
    assert contents(found.partitions[0]) == model
    found.close()


def damage(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ 0x10,)))


def test_both_copies_damaged(tmp_path: Path) -> None:
    blank(tmp_path).close()
    for at in (40, SLOT + 40):
        damage(tmp_path / "tape", at)
    with pytest.raises(MediumError, match="both copies of its label are damaged"):
        Cartridge.open(str(tmp_path / "tape"))


def test_rot_costs_one_block_wherever_it_is(tmp_path: Path) -> None:
    """A damaged byte in data, headers or the index: no other block is lost."""
    cartridge = blank(tmp_path)
    partition = cartridge.partitions[0]
    blocks = [b"block %d" % number for number in range(8)]
    write(partition, list(blocks))
    end = partition.end
    cartridge.close()
    whole = (tmp_path / "tape").read_bytes()
    path = tmp_path / "rotten"
    path.write_bytes(whole)
    for at in range(end):
        damage(path, DATA + at)
        found = Cartridge.open(str(path), writable=False)
        lost = unreadable(found.partitions[0], blocks)
        found.close()
        damage(path, DATA + at)  # the same bit again: mended
        assert len(lost) <= 1, f"byte {at}: {lost}"


def unreadable(partition: Partition, blocks: list[bytes]) -> list[int]:
    lost = []
    for number, block in enumerate(blocks):
        try:
            place = partition.find(number)
            into = memoryview(bytearray(place.stored))
            partition.read(place, into)
            assert bytes(into) == block
        except Rot:
            lost.append(number)
    return lost


def test_records_across_segments(tmp_path: Path) -> None:
    cartridge = blank(tmp_path)
    model = write(cartridge.partitions[0], [os.urandom(700_000) for _ in range(5)])
    cartridge.synchronize()
    os.close(cartridge._fd)
    found = Cartridge.open(str(tmp_path / "tape"))
    assert found.partitions[0].segments == 4
    assert contents(found.partitions[0]) == model
    found.cut(0, 1)
    assert found.partitions[0].segments == 1
    assert (tmp_path / "tape").stat().st_blocks * 512 < 2 * MIB
    assert contents(found.partitions[0]) == model[:1]
    found.close()


def test_partitions_keep_to_themselves(tmp_path: Path) -> None:
    cartridge = blank(tmp_path)
    write(cartridge.partitions[0], [b"of before"] * 9)
    cartridge.format([8 * MIB, 16 * MIB], 0x5C)
    models = [write(partition, [b"%d" % partition.number * 99, 1] * 5) for partition in cartridge.partitions]
    cartridge.close()
    found = Cartridge.open(str(tmp_path / "tape"))
    assert [contents(partition) for partition in found.partitions] == models
    assert (found.label.density, found.label.barcode) == (0x5C, "A00001L8")
    with pytest.raises(ValueError, match="can be divided"):
        found.format([65 * MIB], 0)
    found.close()


def test_it_is_compact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FAN", 512)
    cartridge = blank(tmp_path)
    partition = cartridge.partitions[0]
    write(partition, [bytes(512)] * 5000)
    assert partition.end < 5000 * (512 + HEADER + 9)
    cartridge.close()


def test_one_user_at_a_time(tmp_path: Path) -> None:
    cartridge = blank(tmp_path)
    with pytest.raises(MediumError, match="in use"):
        Cartridge.open(str(tmp_path / "tape"))
    making = Making("B", MIB)
    with pytest.raises(MediumError, match="exists; choose another name"):
        Cartridge.create(str(tmp_path / "tape"), making)
    cartridge.close()
    shutil.copy(tmp_path / "tape", tmp_path / "copy")
    copy = Cartridge.open(str(tmp_path / "copy"), writable=False)
    assert not copy.writable
    copy.close()


def test_what_is_no_cartridge(tmp_path: Path) -> None:
    for text, words in ((b"", "too short"), (bytes(DATA), "has no label")):
        (tmp_path / "other").write_bytes(text)
        with pytest.raises(MediumError, match=words):
            Cartridge.open(str(tmp_path / "other"))
    with pytest.raises(MediumError, match="not a regular file"):
        Cartridge.open(str(tmp_path), writable=False)


def test_lookups_read_a_page_for_each_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cartridge = blank(tmp_path)
    partition = cartridge.partitions[0]
    write(partition, [b"x"] * 400)
    cartridge.close()
    found = Cartridge.open(str(tmp_path / "tape"))
    partition = found.partitions[0]
    loads: list[int] = []
    load = partition._index._load
    monkeypatch.setattr(partition._index, "_load", lambda level, child: (loads.append(level), load(level, child))[1])
    assert partition.find(1).number == 1
    assert len(loads) <= 6
    assert all(below == above - 1 for above, below in pairwise(loads))
    found.close()


def test_data_that_passes_for_a_record(tmp_path: Path) -> None:
    """Who knew the salt could have records of his making taken up behind the end; nobody is told it."""
    cartridge = blank(tmp_path)
    salt = bytes.fromhex(cartridge.label.salt)
    assert cartridge.label.salt not in cartridge.serial
    for forged in (Header(INDEX, 0, 1, 0, 0, 7, 0), Header(INDEX, 0, 1, 0, 0, 1, 0)):
        cartridge = blank(tmp_path)
        salt = bytes.fromhex(cartridge.label.salt)
        behind = HEADER + 100
        data = bytes(100) + pack(forged, salt, 0, behind) + bytes(100)
        write(cartridge.partitions[0], [data])
        cartridge.synchronize()
        cartridge.cut(0, 0)
        write(cartridge.partitions[0], [b"x" * 100])
        cartridge.synchronize()
        os.close(cartridge._fd)
        cartridge = Cartridge.open(str(tmp_path / "tape"))
        assert contents(cartridge.partitions[0]) == [b"x" * 100]
        cartridge.close()


def fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(label, "write", full)


def test_overwriting_that_fails_at_the_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cartridge = blank(tmp_path)
    written = write(cartridge.partitions[0], [b"a" * MIB, 3, b"b" * MIB, b"c"])
    cartridge.synchronize()
    written += write(cartridge.partitions[0], [b"d"])
    with monkeypatch.context() as broken:
        fail(broken)
        for number in (0, 2, 5):
            with pytest.raises(OSError, match="full"):
                cartridge.cut(0, number)
            assert contents(cartridge.partitions[0])[number:] == written[number:]
    cartridge.cut(0, 4)
    written[4:] = write(cartridge.partitions[0], [b"e"])
    cartridge.synchronize()
    os.close(cartridge._fd)  # as if the power went
    cartridge = Cartridge.open(str(tmp_path / "tape"))
    assert contents(cartridge.partitions[0]) == written
    cartridge.close()


def test_what_is_written_after_overwriting_failed_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label may have come through all the same, so it is written anew before anything is promised."""
    cartridge = blank(tmp_path)
    written = write(cartridge.partitions[0], [b"a", b"b"])
    cartridge.synchronize()

    through = label.write

    def doubtful(*what: Any) -> None:
        through(*what)
        raise OSError(errno.EIO, "who knows")

    with monkeypatch.context() as broken:
        broken.setattr(label, "write", doubtful)
        with pytest.raises(OSError, match="who knows"):
            cartridge.cut(0, 0)
    written += write(cartridge.partitions[0], [b"c"])
    cartridge.synchronize()
    os.close(cartridge._fd)
    cartridge = Cartridge.open(str(tmp_path / "tape"))
    assert contents(cartridge.partitions[0]) == written
    cartridge.close()


def test_format_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cartridge = blank(tmp_path)
    written = write(cartridge.partitions[0], [b"a", 3, b"b"])
    before = cartridge.density, cartridge.serial
    with monkeypatch.context() as broken:
        fail(broken)
        with pytest.raises(OSError, match="full"):
            cartridge.format([MIB, MIB], 7)
    assert (cartridge.density, cartridge.serial) == before
    assert [contents(partition) for partition in cartridge.partitions] == [written]
    cartridge.format([MIB, MIB], 7)
    assert [contents(partition) for partition in cartridge.partitions] == [[], []]
    assert cartridge.serial == before[1], "it is the same cartridge"
    cartridge.close()


@pytest.mark.parametrize("sealed", [False, True])
def test_what_was_lost_stays_known_as_lost(tmp_path: Path, sealed: bool) -> None:
    """A file that is short is not taken for all there was, whatever else is kept with it; restored, all is there."""
    cartridge = blank(tmp_path)
    written = write(cartridge.partitions[0], [bytes((number,)) * 1000 for number in range(20)])
    cartridge.synchronize()
    if sealed:
        cartridge.close()
    else:
        os.close(cartridge._fd)
    path = tmp_path / "tape"
    whole = path.read_bytes()
    os.truncate(path, DATA + 5000)
    for _ in range(2):
        cartridge = Cartridge.open(str(path))
        (partition,) = cartridge.partitions
        assert 0 < partition.objects < 10
        assert partition.lost == 20 - partition.objects
        cartridge.set_attributes(0, {0x0801: (1, b"x")})
        cartridge.close()
    with path.open("r+b") as file:
        file.seek(DATA)
        file.write(whole[DATA:])
    cartridge = Cartridge.open(str(path))
    assert contents(cartridge.partitions[0]) == written
    cartridge.close()


def test_a_cut_through_filemarks_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the power goes the tape is as before, or as after: the filemarks before the cut are always there."""
    cartridge = blank(tmp_path)
    before = write(cartridge.partitions[0], [b"one", b"two", 5, b"three", 1])
    cartridge.synchronize()
    file, seen = tmp_path / "tape", []
    real = os.pwritev

    def pwritev(fd: int, buffers: Any, offset: int, flags: int = 0) -> int:
        data = b"".join(buffers)
        for length in (0, 1, 8, 15, len(data) // 2, len(data) - 1, len(data)):
            whole = bytearray(file.read_bytes())
            whole[offset : offset + length] = data[:length]
            seen.append(bytes(whole))
        return real(fd, buffers, offset, flags)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwritev", pwritev)
        cartridge.cut(0, 5)
        after = contents(cartridge.partitions[0])
        write(cartridge.partitions[0], [b"new"])
    assert after == before[:5]
    os.close(cartridge._fd)
    found = set()
    for whole in seen:
        (tmp_path / "step").write_bytes(whole)
        reader = Cartridge.open(str(tmp_path / "step"), writable=False)
        shown = contents(reader.partitions[0])
        assert shown in (before, after, [*after, b"new"])
        found.add(len(shown))
        reader.close()
        writer = Cartridge.open(str(tmp_path / "step"))
        assert contents(writer.partitions[0]) == shown
        more = write(writer.partitions[0], [b"more", 2])
        os.close(writer._fd)
        again = Cartridge.open(str(tmp_path / "step"))
        assert contents(again.partitions[0]) == [*shown, *more]
        again.cut(0, 4 if shown != before else 6)
        assert contents(again.partitions[0]) == shown[: 4 if shown != before else 6]
        again.close()
    assert found == {5, 6, 9}


def test_filemarks_that_cannot_be_written_just_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The label has them: what comes after them may be written first."""
    cartridge = blank(tmp_path)
    model = write(cartridge.partitions[0], [b"one", 4])
    real = Stream.write

    def broken(stream: Stream, offset: int, head: bytes, data: bytes = b"") -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Stream, "write", broken)
    cartridge.cut(0, 3)
    assert contents(cartridge.partitions[0]) == model[:3]
    monkeypatch.setattr(Stream, "write", real)
    more = write(cartridge.partitions[0], [b"two"])
    cartridge.write_label()
    os.close(cartridge._fd)
    reader = Cartridge.open(str(tmp_path / "tape"), writable=False)
    assert contents(reader.partitions[0]) == model[:3] + more
    reader.close()
    writer = Cartridge.open(str(tmp_path / "tape"))
    writer.cut(0, 2)
    assert contents(writer.partitions[0]) == model[:2]
    writer.close()
    last = Cartridge.open(str(tmp_path / "tape"))
    assert contents(last.partitions[0]) == model[:2]
    last.close()


@pytest.mark.parametrize("owed", [[1], [0, 0, 0], [0, 0, 1 << 24], [0, -1, 1], ["a", 0, 1], [0, 0, 1, 0]])
def test_a_label_that_owes_nonsense(tmp_path: Path, owed: list[Any]) -> None:
    cartridge = blank(tmp_path)
    cartridge.label.partitions[0].owed = owed
    label.write(cartridge._fd, cartridge.label, 9)
    os.close(cartridge._fd)
    with pytest.raises(MediumError, match="cannot be understood"):
        Cartridge.open(str(tmp_path / "tape"))
