"""What a tape drive has in it when it starts: a cartridge in a file, or nothing."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

from tgtd.media.cartridge.cartridge import Cartridge, Making
from tgtd.media.cartridge.generation import GENERATIONS, by_barcode
from tgtd.media.cartridge.label import MOST_BARCODE
from tgtd.media.options import PLAIN, OpenOptions
from tgtd.media.problem import MediumError

_ANY = replace(GENERATIONS[8], density=0)
"""Of what its first drive writes; as large as LTO-8."""


class TapeMedium:
    """size: bytes that the cartridge holds, 0 without one. cartridge: may be taken, and another put in its place."""

    @classmethod
    def open(cls, path: str | None, options: OpenOptions = PLAIN) -> TapeMedium:
        """path None: an empty drive. create: a blank cartridge of `size` bytes, if there is no such file; its barcode
        is the file's name up to the last dot, which also says what kind it is. Raises MediumError."""
        if path is None:
            return cls(None)
        try:
            cartridge = Cartridge.open(path, options.writable)
        except MediumError as trouble:
            if trouble.errno != errno.ENOENT or not options.create or not options.writable:
                raise
            return cls(make(path, options.size))
        if options.size is not None and options.size != cartridge.capacity:
            cartridge.close()
            raise MediumError(
                errno.EINVAL,
                f"{path} is a cartridge of {cartridge.capacity} bytes, and {options.size} are declared",
                "leave the size out: a cartridge has the one it was made with",
            )
        return cls(cartridge)

    def __init__(self, cartridge: Cartridge | None) -> None:
        self.cartridge = cartridge
        self.size = 0 if cartridge is None else cartridge.capacity
        self.writable = cartridge is None or cartridge.writable

    def flush(self) -> None:
        if self.cartridge is not None and self.cartridge.writable:
            self.cartridge.synchronize()

    def resize_probe(self) -> int:
        return self.size

    def grow(self, size: int) -> None:
        """Raises EINVAL for another size: a cartridge keeps the one it was made with."""
        if size != self.size:
            raise OSError(errno.EINVAL, "a cartridge keeps the size it was made with")

    def close(self) -> None:
        if self.cartridge is not None:
            cartridge, self.cartridge = self.cartridge, None
            cartridge.close()


def make(path: str, size: int | None, kind: str | None = None, generation: int | None = None) -> Cartridge:
    """A blank cartridge. kind, generation: None: as its barcode says, which is its file's name. Raises MediumError."""
    barcode = Path(path).stem[:MOST_BARCODE]
    said, usual = by_barcode(barcode) or (_ANY, "data")
    found = said if generation is None else GENERATIONS[generation]
    return Cartridge.create(path, Making(barcode, size or found.capacity, kind or usual, found.density))
