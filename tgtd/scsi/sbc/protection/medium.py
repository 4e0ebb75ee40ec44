"""A medium and, beside it, a second one with the protection information of its blocks.

Who reads and writes it as any medium gets protection information checked and made on the way, as a command whose
PROTECT field is zero does; nobody else needs to know. Kept inverted, so that a hole in the second medium reads FFh: not
written, not checked.

Before data are written, their protection information is set to "not checked", and afterwards to what it must be. So
when the daemon dies in between, the block reads as an unprotected disk's would, and never as damaged. With durable
writes that holds for a loss of power too; of others, the two media may be of different age then, and the block is
reported as damaged until it is written again.

What reads or writes a block's both parts holds one of a set of locks, by address: workers would otherwise see one
part of another's write. Plain reads do so only when a check has failed, and then look again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tgtd.scsi.layer import Wrapper
from tgtd.scsi.medium import BlockMedium, Buffer
from tgtd.scsi.sbc.protection.rules import READ, SIZE, Rules, check, generate
from tgtd.scsi.sbc.protection.tags import ApplicationTags, TagRange
from tgtd.scsi.sense import CheckCondition

_STRIPE, _STRIPES = 20, 32  # a lock for each MiB, in turn
_AT_ONCE = 32 << 10  # bytes whose checking the loop thread may take the time for
_STEP = 1 << 20
_INVERSE = bytes(range(255, -1, -1))
_PAGE = 4096
_VERBS = ("read_now", "write_now", "read", "write", "reading", "writing", "discard", "anchor", "zero", "flush")
"""What is straight the medium's without protection information."""


