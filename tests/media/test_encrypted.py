"""tgtd.media.encrypted: a medium like others above, noise below."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.media.test_keyheader import Fragile
from tgtd.media.encrypted import EncryptedMedium
from tgtd.media.file import FileMedium
from tgtd.media.keyheader import SIZE, KeyHeader
from tgtd.media.options import OpenOptions
from tgtd.media.ram import RamMedium
from tgtd.scsi.keyed import keyed
from tgtd.scsi.layer import Layer, bottom
from tgtd.scsi.medium import BlockMedium, Taker

MIB = 1 << 20
SECRET = b"a passphrase"


def make(below: BlockMedium, unit: int = 512) -> tuple[EncryptedMedium, Fragile]:
    kept, key = Fragile(SIZE), os.urandom(64)
    header = KeyHeader(kept)
    header.put(SECRET, key, unit)
    return EncryptedMedium(below, header, SECRET, key), kept


def read(medium: BlockMedium, offset: int, length: int) -> bytes:
    into = memoryview(bytearray(length))
    medium.read(offset, into)
    return bytes(into)


@pytest.mark.parametrize(("unit", "sizes"), [(512, (512, 1024, 2048, 4096)), (4096, (4096,))])
def test_reads_what_was_written(unit: int, sizes: tuple[int, ...]) -> None:
    below = RamMedium(8 * MIB)
    medium, _ = make(below, unit)
    assert medium.block_sizes == sizes
    data = os.urandom(3 * MIB + unit)
    medium.write(unit, data, False)
    assert read(medium, unit, len(data)) == data
    assert read(medium, 2 * MIB, unit) == data[2 * MIB - unit : 2 * MIB]
    assert read(below, unit, len(data)) != data
    assert read(medium, 0, unit) == bytes(unit)
    medium.writing(0, memoryview(data[:4096]), True)()
    into = memoryview(bytearray(4096))
    medium.reading(0, into)()
    assert into == data[:4096]
    now = memoryview(bytearray(4096))
    assert medium.read_now(0, now)
    assert now == data[:4096]
    assert not medium.write_now(0, data[:4096])
    medium.write(0, b"", False)


def test_the_same_everywhere_is_different_everywhere() -> None:
    below = RamMedium(MIB)
    medium, _ = make(below)
    medium.write(0, b"x" * 65536, False)
    raw = read(below, 0, 65536)
    assert len({raw[at : at + 16] for at in range(0, 65536, 16)}) == 4096


def test_holes(tmp_path: Path) -> None:
    """Space is given back, and reads as zeros."""
    below = FileMedium.open(str(tmp_path / "disk"), OpenOptions(size=MIB, create=True))
    medium, _ = make(below)
    medium.write(0, b"x" * 65536, False)
    medium.discard(0, 16384)
    medium.zero(16384, 16384, True)
    medium.zero(32768, 16384, False)
    assert read(medium, 0, 65536) == bytes(49152) + b"x" * 16384
    assert next(medium.extents(0, MIB))[2] is False
    assert medium.zero_after_discard == below.zero_after_discard is True
    if medium.can_anchor:
        medium.anchor(49152, 16384)
        assert read(medium, 49152, 16384) == bytes(16384)
        assert list(medium.anchored(49152, 16384)) == [(49152, 16384)]
    assert medium.can_anchor == below.can_anchor
    medium.write(0, bytes(4096), True)
    assert any(read(below, 0, 4096)), "written zeros are no hole"
    medium.grow(2 * MIB)
    assert (medium.size, medium.resize_probe()) == (2 * MIB, 2 * MIB)
    assert read(medium, MIB, MIB) == bytes(MIB)
    medium.flush()
    medium.close()


def test_another_key() -> None:
    below = RamMedium(MIB)
    medium, kept = make(below)
    data = os.urandom(65536)
    medium.write(0, data, False)
    raw = read(below, 0, 65536)
    medium.renew()
    assert read(below, 0, 65536) == raw
    after = read(medium, 0, 65536)
    assert all(after[at : at + 16] != data[at : at + 16] for at in range(0, 65536, 16))
    medium.write(0, data, False)
    header = KeyHeader(kept)
    key = header.unlock(SECRET)
    assert key is not None
    assert read(EncryptedMedium(below, header, SECRET, key), 0, 65536) == data


def test_a_key_that_cannot_be_forgotten() -> None:
    """The old one goes on, or, where nobody knows which one the header has, none."""
    below = RamMedium(MIB)
    medium, kept = make(below)
    medium.write(0, b"x" * 512, False)
    kept.fails = (True,)
    with pytest.raises(OSError, match="broken"):
        medium.renew()
    assert read(medium, 0, 512) == b"x" * 512
    kept.fails = (True, True)
    with pytest.raises(OSError, match="broken"):
        medium.renew()
    into = memoryview(bytearray(512))
    assert not medium.read_now(0, into)
    for call in (lambda: medium.read(0, into), lambda: medium.write(0, bytes(512), False)):
        with pytest.raises(OSError, match="header of this encrypted disk"):
            call()
    kept.fails = (False, True)
    with pytest.raises(OSError, match="broken"):
        medium.renew()
    assert read(medium, 0, 512) != b"x" * 512


def test_no_layer_can_be_taken_away() -> None:
    medium, _ = make(RamMedium(MIB))
    stacked = Layer(Layer(medium))
    assert bottom(stacked) is medium
    assert keyed(stacked) is medium
    assert keyed(Layer(RamMedium(MIB))) is None
    assert keyed(None) is None


def test_copies_go_through_it(tmp_path: Path) -> None:
    """The kernel would hand ciphertext over, from either side."""
    plain, below = (FileMedium.open(str(tmp_path / name), OpenOptions(size=MIB, create=True)) for name in "ab")
    medium, _ = make(below)
    other: object = medium
    assert not isinstance(other, Taker)
    assert plain.taking(medium, 0, 0, 4096, False) is None
    plain.close()
    medium.close()
