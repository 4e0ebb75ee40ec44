"""Where each record of a partition's stream stands: pages in the stream itself, found by levels.

A page of level 0 tells of up to FAN records, one of level n of up to FAN pages of level n - 1. What came after a
level's last page is held in memory, at most FAN entries a level; of all else the pages that were asked for lately. So
memory does not grow with the number of blocks, nothing is scanned to find one, and nothing written is ever changed.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from tgtd.media.cartridge.record import HEADER

FAN = 512
NOWHERE = 0xFFFF_FFFF_FFFF_FFFF

_CACHED = 128  # pages; some 4 KiB each
_PAGE = struct.Struct("<QQQQI")
_CHILD = struct.Struct("<QQQQ")
_RECORD = struct.Struct("<II")


class Record(NamedTuple):
    """A record. offset: of its header in the stream. number: of its first object. filemarks: how many come before it.
    run: how many filemarks it is; 0 for a block. stored: bytes after its header."""

    offset: int
    number: int
    filemarks: int
    run: int
    stored: int

    @property
    def objects(self) -> int:
        return self.run or 1

    @property
    def end(self) -> int:
        return self.offset + HEADER + self.stored

    def following(self, stored: int, run: int) -> Record:
        """The record right after this one."""
        return Record(self.end, self.number + self.objects, self.filemarks + self.run, run, stored)


class Child(NamedTuple):
    """A page, as the level above knows it: where it stands, where the first record does that it tells of, and what
    comes before that."""

    offset: int
    start: int
    number: int
    filemarks: int

    def standing(self, offset: int) -> Child:
        """The same, elsewhere."""
        return Child(offset, self.start, self.number, self.filemarks)


@dataclass(slots=True)
class Leaf:
    """Records that follow one another without a gap. start: the stream's offset of the first, or of what will be."""

    start: int = 0
    number: int = 0
    filemarks: int = 0
    stored: list[int] = field(default_factory=list)
    runs: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.stored)

    def add(self, stored: int, run: int) -> None:
        self.stored.append(stored)
        self.runs.append(run)

    def place(self, which: int) -> Record:
        """The which-th record."""
        return Record(
            self.start + sum(self.stored[:which]) + HEADER * which,
            self.number + sum(run or 1 for run in self.runs[:which]),
            self.filemarks + sum(self.runs[:which]),
            self.runs[which],
            self.stored[which],
        )

    def find(self, number: int) -> Record | None:
        """The record that holds an object; None: it ends before."""
        ends = list(accumulate((run or 1 for run in self.runs), initial=self.number))[1:]
        which = bisect_right(ends, number)
        return self.place(which) if which < len(self) else None

    def find_filemark(self, count: int) -> Record | None:
        """The record that holds the count-th filemark of the partition, from 1."""
        ends = list(accumulate(self.runs, initial=self.filemarks))[1:]
        which = bisect_left(ends, count)
        return self.place(which) if which < len(self) else None

    def cut(self, which: int) -> Leaf:
        """The first `which` records."""
        return Leaf(self.start, self.number, self.filemarks, self.stored[:which], self.runs[:which])

    def encode(self, previous: int) -> bytes:
        head = _PAGE.pack(previous, self.number, self.filemarks, self.start, len(self))
        return head + b"".join(_RECORD.pack(*pair) for pair in zip(self.stored, self.runs, strict=True))


Branch = list[Child]


def encode_branch(branch: Branch, previous: int) -> bytes:
    _, start, number, filemarks = branch[0]
    head = _PAGE.pack(previous, number, filemarks, start, len(branch))
    return head + b"".join(_CHILD.pack(*child) for child in branch)


def decode(level: int, data: bytes) -> tuple[int, Leaf | Branch]:
    """What `encode` made, and where the page of the same level before it stands. Raises ValueError."""
    try:
        previous, number, filemarks, start, count = _PAGE.unpack_from(data)
        shape = _CHILD if level else _RECORD
        if len(data) != _PAGE.size + count * shape.size:
            raise ValueError(f"a page of {count} entries has {len(data)} bytes")
        rows = list(shape.iter_unpack(data[_PAGE.size :]))
    except struct.error as trouble:
        raise ValueError(str(trouble)) from trouble
    if level:
        return previous, [Child(*row) for row in rows]
    return previous, Leaf(start, number, filemarks, [row[0] for row in rows], [row[1] for row in rows])


