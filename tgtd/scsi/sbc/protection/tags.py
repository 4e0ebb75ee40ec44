"""Application tags that an initiator has told in advance, by range of blocks (SBC-4 6.5.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_TAG_RANGES = 4
"""Application tag descriptors of the mode page."""
_KNOWN = 0xFFFF
_UNKNOWN = (0, 0)


class TagRange(NamedTuple):
    """Blocks from `first` up to, but not including, `end` have this application tag."""

    first: int
    end: int
    tag: int


@dataclass(slots=True)
class TagDescriptor:
    """One application tag descriptor, as it was sent. count 0: it is to be ignored."""

    last: int = 0
    tag: int = 0
    lba: int = 0
    count: int = 0


@dataclass(slots=True)
class ApplicationTags:
    """What the Application Tag mode page says. descriptors belong to the loop thread; ranges are replaced as a whole,
    and may be looked at by workers. While a MODE SELECT changes one field after the other, a block has its old tag, or
    its new one, or none that is known."""

    descriptors: tuple[TagDescriptor, ...] = field(
        default_factory=lambda: tuple(TagDescriptor() for _ in range(MOST_TAG_RANGES))
    )
    ranges: tuple[TagRange, ...] = ()

    def settle(self) -> None:
        """A descriptor has changed."""
        self.ranges = tuple(_ranges(self.descriptors))


def _ranges(descriptors: Sequence[TagDescriptor]) -> list[TagRange]:
    """None unless they follow one another from block 0 on, up to one that is the last."""
    found: list[TagRange] = []
    for one in descriptors:
        if not one.count:
            continue
        if one.lba != (found[-1].end if found else 0):
            break
        found.append(TagRange(one.lba, one.lba + one.count, one.tag))
        if one.last:
            return found
    return []


def tags_from(ranges: Sequence[TagRange], lba: int) -> Iterator[tuple[int, int]]:
    """Of one block after the other from `lba` on, without end: the tag, and a mask of what is known of it."""
    for one in ranges:
        for _ in range(lba, one.end):
            yield one.tag, _KNOWN
        lba = max(lba, one.end)
    while True:
        yield _UNKNOWN
