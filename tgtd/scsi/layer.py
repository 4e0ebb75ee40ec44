"""A medium that stands before another one and passes on what it is asked. Those that change something inherit from it.

Layers stack in any order; `layers` looks through them. Where none is wanted there is none, and nothing is paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tgtd.scsi.medium import BlockMedium, Buffer, Store, Work


class Wrapper:
    """Passes everything on, and has what the medium in it has. No layer yet: it is what keeps the data, for `bottom`.

    `reading` and `writing` are work for a thread, and go through its own `read` and `write`.
    """

    def __init__(self, medium: BlockMedium) -> None:
        self.medium = medium
        self.size = medium.size
        self.writable = medium.writable
        self.can_discard = medium.can_discard
        self.can_anchor = medium.can_anchor
        self.can_zero = medium.can_zero
        self.discard_granularity = medium.discard_granularity
        self.zero_after_discard = medium.zero_after_discard
        self.volatile = medium.volatile
        self.block_sizes = medium.block_sizes
        self.atomic_bytes = medium.atomic_bytes

    def read_now(self, offset: int, into: memoryview) -> bool:
        return self.medium.read_now(offset, into)

    def write_now(self, offset: int, data: Buffer) -> bool:
        return self.medium.write_now(offset, data)

    def read(self, offset: int, into: memoryview) -> None:
        self.medium.read(offset, into)

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        self.medium.write(offset, data, durable)

    def reading(self, offset: int, into: memoryview) -> Work:
        return partial(self.read, offset, into)

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        return partial(self.write, offset, data, durable)

    def flush(self) -> None:
        self.medium.flush()

    def discard(self, offset: int, length: int) -> None:
        self.medium.discard(offset, length)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        self.medium.zero(offset, length, may_discard)

    def anchor(self, offset: int, length: int) -> None:
        self.medium.anchor(offset, length)

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        return self.medium.anchored(offset, length)

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        return self.medium.extents(offset, length)

    def resize_probe(self) -> int:
        return self.medium.resize_probe()

    def grow(self, size: int) -> None:
        self.medium.grow(size)
        self.size = self.medium.size

    def close(self) -> None:
        self.medium.close()


class Layer(Wrapper):
    """A wrapper that may come and go while what keeps the data stays."""

    def consult(self, verb: str, offset: int, length: int) -> None:
        """Asked in a worker before something is done below all layers that no verb of theirs stands for: what they do
        before this one. May block, and may raise OSError."""


def layers(medium: Store | None) -> Iterator[Store]:
    """A medium, and all that is below it, from the top."""
    while medium is not None:
        yield medium
        medium = medium.medium if isinstance(medium, Layer) else None


def consult(medium: Store | None, verb: str, offset: int, length: int) -> None:
    """Every layer's `consult`, from the top. Blocks."""
    for layer in layers(medium):
        if isinstance(layer, Layer):
            layer.consult(verb, offset, length)


def bottom(medium: Store) -> Store:
    """What keeps the data, below all layers."""
    *_, lowest = layers(medium)
    return lowest
