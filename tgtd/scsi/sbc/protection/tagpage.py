"""The Application Tag mode page (SBC-4 6.5.3): which tags blocks have, told by an initiator that owns them.

What it says is in force with ATO and ATMPE of the control mode page. By the standard, and by the manuals of drives that
have the page, the last range ends before the last block; one that ends with it is taken, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from tgtd.scsi.mode import ModeField, ModePage
from tgtd.scsi.sbc.protection.tags import MOST_TAG_RANGES, TagDescriptor

if TYPE_CHECKING:
    from tgtd.scsi.sbc.disk import Disk

_FIRST, _SIZE = 16, 24
_TAG, _LBA, _COUNT = 6, 8, 16
"""Bytes of a descriptor; LAST is the first bit of all."""


def _protected(disk: Disk) -> bool:
    return disk.protection > 0


def _field(number: int, byte: int, bit: int, width: int, name: str, attribute: str) -> ModeField:
    """number: of the descriptor, from 0 on."""

    def value(disk: Disk) -> int:
        found: int = attrgetter(attribute)(disk.policy.tags.descriptors[number])
        return found

    def change(disk: Disk, new: int) -> None:
        setattr(disk.policy.tags.descriptors[number], attribute, new)
        disk.policy.tags.settle()

    at = _FIRST + number * _SIZE + byte
    return ModeField(at, bit, width, f"{name} {number + 1}", value, lambda _: 0, change, _protected)


def _fields() -> Iterator[ModeField]:
    """Tags before ranges: see ApplicationTags."""
    for number in range(MOST_TAG_RANGES):
        yield _field(number, 0, 7, 1, "LAST", "last")
        yield _field(number, _TAG, 0, 16, "LOGICAL BLOCK APPLICATION TAG", "tag")
        yield _field(number, _LBA, 0, 64, "LOGICAL BLOCK ADDRESS", "lba")
        yield _field(number, _COUNT, 0, 64, "LOGICAL BLOCK COUNT", "count")


def descriptors_of(page: bytes) -> Iterator[tuple[int, TagDescriptor]]:
    """The descriptors of a page, each with the byte that it begins at."""
    for at in range(_FIRST, _FIRST + MOST_TAG_RANGES * _SIZE, _SIZE):
        tag, lba, count = (
            int.from_bytes(page[at + first : at + end], "big")
            for first, end in ((_TAG, _LBA), (_LBA, _COUNT), (_COUNT, _SIZE))
        )
        yield at, TagDescriptor(page[at] >> 7, tag, lba, count)


def _wrong(disk: Disk, page: bytes) -> tuple[int, int] | None:
    """The ranges must follow one another, and the last one must be marked. A page that says nothing is right."""
    reached, at = 0, _FIRST
    for at, one in descriptors_of(page):
        if not one.count:
            if one.last:
                return at, 7
            continue
        if one.lba != reached:
            return at + _LBA, 7
        reached += one.count
        if one.last:
            return None if reached in (disk.blocks - 1, disk.blocks) else (at + _COUNT, 7)
    return (at, 7) if reached else None


APPLICATION_TAG = ModePage(
    0x0A,
    0x02,
    "application tag",
    _FIRST + MOST_TAG_RANGES * _SIZE,
    tuple(_fields()),
    available=_protected,
    wrong=_wrong,
)
