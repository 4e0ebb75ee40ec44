"""What filters have in common that do something before a verb is passed on: wait, fail, or hang."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator

from tgtd.scsi.layer import Layer
from tgtd.scsi.medium import BlockMedium, Buffer, Work

VERBS = ("read", "write", "flush", "discard", "zero", "extents")


class Touching(Layer, ABC):
    """Calls `before` in a worker before each of `verbs`; the others are passed on as if it were not there.

    A write that must be durable is a write, not a flush; to anchor is to discard.
    """

    def __init__(self, medium: BlockMedium, verbs: Collection[str]) -> None:
        super().__init__(medium)
        self.verbs = frozenset(verbs or VERBS)

    @abstractmethod
    def before(self, verb: str, offset: int, length: int) -> None:
        """May block, and may raise OSError: then the verb is not passed on. 0, 0 for a flush."""

    def concerned(self, verb: str, offset: int, length: int) -> bool:
        """Whether this one has to be done by a worker, as `before` has something to do. Loop thread."""
        return verb in self.verbs

    def consult(self, verb: str, offset: int, length: int) -> None:
        if verb in self.verbs:
            self.before(verb, offset, length)

    def read_now(self, offset: int, into: memoryview) -> bool:
        return not self.concerned("read", offset, len(into)) and self.medium.read_now(offset, into)

    def write_now(self, offset: int, data: Buffer) -> bool:
        return not self.concerned("write", offset, len(data)) and self.medium.write_now(offset, data)

    def reading(self, offset: int, into: memoryview) -> Work:
        if self.concerned("read", offset, len(into)):
            return super().reading(offset, into)
        return self.medium.reading(offset, into)

    def writing(self, offset: int, data: Buffer, durable: bool) -> Work:
        if self.concerned("write", offset, len(data)):
            return super().writing(offset, data, durable)
        return self.medium.writing(offset, data, durable)

    def read(self, offset: int, into: memoryview) -> None:
        self.consult("read", offset, len(into))
        self.medium.read(offset, into)

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        self.consult("write", offset, len(data))
        self.medium.write(offset, data, durable)

    def flush(self) -> None:
        self.consult("flush", 0, 0)
        self.medium.flush()

    def discard(self, offset: int, length: int) -> None:
        self.consult("discard", offset, length)
        self.medium.discard(offset, length)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        self.consult("zero", offset, length)
        self.medium.zero(offset, length, may_discard)

    def anchor(self, offset: int, length: int) -> None:
        self.consult("discard", offset, length)
        self.medium.anchor(offset, length)

    def anchored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        self.consult("extents", offset, length)
        return self.medium.anchored(offset, length)

    def extents(self, offset: int, length: int) -> Iterator[tuple[int, int, bool]]:
        self.consult("extents", offset, length)
        return self.medium.extents(offset, length)
