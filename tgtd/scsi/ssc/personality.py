"""What kind of drive a tape drive is: which recording formats it reads and writes. Rows of LTO's generations.

A generation reads and writes its own format; up to LTO-7 it also writes that of the one before and reads that of two
before; LTO-8 and LTO-9 read and write one before (and LTO-8 writes LTO-7 media in a format of its own, type M, which is
not among these); LTO-10 knows its own alone, on a cartridge of 30 TB and, a little denser, on a longer one of 40 TB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Density:
    """A recording format (SSC-5 7.10.2). code: density code. bits_per_mm; width: of the tape in tenths of millimetres;
    tracks; capacity: of a cartridge, in megabytes. organisation, name, description: ASCII, at most 8, 8, 20.
    medium: MEDIUM TYPE of mode parameters. encrypted: whether it has a place for what encryption needs."""

    code: int
    bits_per_mm: int
    width: int
    tracks: int
    capacity: int
    organisation: str
    name: str
    description: str
    medium: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Personality:
    """densities: that it reads, the best first: that is the one it writes on a blank medium. writes: the codes of those
    that it writes. partitions: the most that a medium may be divided into."""

    name: str
    vendor: str
    product: str
    revision: str
    densities: tuple[Density, ...]
    writes: frozenset[int]
    partitions: int

    def density(self, code: int) -> Density | None:
        return next((one for one in self.densities if one.code == code), None)


def _lto(generation: int, code: int, bits_per_mm: int, tracks: int, terabytes: float, name: str) -> Density:
    megabytes = int(terabytes * 1_000_000)
    description, medium = f"Ultrium {generation}", generation << 4 | 0x08
    return Density(
        code, bits_per_mm, 127, tracks, megabytes, "LTO-CVE", name, description, medium, encrypted=generation >= 4
    )


LTO = (
    _lto(1, 0x40, 4880, 384, 0.1, "U-18"),
    _lto(2, 0x42, 7398, 512, 0.2, "U-28"),
    _lto(3, 0x44, 9638, 704, 0.4, "U-316"),
    _lto(4, 0x46, 12725, 896, 0.8, "U-416"),
    _lto(5, 0x58, 15142, 1280, 1.5, "U-516"),
    _lto(6, 0x5A, 15142, 2176, 2.5, "U-616"),
    _lto(7, 0x5C, 19107, 3584, 6, "U-732"),
    _lto(8, 0x5E, 20669, 6656, 12, "U-832"),
    _lto(9, 0x60, 23031, 8960, 18, "U-932"),
    _lto(10, 0x62, 21657, 15104, 30, "U-1032"),
)
LTO_10P = replace(LTO[9], code=0x63, bits_per_mm=22441, capacity=40_000_000, name="U-1032P", medium=0xA9)
"""The larger cartridge of LTO-10: as many tracks, as follows from its length."""


_LEVELS = {5: "B170", 8: "HB81"}
"""Revisions of firmware below which software, such as IBM's LTFS, refuses a drive of that generation."""


def _drive(generation: int) -> Personality:
    """An IBM drive of a generation. Partitions came with LTO-5 (two), four with LTO-6."""
    reach = 2 if generation <= 7 else 1 if generation <= 9 else 0
    readable = LTO[max(0, generation - 1 - reach) : generation][::-1]
    if generation == 10:
        readable += (LTO_10P,)
    return Personality(
        name=f"lto-{generation}",
        vendor="IBM",
        product=f"ULT3580-TD{generation:X}",
        revision=_LEVELS.get(generation, "0001"),
        densities=readable,
        writes=frozenset(density.code for density in readable[:2]),
        partitions=1 if generation < 5 else 2 if generation == 5 else 4,
    )


PERSONALITIES = {drive.name: drive for drive in map(_drive, range(1, len(LTO) + 1))}
"""By the name that configurations have for it."""
