"""A partition: blocks and filemarks, one after the other, read by their numbers (SSC-5 4.2.7, 4.2.9).

Appending writes behind the end. Overwriting first cuts: the label says durably that what follows is gone, and the
epoch rises, before anything is written over it. When a cartridge is opened, records behind the label's end are taken up
as long as each is whole and of this epoch: all that was synchronized is there, and nothing torn. Where the cut goes
through a run of filemarks, what is left of the run is owed: the label has it, and counts until the shorter run stands
in the stream itself. Its methods block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from crc32c import crc32c

from tgtd.media.cartridge.index import NOWHERE, Branch, Child, Index, Leaf, Record, decode
from tgtd.media.cartridge.label import NONE, Extent
from tgtd.media.cartridge.record import BLOCK, FILEMARKS, HEADER, INDEX, MAGIC, Header, Rot, pack, unpack
from tgtd.media.cartridge.space import Space, Stream
from tgtd.scsi.medium import Buffer
from tgtd.scsi.ssc.sealing import SEALED

_CHUNK = 64 << 10


class Partition:
    """number: from 0. objects, filemarks: how many it holds. end: bytes of its stream. lost: objects behind them that
    are known to have been there and cannot be found. sealed: the first one that is encrypted, or NONE.
    written, fetched: bytes of blocks, since this was made."""

    def __init__(self, space: Space, salt: bytes, number: int, extent: Extent) -> None:
        self.number = number
        self.capacity = extent.capacity
        self.epoch = extent.epoch
        self.end = 0
        self.objects = self.filemarks = 0
        self.lost = 0
        self.written = self.fetched = 0
        self._stream = Stream(space, list(extent.segments))
        self._labelled = extent
        self._salt = salt
        self._index = Index(self._load)
        self._owed = extent.owed
        self.sealed = extent.sealed
        self._recover(extent)

    def extent(self) -> Extent:
        """For the label. While objects cannot be found it stays as it was: the file may be restored yet."""
        if self.lost:
            return self._labelled
        segments = self._stream.segments
        standing = self.capacity, self.epoch, self.end, self.objects, self.filemarks
        return Extent(*standing, list(self._index.pages), list(segments), list(self._owed), self.sealed)

    @property
    def segments(self) -> int:
        """How many segments of the file it has."""
        return len(self._stream.segments)

    # Writing

    def append_block(self, data: Buffer, length: int, form: int) -> None:
        """data: as it is stored. length: of the block as it was sent. form: as `Header` has it. Raises OSError."""
        self._append(Header(BLOCK, form, self.epoch, self.objects, len(data), length, crc32c(data)), data)
        self._index.leaf.add(len(data), 0)
        if form & SEALED:
            self.sealed = min(self.sealed, self.objects)
        self.objects += 1
        self.written += len(data)
        self._write_pages()

    def append_filemarks(self, count: int) -> None:
        """At least one. Raises OSError."""
        self._append(Header(FILEMARKS, 0, self.epoch, self.objects, 0, count, 0))
        self._index.leaf.add(0, count)
        self.objects += count
        self.filemarks += count
        self._write_pages()

    def seal(self) -> None:
        """Write down what only memory knows of the index, so that opening needs no scan. Raises OSError."""
        if self.lost:
            return
        if len(self._index.leaf):
            self._write_page(0)
        self._write_pages()

    def release(self) -> None:
        """Give back the space that was reserved for what is not written after all."""
        self._stream.release(self.end)

    def cut(self, number: int) -> list[int]:
        """Forget the objects from `number` on: the segments that nothing needs any more. Raises OSError, LookupError.

        The caller writes the label before anything else is written, then gives the segments back, and settles.
        """
        self.settle()
        kept = 0
        if number < self.objects:
            place = self.find(number)
            kept = number - place.number
            try:
                self.end = self._index.cut(place.number)
            except LookupError as trouble:
                raise self._contradiction(trouble, True) from trouble
            self.objects, self.filemarks = place.number, place.filemarks
        if self.sealed >= number:
            self.sealed = NONE
        self.lost = 0
        self.epoch += 1
        if kept:
            self._owed = [self.end, self.objects, kept]
            self._register(self.end, self._owing())
        return self._stream.shrink(self.end)

    def settle(self) -> None:
        """Write what is owed. Raises OSError."""
        if self._owed:
            self._stream.write(self._owed[0], pack(self._owing(), self._salt, self.number, self._owed[0]))
            self._owed = []

    def _owing(self) -> Header:
        _, number, run = self._owed
        return Header(FILEMARKS, 0, self.epoch, number, 0, run, 0)

    @property
    def behind(self) -> int:
        """Bytes of its segments behind the end."""
        return len(self._stream.segments) * self._stream.space.size - self.end

    def wipe(self) -> Iterator[int]:
        """Leave nothing of what stood behind the end. Yields bytes that were erased, in bounded steps. Raises
        OSError."""
        return self._stream.wipe(self.end)

    def _append(self, header: Header, data: Buffer = b"") -> None:
        self._stream.write(self.end, pack(header, self._salt, self.number, self.end), data)
        self.end += HEADER + header.stored

    def _write_pages(self) -> None:
        """What cannot be written now is written with the next record: the record itself is there."""
        with contextlib.suppress(OSError):
            while (level := self._index.due()) is not None:
                self._write_page(level)

    def _write_page(self, level: int) -> None:
        data, offset = self._index.page(level), self.end
        number = self._index.branches[level - 1][0].number if level else self._index.leaf.number
        self._append(Header(INDEX, 0, self.epoch, number, len(data), level, crc32c(data)), data)
        self._index.written(level, offset, self.end)

    # Reading

    def find(self, number: int) -> Record:
        """The record that holds an object. Raises LookupError: there is none; Rot, OSError."""
        try:
            return self._index.find(number)
        except LookupError as trouble:
            raise self._contradiction(trouble, number < self.objects) from trouble

    def find_filemark(self, count: int) -> Record:
        """The record that holds the count-th filemark, from 1. Raises LookupError: there is none; Rot, OSError."""
        try:
            return self._index.find_filemark(count)
        except LookupError as trouble:
            raise self._contradiction(trouble, count <= self.filemarks) from trouble

    def _contradiction(self, trouble: LookupError, there: bool) -> LookupError | Rot:
        """The index does not find what is there by the label: one of them lies, although each is whole."""
        return Rot(f"the index of partition {self.number} contradicts the label") if there else trouble

    def after(self, place: Record) -> Record:
        """The record that follows, without asking the index. Raises LookupError at the end, Rot."""
        offset = place.end
        while offset < self.end:
            header = self._header(offset)
            if header.kind != INDEX:
                number, filemarks = place.number + place.objects, place.filemarks + place.run
                return Record(offset, number, filemarks, header.filemarks, header.stored)
            offset += HEADER + header.stored
        raise self._contradiction(LookupError("the end of the data"), place.number + place.objects < self.objects)

    def read(self, place: Record, into: memoryview) -> Header:
        """A block's header, and its data in `into`, which has room for place.stored bytes. Raises Rot, OSError."""
        head = bytearray(HEADER)
        self._stream.read(place.offset, memoryview(head))
        header = unpack(head, self._salt, self.number, place.offset)
        if header is None or header.kind != BLOCK or header.stored != place.stored:
            raise Rot(f"the header of block {place.number} in partition {self.number} is damaged")
        data = into[: header.stored]
        self._stream.read(place.offset + HEADER, data)
        if crc32c(data) != header.check:
            raise Rot(f"block {place.number} in partition {self.number} is damaged")
        self.fetched += header.stored
        return header

    def inspect(self) -> None:
        """Read the first record and the last. Raises OSError, LookupError."""
        if self.lost:
            raise Rot(f"{self.lost} objects of partition {self.number} are lost")
        for number in {0, self.objects - 1} if self.objects else ():
            place = self.find(number)
            if place.run:
                self._header(place.offset)
            else:
                self.read(place, memoryview(bytearray(place.stored)))

    def read_now(self, before: Record, into: memoryview) -> Record | None:
        """As the drive's protocol has it. A page of the index, or anything that is not as it should be, is for `after`
        and `read`."""
        offset, length, head = before.end, len(into), bytearray(HEADER)
        if self._owed or offset + HEADER + length > self.end or not self._stream.read_now(offset, head, into):
            return None
        header = unpack(head, self._salt, self.number, offset)
        if header is None or header[:2] != (BLOCK, 0) or header.stored != length or header.length != length:
            return None
        if crc32c(into) != header.check:
            return None
        self.fetched += length
        return before.following(length, 0)

    def _header(self, offset: int) -> Header:
        if self._owed and offset == self._owed[0]:
            return self._owing()
        head = bytearray(HEADER)
        self._stream.read(offset, memoryview(head))
        header = unpack(head, self._salt, self.number, offset)
        if header is None:
            raise Rot(f"no record stands at byte {offset} of partition {self.number}")
        return header

    def _page(self, level: int, offset: int) -> tuple[int, Leaf | Branch]:
        header = self._header(offset)
        data = bytearray(header.stored)
        self._stream.read(offset + HEADER, memoryview(data))
        if header.kind != INDEX or header.length != level or crc32c(data) != header.check:
            raise Rot(f"the index page at byte {offset} of partition {self.number} is damaged")
        try:
            return decode(level, bytes(data))
        except ValueError as trouble:
            raise Rot(str(trouble)) from trouble

    def _load(self, level: int, child: Child) -> Leaf | Branch:
        """A page; one that is damaged is made anew from the records that it tells of."""
        try:
            return self._page(level, child.offset)[1]
        except Rot:
            return self._collect(level, child)

    def _collect(self, level: int, child: Child) -> Leaf | Branch:
        leaf = Leaf(child.start, child.number, child.filemarks)
        branch: Branch = []
        first = child
        number, filemarks = child.number, child.filemarks
        for offset, header in self._walk(child.start, child.offset, child.number, None):
            if header.kind != INDEX:
                leaf.add(header.stored, header.filemarks)
                number += header.objects
                filemarks += header.filemarks
            elif header.length == level - 1:
                branch.append(first.standing(offset))
                first = Child(0, offset + HEADER + header.stored, number, filemarks)
            else:
                start = offset + HEADER + header.stored
                first = Child(0, start, number, filemarks) if number == first.number else first
        return branch if level else leaf

    def _walk(self, offset: int, end: int, number: int, objects: int | None) -> Iterator[tuple[int, Header]]:
        """The headers of a stretch. One that is damaged is told as what it must have been, by what follows it.

        number: of the first object. objects: how many there are up to `end`, if somebody knows.
        """
        level = -1  # of the page just before; -1: that was a record
        while offset < end:
            try:
                header = self._header(offset)
            except Rot:
                following = self._search(offset + 1, end)
                there = self._upto(following, end, number, objects)
                header = self._guess(following - offset - HEADER, number, there, level + 1)
            yield offset, header
            number += header.objects
            level = header.length if header.kind == INDEX else -1
            offset += HEADER + header.stored

    def _search(self, offset: int, end: int) -> int:
        """Where the next header stands, or `end`. Nothing else is taken for one: its check knows where it stands."""
        while offset < end:
            chunk = bytearray(min(_CHUNK, end - offset))
            self._stream.read(offset, memoryview(chunk))
            at = chunk.find(MAGIC)
            while at >= 0 and offset + at + HEADER <= end:
                with contextlib.suppress(Rot):
                    self._header(offset + at)
                    return offset + at
                at = chunk.find(MAGIC, at + 1)
            offset += max(1, len(chunk) - len(MAGIC) + 1)
        return end

    def _upto(self, following: int, end: int, number: int, objects: int | None) -> int:
        """How many objects there are before what follows a damaged header. number: before that."""
        if following == end:
            return number + 1 if objects is None else objects
        header = self._header(following)
        if header.kind != INDEX:
            return header.number
        if header.length:
            return number
        leaf = self._page(0, following)[1]
        assert isinstance(leaf, Leaf)
        return leaf.number + sum(run or 1 for run in leaf.runs)

    def _guess(self, stored: int, number: int, there: int, level: int) -> Header:
        if there <= number:
            return Header(INDEX, 0, self.epoch, number, stored, level, 0)
        if not stored:
            return Header(FILEMARKS, 0, self.epoch, number, 0, there - number, 0)
        return Header(BLOCK, 0, self.epoch, number, stored, 0, 0)

    # Opening

    def _recover(self, extent: Extent) -> None:
        """Build the index as it was when the label was written, then go on with what was written since."""
        try:
            self._restore(extent.pages)
        except (OSError, LookupError):
            self._index = Index(self._load)
            self.objects = self.filemarks = self.end = 0
        try:
            for offset, header in self._walk(self.end, extent.end, self.objects, extent.objects):
                self._register(offset, header)
        except (OSError, LookupError):
            self.lost = max(0, extent.objects - self.objects)
            return
        while (more := self._whole(self.end)) is not None:
            self._register(self.end, more)

    def _restore(self, pages: list[int]) -> None:
        """The pages of each level that came after the last one of the level above."""
        index = self._index
        index.pages = list(pages)
        index.branches = [[] for _ in pages]
        for level, offset in enumerate(pages):
            above = pages[level + 1] if level + 1 < len(pages) else NOWHERE
            branch: Branch = []
            while offset != NOWHERE and (above == NOWHERE or offset > above):
                previous, page = self._page(level, offset)
                if offset <= previous != NOWHERE:
                    raise Rot(f"the index page at byte {offset} of partition {self.number} follows itself")
                first = page if isinstance(page, Leaf) else page[0]
                branch.append(Child(offset, first.start, first.number, first.filemarks))
                offset = previous
            index.branches[level] = branch[::-1]
        if pages and pages[0] != NOWHERE:
            leaf = self._page(0, pages[0])[1]
            assert isinstance(leaf, Leaf)
            last = leaf.place(len(leaf) - 1)
            self.objects, self.filemarks = last.number + last.objects, last.filemarks + last.run
            self.end = pages[0] + HEADER + self._header(pages[0]).stored
            index.leaf = Leaf(self.end, self.objects, self.filemarks)

    def _register(self, offset: int, header: Header) -> None:
        """Take up a record that stands at the end."""
        index = self._index
        self.end = offset + HEADER + header.stored
        if header.kind != INDEX:
            index.leaf.add(header.stored, header.filemarks)
            if header.form & SEALED:
                self.sealed = min(self.sealed, header.number)
            self.objects += header.objects
            self.filemarks += header.filemarks
        elif any(offset == page or offset < page != NOWHERE for page in index.pages[header.length : header.length + 1]):
            index.leaf.start = self.end  # a page of a higher level, which the label knows already
        else:
            index.written(header.length, offset, self.end)

    def _whole(self, offset: int) -> Header | None:
        """The record behind the end, if one was written there and is whole."""
        try:
            header = self._header(offset)
            if header.epoch != self.epoch or (header.kind != INDEX and header.number != self.objects):
                return None
            if header.kind == INDEX and not self._index.expects(header.length):
                return None
            data = bytearray(header.stored)
            self._stream.read(offset + HEADER, memoryview(data))
        except OSError:
            return None
        return header if header.kind == FILEMARKS or crc32c(data) == header.check else None
