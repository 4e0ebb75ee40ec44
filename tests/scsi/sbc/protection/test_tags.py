"""tgtd.scsi.sbc.protection.tags: which tag a block has."""

from __future__ import annotations

from itertools import islice

import pytest

from tgtd.scsi.sbc.protection.tags import ApplicationTags, TagDescriptor, TagRange, tags_from

RANGES = (TagRange(0, 3, 0xA), TagRange(3, 5, 0xB))


@pytest.mark.parametrize("lba", range(7))
def test_one_block_after_the_other(lba: int) -> None:
    every = [(0xA, 0xFFFF)] * 3 + [(0xB, 0xFFFF)] * 2 + [(0, 0)] * 9
    assert list(islice(tags_from(RANGES, lba), 7)) == every[lba : lba + 7]


@pytest.mark.parametrize(
    ("descriptors", "ranges"),
    [
        ([(0, 0xA, 0, 3), (1, 0xB, 3, 2)], RANGES),
        ([(0, 0xA, 0, 3), (0, 1, 2, 0), (1, 0xB, 3, 2)], RANGES),
        ([(1, 0xA, 0, 3), (1, 0xB, 3, 2)], RANGES[:1]),
        ([(0, 0xA, 0, 3), (0, 0xB, 3, 2)], ()),
        ([(0, 0xA, 0, 3), (1, 0xB, 4, 2)], ()),
        ([(1, 0xA, 1, 3)], ()),
        ([], ()),
    ],
    ids=["two", "one is to be ignored", "after the last", "no last", "a gap", "not from the start", "nothing"],
)
def test_what_is_known(descriptors: list[tuple[int, int, int, int]], ranges: tuple[TagRange, ...]) -> None:
    tags = ApplicationTags(tuple(TagDescriptor(*one) for one in descriptors))
    tags.settle()
    assert tags.ranges == ranges
