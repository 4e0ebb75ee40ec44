"""What a tape drive needs of a cartridge, as storage verbs. Cartridges see no CDB and build no sense.

They raise OSError. Every verb but `read_now` and `count_error` may block, and all but the latter are called by one
thread at a time, but for what `synchronizing` says. Attributes are plain, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from tgtd.scsi.medium import Buffer, Store


class Record(Protocol):
    """A record of a partition. number: that of its first object. filemarks: how many come before it. run: how many
    filemarks it is, 0 for a block. objects: how many it is. stored: bytes of a block as it is stored. offset: where it
    stands, in bytes."""

    @property
    def offset(self) -> int: ...
    @property
    def number(self) -> int: ...
    @property
    def filemarks(self) -> int: ...
    @property
    def run(self) -> int: ...
    @property
    def objects(self) -> int: ...
    @property
    def stored(self) -> int: ...


class Stored(Protocol):
    """What a block's header says. length: bytes of the block as it was sent. form: what was done to its data."""

    @property
    def length(self) -> int: ...
    @property
    def form(self) -> int: ...


class Partition(Protocol):
    """Logical objects, one after the other: blocks and filemarks (SSC-5 4.2.7).

    objects, filemarks: how many there are. lost: objects behind them that were there and cannot be found. end,
    capacity: bytes that are used, and that there are.
    """

    capacity: int
    end: int
    objects: int
    filemarks: int
    lost: int

    def append_block(self, data: Buffer, length: int, form: int) -> None: ...
    def append_filemarks(self, count: int) -> None: ...
    def find(self, number: int) -> Record:
        """The record that holds an object. Raises LookupError."""

    def find_filemark(self, count: int) -> Record:
        """The record that holds the count-th filemark, from 1. Raises LookupError."""

    def after(self, record: Record) -> Record:
        """The one that follows. Raises LookupError at the end."""

    def read(self, record: Record, into: memoryview) -> Stored:
        """A block as it is stored, into room for record.stored bytes."""

    def read_now(self, before: Record, into: memoryview) -> Record | None:
        """The block that follows a record, as it was sent, if it has just the length of `into`, nothing was done to its
        data, and reading it takes no waiting. None, and never an error, otherwise."""


class Cartridge(Protocol):
    """barcode, kind ("data", "worm", "clean"), density: who it is. writable: false where its switch or its file says
    so. capacity: bytes of the whole of it; available: that it may be divided into."""

    @property
    def barcode(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def density(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def available(self) -> int: ...
    @property
    def writable(self) -> bool: ...
    @property
    def serial(self) -> str: ...
    @property
    def loads(self) -> int:
        """How often it was in a drive."""

    @property
    def written(self) -> int:
        """Bytes of blocks that were written, as they are stored, since it was made."""

    @property
    def fetched(self) -> int:
        """Bytes of blocks that were read, likewise."""

    @property
    def unwritten(self) -> int:
        """Commands that met an error of it while writing, since it was made."""

    @property
    def unread(self) -> int:
        """Likewise, while reading."""

    def count_error(self, writing: bool) -> None:
        """A command met an error of it. Does not block, and may be called while another thread is at work; kept as
        `count_load` is."""

    @property
    def drives(self) -> Sequence[str]:
        """What it was in, the latest first: vendor (8 characters) and serial number."""

    def count_load(self, density: int, drive: str) -> None:
        """It is in a drive; one of no density has this one from now on. Kept with the next change of what is kept, or
        when it is closed."""

    def wear(self) -> bool:
        """A cleaning cartridge is used, durably; false: it was used up before."""

    @property
    def encrypted(self) -> bool:
        """Whether any block is."""

    @property
    def reference(self) -> int:
        """32 bits that are others when other blocks or filemarks are on it."""

    def inspect(self) -> None:
        """Read what is kept, and a block here and there. Raises OSError, LookupError: something is damaged."""

    @property
    def partitions(self) -> Sequence[Partition]: ...

    def attributes(self, partition: int) -> Mapping[int, tuple[int, bytes]]:
        """What hosts keep in its memory: format and value, by attribute identifier."""

    def set_attributes(self, partition: int, changes: Mapping[int, tuple[int, bytes]]) -> None:
        """Durably; an empty value takes one away."""

    def synchronize(self) -> None:
        """All that was appended is on stable storage on return."""

    def synchronizing(self) -> Callable[[], None]:
        """That as work, of what was appended until now; nothing but appending and `read_now` may go on meanwhile. The
        next `synchronize` is told too if it fails."""

    def cut(self, partition: int, number: int) -> None:
        """Forget a partition's objects from `number` on, durably."""

    def wipe(self, partition: int) -> Iterator[float]:
        """Nothing that was behind a partition's objects is left in the file. Yields what share of that is done, in
        steps of a bounded length; who does not go on to the end leaves the rest."""

    def format(self, capacities: list[int], density: int, available: int | None = None) -> None:
        """Blank partitions of these sizes, and another capacity if that is given. Raises ValueError when they do not
        fit."""

    def close(self) -> None: ...


class Mount(Store, Protocol):
    """Where a drive's cartridge is; None: the drive is empty. It may be taken, and another put in its place."""

    cartridge: Cartridge | None
