"""Which format an image is in, and cartridges that are filled from one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.media.cartridge import test_mhvtl, test_tgtimage
from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.images import fill, records
from tgtd.media.cartridge.simh import records as of_simh
from tgtd.media.cartridge.simh import write_out
from tgtd.media.codecs import codecs
from tgtd.media.problem import MediumError


@pytest.fixture
def cartridge(tmp_path: Path) -> Iterator[Cartridge]:
    made = Cartridge.create(str(tmp_path / "tape"), Making("A00001L8", 1 << 20))
    yield made
    made.close()


def test_formats(tmp_path: Path) -> None:
    (tmp_path / "cartridge").mkdir()
    assert next(records(test_mhvtl.some().put(tmp_path / "cartridge"), 0)) == b"one"
    for content, found in (
        (test_tgtimage.image((2, b"two"), (0x20, b"")), [b"two"]),
        (b"\5\0\0\0three\0\5\0\0\0", [b"three"]),
        (b"", []),
    ):
        (tmp_path / "image").write_bytes(content)
        assert list(records(tmp_path / "image", 0)) == found


def test_filling(cartridge: Cartridge) -> None:
    partition = cartridge.partitions[0]
    fill(partition, iter([None, b"one", None, None, b"two", None]))
    assert (partition.objects, partition.filemarks) == (6, 4)


def test_a_cartridge_that_is_too_small(cartridge: Cartridge) -> None:
    with pytest.raises(MediumError, match="full after 3 blocks"):
        fill(cartridge.partitions[0], iter([bytes(300_000)] * 4))


def test_what_the_drive_has_done_to_blocks(tmp_path: Path, cartridge: Cartridge) -> None:
    """Compressed ones are told as they were sent; encrypted ones are not told."""
    text, codec = b"what compresses well " * 1000, codecs()[0]
    partition, out = cartridge.partitions[0], tmp_path / "out"
    partition.append_block(codec.pack(text), len(text), codec.form)
    with out.open("xb") as file:
        write_out(partition, file)
    with out.open("rb") as file:
        assert list(of_simh(file, "out")) == [text]
    partition.append_block(b"packed by nobody knows whom", 100, 0x7F)
    with out.open("wb") as file, pytest.raises(MediumError, match="block 1 is compressed by a codec"):
        write_out(partition, file)
    cartridge.cut(0, 1)
    partition.append_block(b"sealed", 6, 0x80)
    with out.open("wb") as file, pytest.raises(MediumError, match="block 1 is encrypted"):
        write_out(partition, file)