def room(size: int, block_size: int) -> int:
    """Bytes that the protection information of a medium of `size` bytes takes."""
    return -(-(size // block_size * SIZE) // _PAGE) * _PAGE


@dataclass(slots=True)
class Policy:
    """Of the control mode page. own: ATO, application tags are the application client's. lenient: DPICZ, nothing is
    checked unless a command asks for it. told: ATMPE, the Application Tag mode page says what tags there are. Belongs
    to the loop thread."""

    own: bool = False
    lenient: bool = False
    told: bool = False
    tags: ApplicationTags = field(default_factory=ApplicationTags)

    def known(self) -> tuple[TagRange, ...]:
        """What is known of application tags when a command does not say."""
        return self.tags.ranges if self.own and self.told else ()


class ProtectedMedium(Wrapper):
    """Both media as one. kind: the protection type, 0 for none: then all goes straight to the medium. declared: the
    type that the configuration wants for a new disk."""

    def __init__(
        self, medium: BlockMedium, companion: BlockMedium, block_size: int, kind: int = 0, declared: int = 0
    ) -> None:
        super().__init__(medium)
        self.companion = companion
        self.block_size = block_size
        self.declared = declared
        self.policy = Policy()
        self.block_sizes = (block_size,)
        self._shift = block_size.bit_length() - 1
        self._locks = [threading.Lock() for _ in range(_STRIPES)]
        self.become(kind)

    def become(self, kind: int) -> None:
        """Another protection type, while nobody reads or writes. What is beside the blocks stays: see `forget`."""
        self.kind = kind
        for verb in _VERBS:
            if kind:
                self.__dict__.pop(verb, None)
            else:
                self.__dict__[verb] = getattr(self.medium, verb)

    def rules(self, lba: int) -> Rules:
        """What a command knows that brings no expectations of its own."""
        reference = lba & 0xFFFFFFFF if self.kind == 1 else None
        return Rules(self.kind, self.policy.own, reference, tags=self.policy.known())

    # For commands that transfer protection information; in workers

    def fetch(self, offset: int, length: int) -> tuple[memoryview, bytes]:
        """Blocks and their protection information, of one age."""
        data = memoryview(bytearray(length))
        with self.alone(offset, length):
            self.medium.read(offset, data)
            return data, self._recall(offset, length)

    def put(self, offset: int, data: Buffer, information: bytes, durable: bool) -> None:
        """Blocks with their protection information."""
        with self.alone(offset, len(data)):
            self._store(offset, data, information, durable)

    def blank(self, offset: int, length: int, may_discard: bool) -> None:
        """Zeros, not checked."""
        with self.alone(offset, length):
            self.forget(offset, length)
            self._clear(offset, length, may_discard)

    def forget(self, offset: int, length: int) -> None:
        """No protection information any more: not checked."""
        self.companion.zero(offset >> self._shift << 3, length >> self._shift << 3, True)

    @contextmanager
    def alone(self, offset: int, length: int) -> Iterator[None]:
        """Nobody else reads or writes both parts of these blocks meanwhile. Blocks."""
        first, last = offset >> _STRIPE, offset + max(length, 1) - 1 >> _STRIPE
        stripes = range(_STRIPES) if last - first >= _STRIPES else {n % _STRIPES for n in range(first, last + 1)}
        with ExitStack() as stack:
            for stripe in sorted(stripes):
                stack.enter_context(self._locks[stripe])
            yield

    def _recall(self, offset: int, length: int) -> bytes:
        kept = bytearray(length >> self._shift << 3)
        self.companion.read(offset >> self._shift << 3, memoryview(kept))
        return bytes(kept.translate(_INVERSE))

    def _keep(self, offset: int, information: bytes, durable: bool) -> None:
        self.companion.write(offset >> self._shift << 3, information.translate(_INVERSE), durable)

    def _store(self, offset: int, data: Buffer, information: bytes, durable: bool) -> None:
        self._keep(offset, b"\xff" * len(information), durable)
        self.medium.write(offset, data, durable)
        self._keep(offset, information, durable)

    def _clear(self, offset: int, length: int, may_discard: bool) -> None:
        if self.medium.can_zero:
            self.medium.zero(offset, length, may_discard)
            return
        zeros = memoryview(bytes(min(length, _STEP)))
        for at in range(0, length, _STEP):
            self.medium.write(offset + at, zeros[: min(_STEP, length - at)], False)

    # The verbs of a medium with protection information

    def _check(self, offset: int, data: memoryview, information: bytes) -> None:
        lba = offset >> self._shift
        check(self.rules(lba), READ[0], lba, data, information, self.block_size)

    def read_now(self, offset: int, into: memoryview) -> bool:
        """Small reads. What a check finds fault with is looked at again, and reported, by a worker."""
        if len(into) > _AT_ONCE or not self.medium.read_now(offset, into):
            return False
        if self.policy.lenient:
            return True
        kept = bytearray(len(into) >> self._shift << 3)
        if not self.companion.read_now(offset >> self._shift << 3, memoryview(kept)):
            return False
        try:
            self._check(offset, into, bytes(kept.translate(_INVERSE)))
        except CheckCondition:
            return False
        return True

    def write_now(self, offset: int, data: Buffer) -> bool:
        """Two media are too much for the loop thread."""
        return False

    def read(self, offset: int, into: memoryview) -> None:
        self.medium.read(offset, into)
        if self.policy.lenient:
            return
        try:
            self._check(offset, into, self._recall(offset, len(into)))
        except CheckCondition:  # or a write was under way
            with self.alone(offset, len(into)):
                self.medium.read(offset, into)
                self._check(offset, into, self._recall(offset, len(into)))

    def write(self, offset: int, data: Buffer, durable: bool) -> None:
        lba = offset >> self._shift
        self.put(offset, data, generate(self.rules(lba), lba, data, self.block_size), durable)

    def discard(self, offset: int, length: int) -> None:
        with self.alone(offset, length):
            self.forget(offset, length)
            self.medium.discard(offset, length)

    def anchor(self, offset: int, length: int) -> None:
        with self.alone(offset, length):
            self.forget(offset, length)
            self.medium.anchor(offset, length)

    def zero(self, offset: int, length: int, may_discard: bool) -> None:
        unmaps = may_discard and self.can_discard
        with self.alone(offset, length):
            self.forget(offset, length)
            self._clear(offset, length, unmaps)
            if unmaps:
                return
            for at in range(offset, offset + length, _STEP):
                part = bytes(min(_STEP, offset + length - at))
                lba = at >> self._shift
                self._keep(at, generate(self.rules(lba), lba, part, self.block_size), False)

    def flush(self) -> None:
        self.medium.flush()
        self.companion.flush()

    def grow(self, size: int) -> None:
        self.companion.grow(room(size, self.block_size))
        super().grow(size)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.companion.close()
