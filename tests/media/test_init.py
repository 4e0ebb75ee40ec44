"""tgtd.media: every type of the table opens, and keeps what is written as its kind does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tgtd.media import OPENERS, BlockMedium, MediumError
from tgtd.media.options import OpenOptions

SIZE = 1 << 20
DATA = bytes(range(256)) * 16


@pytest.fixture(params=["file", "direct", "memory file", "ram"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlockMedium]:
    kind = request.param
    shm = Path("/dev/shm") / f"tgtd-test-{tmp_path.name}"
    path = shm if kind == "memory file" else tmp_path / "disk"
    opener = OPENERS["ram" if kind == "ram" else "file"]
    try:
        opened = opener(str(path), OpenOptions(size=SIZE, create=True, direct=kind == "direct"))
    except MediumError as error:
        if kind != "direct":
            raise
        pytest.skip(str(error))
    yield opened
    opened.close()
    shm.unlink(missing_ok=True)


def get(medium: BlockMedium, offset: int, length: int) -> bytes:
    into = memoryview(bytearray(length))
    medium.read(offset, into)
    return bytes(into)


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("offset", [0, 512, 4096, SIZE - 4096])
def test_what_is_written_is_read(medium: BlockMedium, offset: int, durable: bool) -> None:
    medium.write(offset, DATA, durable)
    medium.flush()
    assert get(medium, offset, len(DATA)) == DATA
    into = memoryview(bytearray(len(DATA)))
    if medium.read_now(offset, into):
        assert into == DATA


@pytest.mark.parametrize(("offset", "length"), [(0, 4096), (512, 512), (1000, 100), (100, 9000), (4096, 8192)])
@pytest.mark.parametrize("how", ["discard", "zero", "zero may discard"])
def test_discarded_and_zeroed_ranges_read_as_zeros(medium: BlockMedium, offset: int, length: int, how: str) -> None:
    full = b"\xff" * (4 * 4096)
    medium.write(0, full, False)
    if how == "discard":
        assert medium.can_discard
        assert medium.zero_after_discard
        medium.discard(offset, length)
    else:
        medium.zero(offset, length, how.endswith("discard"))
    assert get(medium, 0, len(full)) == full[:offset] + bytes(length) + full[offset + length :]


def test_extents_cover_the_range(medium: BlockMedium) -> None:
    medium.write(8192, DATA, True)
    at = 512
    for offset, length, mapped in medium.extents(512, SIZE - 512):
        assert offset == at
        assert length > 0
        if offset <= 8192 < offset + length:
            assert mapped
        at += length
    assert at == SIZE


def test_growing_keeps_what_is_there(medium: BlockMedium) -> None:
    medium.write(SIZE - 4096, DATA, False)
    medium.grow(2 * SIZE)
    assert medium.size == 2 * SIZE
    assert medium.resize_probe() >= 2 * SIZE
    assert get(medium, SIZE - 4096, 8192) == DATA + bytes(4096)
    medium.write(2 * SIZE - 4096, DATA, False)
    assert get(medium, 2 * SIZE - 4096, 4096) == DATA


def test_closing_twice_is_harmless(medium: BlockMedium) -> None:
    medium.close()


def test_table() -> None:
    assert set(OPENERS) == {"file", "block", "ram", "null", "scsi", "tape", "library"}


@pytest.mark.parametrize("kind", sorted(OPENERS.keys() - {"tape"}))  # an empty drive lacks nothing
def test_what_is_missing_is_named(kind: str) -> None:
    with pytest.raises(MediumError) as error:
        OPENERS[kind](None)
    assert error.value.advice