class Index:
    """load: reads a page of a level; raises OSError.

    leaf: the records after the last page of level 0. branches: for each level from 1 on, the pages of the level below
    after this level's last page. pages: where the last page of each level stands.
    """

    def __init__(self, load: Callable[[int, Child], Leaf | Branch]) -> None:
        self.leaf = Leaf()
        self.branches: list[Branch] = []
        self.pages: list[int] = []
        self._load = load
        self._cache: OrderedDict[int, Leaf | Branch] = OrderedDict()

    def due(self) -> int | None:
        """The lowest level that is full; its page is to be written. Records of one leaf have no page between them."""
        if len(self.leaf):
            return 0 if len(self.leaf) >= FAN else None
        return next((level for level, branch in enumerate(self.branches, 1) if len(branch) >= FAN), None)

    def expects(self, level: int) -> bool:
        """Whether a page of this level may come next: there is something that it would tell of."""
        if not level:
            return len(self.leaf) > 0
        return not len(self.leaf) and level <= len(self.branches) and len(self.branches[level - 1]) > 0

    def page(self, level: int) -> bytes:
        """What is to be written for a level."""
        previous = self.pages[level] if level < len(self.pages) else NOWHERE
        return encode_branch(self.branches[level - 1], previous) if level else self.leaf.encode(previous)

    def written(self, level: int, offset: int, end: int) -> None:
        """The page of a level stands at `offset` of the stream now, which goes on at `end`."""
        leaf = self.leaf
        if level:
            child = self.branches[level - 1][0].standing(offset)
            self.branches[level - 1] = []
            leaf.start = end
        else:
            child = Child(offset, leaf.start, leaf.number, leaf.filemarks)
            number = leaf.number + sum(run or 1 for run in leaf.runs)
            self.leaf = Leaf(end, number, leaf.filemarks + sum(leaf.runs))
        while len(self.branches) <= level:
            self.branches.append([])
        while len(self.pages) <= level:
            self.pages.append(NOWHERE)
        self.branches[level].append(child)
        self.pages[level] = offset

    def find(self, number: int) -> Record:
        """The record that holds an object. Raises LookupError: there is none."""
        if number >= self.leaf.number:
            found = self.leaf.find(number)
        else:
            page = self._descend(_number, number, bisect_right)
            found = page.find(number)
        if found is None:
            raise LookupError(f"no object {number}")
        return found

    def find_filemark(self, count: int) -> Record:
        """The record that holds the count-th filemark, from 1. Raises LookupError: there is none."""
        if count > self.leaf.filemarks:
            found = self.leaf.find_filemark(count)
        else:
            page = self._descend(_filemarks, count, bisect_left)
            found = page.find_filemark(count)
        if found is None:
            raise LookupError(f"no filemark {count}")
        return found

    def _descend(self, key: Callable[[Child], int], wanted: int, bisect: Callable[..., int]) -> Leaf:
        for level, branch in enumerate(self.branches, 1):
            which = bisect(branch, wanted, key=key) - 1
            if which >= 0:
                return self._down(level, branch, which, key, wanted, bisect)
        raise LookupError(f"nothing before {wanted}")

    def _down(
        self,
        level: int,
        branch: Branch,
        which: int,
        key: Callable[[Child], int],
        wanted: int,
        bisect: Callable[..., int],
    ) -> Leaf:
        while True:
            level -= 1
            page = self.read(level, branch[which])
            if isinstance(page, Leaf):
                return page
            branch = page
            which = max(0, bisect(branch, wanted, key=key) - 1)

    def read(self, level: int, child: Child) -> Leaf | Branch:
        """A page, from the cache or by `load`."""
        page = self._cache.get(child.offset)
        if page is None:
            page = self._cache[child.offset] = self._load(level, child)
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(child.offset)
        return page

    def cut(self, number: int) -> int:
        """Forget all from an object on, which begins a record; where the stream goes on then. Raises LookupError.

        A run of filemarks that is to be cut in its middle is cut before it, and what is left of it written anew.
        """
        leaf = self.leaf if number >= self.leaf.number else self._cut_branches(number)
        starts = list(accumulate((run or 1 for run in leaf.runs), initial=leaf.number))
        if number not in starts:
            raise LookupError(f"no record begins with object {number}")
        self.leaf = leaf.cut(starts.index(number))
        self._cache.clear()
        self.pages = [self._last_page(level) for level in range(len(self.pages))]
        return self.leaf.start + sum(self.leaf.stored) + HEADER * len(self.leaf)

    def _cut_branches(self, number: int) -> Leaf:
        """Take the pages from an object's on out of all branches; the page of level 0 that has it."""
        level, page = next(
            (level, branch) for level, branch in enumerate(self.branches, 1) if branch and number >= branch[0].number
        )
        while True:
            which = bisect_right(page, number, key=_number) - 1
            self.branches[level - 1] = page[:which]
            level -= 1
            below = self.read(level, page[which])
            if isinstance(below, Leaf):
                return below
            page = below

    def _last_page(self, level: int) -> int:
        """Where the last page of a level stands: in the branch above it, or in the last page of a higher level."""
        for above in range(level, len(self.branches)):
            if self.branches[above]:
                child = self.branches[above][-1]
                for down in range(above, level, -1):
                    page = self.read(down, child)
                    assert not isinstance(page, Leaf)
                    child = page[-1]
                return child.offset
        return NOWHERE


def _number(child: Child) -> int:
    return child.number


def _filemarks(child: Child) -> int:
    return child.filemarks
