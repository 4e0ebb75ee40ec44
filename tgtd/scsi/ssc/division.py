"""How a medium is divided into partitions: the medium partition mode page, and what FORMAT MEDIUM makes of it.

The page says how a medium shall be divided; FORMAT MEDIUM does it (SSC-5 7.1, 8.3.6). Sizes are in bytes, kilobytes,
megabytes, or in 10 to the power of PARTITION UNITS bytes, as PSUM has it; FFFFh is what is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tgtd.scsi.mode import ModeField, ModePage

if TYPE_CHECKING:
    from tgtd.scsi.ssc.drive import TapeDrive

MOST = 4
_REST = 0xFFFF
_UNITS = (1, 1_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class Division:
    """additional: partitions besides the first. fixed, chosen, declared: FDP, SDP, IDP. scale: PSUM. power: PARTITION
    UNITS. sizes: of all partitions, in that unit."""

    additional: int = 0
    fixed: int = 0
    chosen: int = 0
    declared: int = 0
    scale: int = 3
    power: int = 9
    sizes: tuple[int, ...] = (0,) * MOST

    @property
    def unit(self) -> int:
        return 10**self.power if self.scale == 3 else _UNITS[self.scale]

    def capacities(self, capacity: int) -> list[int]:
        """Bytes of each partition. Raises ValueError when they do not fit. Without IDP they are alike."""
        count = self.additional + 1
        if not self.declared:
            return [capacity // count] * count
        sizes = [size * self.unit if size != _REST else _REST for size in self.sizes[:count]]
        rest = [number for number, size in enumerate(sizes) if size == _REST]
        left = capacity - sum(size for size in sizes if size != _REST)
        if len(rest) > 1 or left < 0 or 0 in sizes or (rest and left <= 0):
            raise ValueError(f"{capacity} bytes cannot be divided into {sizes}")
        for number in rest:
            sizes[number] = left
        return sizes


def _field(byte: int, bit: int, width: int, name: str, attribute: str) -> ModeField:
    """One of Division's. The default is that of an undivided medium."""

    def change(drive: TapeDrive, value: int) -> None:
        wished: dict[str, Any] = {attribute: value}
        drive.division = replace(drive.division, **wished)

    return ModeField(
        byte,
        bit,
        width,
        name,
        value=lambda drive: int(getattr(drive.division, attribute)),
        default=lambda _: int(getattr(Division(), attribute)),
        change=change,
        changeable=divides,
    )


def _size(number: int) -> ModeField:
    def change(drive: TapeDrive, value: int) -> None:
        sizes = list(drive.division.sizes)
        sizes[number] = value
        drive.division = replace(drive.division, sizes=tuple(sizes))

    return ModeField(
        8 + 2 * number,
        0,
        16,
        f"PARTITION SIZE {number}",
        value=lambda drive: int(drive.division.sizes[number]),
        default=lambda _: 0,
        change=change,
        changeable=divides,
    )


def divides(drive: Any) -> bool:
    """Whether the drive can have more than one partition."""
    return bool(drive.personality.partitions > 1)


PARTITIONS = ModePage(
    0x11,
    0,
    "medium partition",
    8 + 2 * MOST,
    (
        ModeField(
            2, 0, 8, "MAXIMUM ADDITIONAL PARTITIONS", lambda drive: drive.personality.partitions - 1, lambda _: 0
        ),
        _field(3, 0, 8, "ADDITIONAL PARTITIONS DEFINED", "additional"),
        _field(4, 7, 1, "FDP", "fixed"),
        _field(4, 6, 1, "SDP", "chosen"),
        _field(4, 5, 1, "IDP", "declared"),
        _field(4, 3, 2, "PSUM", "scale"),
        ModeField(4, 2, 1, "POFM", lambda _: 1, lambda _: 1),
        ModeField(5, 0, 8, "MEDIUM FORMAT RECOGNITION", lambda _: 3, lambda _: 3),
        _field(6, 0, 4, "PARTITION UNITS", "power"),
        *(_size(number) for number in range(MOST)),
    ),
    savable=False,
)
"""POFM: nothing is divided before FORMAT MEDIUM. Formats and partitions are recognized when a medium is loaded."""
