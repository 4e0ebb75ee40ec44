"""tgtd.scsi.layer: what stands before a medium passes on what it does not change."""

from __future__ import annotations

from tgtd.media.ram import RamMedium
from tgtd.scsi.layer import Layer, bottom, layers

DATA = bytes(range(256)) * 16


def test_every_verb_reaches_the_medium() -> None:
    ram = RamMedium(1 << 20)
    layer = Layer(Layer(ram))
    assert layer.write_now(0, DATA)
    layer.write(4096, DATA, True)
    layer.writing(8192, DATA, True)()
    into = memoryview(bytearray(4096))
    for offset in (0, 4096, 8192):
        ram.read(offset, into)
        assert into == DATA
        into[:] = bytes(4096)
        layer.read(offset, into)
        assert into == DATA
    into[:] = bytes(4096)
    assert layer.read_now(0, into)
    assert into == DATA
    into[:] = bytes(4096)
    layer.reading(0, into)()
    assert into == DATA
    layer.discard(0, 4096)
    layer.zero(4096, 4096, False)
    layer.flush()
    for offset in (0, 4096):
        ram.read(offset, into)
        assert into == bytes(4096)
    assert list(layer.extents(0, 1 << 20)) == list(ram.extents(0, 1 << 20))
    layer.grow(2 << 20)
    assert (layer.size, layer.resize_probe(), ram.size) == (2 << 20, 2 << 20, 2 << 20)


def test_it_has_what_the_medium_has() -> None:
    ram = RamMedium(1 << 20)
    layer = Layer(ram)
    for name in (
        "size",
        "writable",
        "can_discard",
        "can_anchor",
        "can_zero",
        "discard_granularity",
        "zero_after_discard",
        "volatile",
        "block_sizes",
        "atomic_bytes",
    ):
        assert getattr(layer, name) == getattr(ram, name), name


def test_looking_through() -> None:
    ram = RamMedium(1 << 20)
    inner = Layer(ram)
    outer = Layer(inner)
    assert list(layers(outer)) == [outer, inner, ram]
    assert list(layers(None)) == []
    assert bottom(outer) is bottom(ram) is ram
