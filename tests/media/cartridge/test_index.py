"""Pages of the index: found, cut, and told apart from what is none."""

from __future__ import annotations

import pytest

from tgtd.media.cartridge import index
from tgtd.media.cartridge.index import NOWHERE, Child, Index, Leaf, decode, encode_branch
from tgtd.media.cartridge.record import HEADER


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> dict[int, bytes]:
    monkeypatch.setattr(index, "FAN", 4)
    return {}


def build(pages: dict[int, bytes], runs: list[int]) -> Index:
    """Records of 10 bytes, or filemarks; pages take 1000 bytes of the stream, whatever is in them."""
    found = Index(lambda level, child: decode(level, pages[child.offset])[1])
    end = 0
    for run in runs:
        found.leaf.add(0 if run else 10, run)
        end += HEADER + (0 if run else 10)
        while (level := found.due()) is not None:
            pages[end] = found.page(level)
            found.written(level, end, end + 1000)
            end += 1000
    return found


def test_every_object_is_found(pages: dict[int, bytes]) -> None:
    runs = [0, 0, 3, 0, 1, 0] * 30
    found = build(pages, runs)
    assert len(found.branches) >= 3
    number = marks = 0
    for run in runs:
        for inside in range(run or 1):
            place = found.find(number + inside)
            assert (place.number, place.filemarks, place.run) == (number, marks, run)
        for inside in range(run):
            assert found.find_filemark(marks + inside + 1).number == number
        number += run or 1
        marks += run
    for missing in (number, number + 1):
        with pytest.raises(LookupError):
            found.find(missing)
    with pytest.raises(LookupError):
        found.find_filemark(marks + 1)
    with pytest.raises(LookupError):
        Index(lambda level, child: Leaf()).find_filemark(0)


def test_cut_anywhere(pages: dict[int, bytes]) -> None:
    """What is left is as if no more had been written, but for where the pages stand."""
    runs = [0] * 100
    for number in range(100):
        found = build(pages, runs)
        end = found.cut(number)
        if number:
            assert found.find(number - 1).number == number - 1
            assert found.find(number - 1).end <= end
        with pytest.raises(LookupError):
            found.find(number)
        assert all(page == NOWHERE or page < end for page in found.pages)


def test_a_run_is_not_cut_in_its_middle(pages: dict[int, bytes]) -> None:
    found = build(pages, [0, 3, 0])
    with pytest.raises(LookupError, match="no record begins with object 2"):
        found.cut(2)


def test_pages_as_bytes() -> None:
    leaf = Leaf(7, 8, 9, [1, 2], [0, 3])
    assert decode(0, leaf.encode(5)) == (5, leaf)
    branch = [Child(1, 2, 3, 4), Child(5, 6, 7, 8)]
    assert decode(2, encode_branch(branch, NOWHERE)) == (NOWHERE, branch)
    for data in (b"", leaf.encode(0)[:-1], leaf.encode(0) + b"x"):
        with pytest.raises(ValueError, match=r"."):
            decode(0, data)
