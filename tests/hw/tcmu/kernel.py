"""The kernel's side of a TCMU ring, as drivers/target/target_core_user.c keeps it, on plain memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

START = 128
ALL = 0b1111
"""Every capability: out of order, READ_LEN, TMR, KEEP_BUF."""
PAGE = 4096


class Answer(NamedTuple):
    status: int
    sense: bytes
    length: int | None
    """READ_LEN; None when the flag is not set or the length is 0, which the kernel takes for all."""
    kept: bool
    data: bytes


@dataclass
class Kernel:
    """A ring of `size` bytes, and `pages` of data area. answers: by command, as they were seen."""

    size: int = 4096
    pages: int = 16
    flags: int = ALL
    version: int = 2
    answers: dict[int, Answer] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)
    """Numbers of entries that came back with UNKNOWN_OP."""

    def __post_init__(self) -> None:
        self.data = START + self.size
        self.raw = bytearray(self.data + self.pages * PAGE)
        self.memory = memoryview(self.raw)
        struct.pack_into("=HHIII", self.raw, 0, self.version, self.flags, START, self.size, 0)
        self.cleaned = 0
        self.used = [False] * self.pages
        self.commands: dict[int, tuple[list[int], int]] = {}
        """By number: its pages, and its length."""
        self.kept: dict[int, list[int]] = {}

    @property
    def head(self) -> int:
        return int(struct.unpack_from("=I", self.raw, 12)[0])

    @head.setter
    def head(self, value: int) -> None:
        struct.pack_into("=I", self.raw, 12, value)

    @property
    def tail(self) -> int:
        return int(struct.unpack_from("=I", self.raw, 64)[0])

    def space(self) -> int:
        return (self.cleaned - self.head - 1) % self.size

    def _begin(self, length: int, kind: int) -> int | None:
        """Room for an entry, behind a PAD if it would cross the end; where it is, None when there is no room."""
        left = self.size - self.head
        if self.space() < (length if left >= length else length + left):
            return None
        if left < length:
            struct.pack_into("=IHBB", self.raw, START + self.head, left, 0, 0, 0)
            self.head = 0
        at = START + self.head
        self.raw[at : at + length] = bytes(length)
        struct.pack_into("=I", self.raw, at, length | kind)
        self.head = (self.head + length) % self.size
        return at

    def _number(self) -> int:
        taken = self.commands.keys() | self.kept.keys()
        return next(number for number in range(1, 1 << 16) if number not in taken)

    def put(self, cdb: bytes, out: bytes | None = None, room: int = 0, scattered: bool = False) -> int | None:
        """A command with data-out, or room for data-in; its number, None when there is no room for it.

        scattered: no two pages of it are neighbours.
        """
        length = len(out) if out is not None else room
        count = -(-length // PAGE)
        step = 2 if scattered else 1
        run = self._free_run(count, step)
        if run is None:
            return None
        iovecs = (
            [(run[0], length)]
            if count and step == 1
            else [(p, min(PAGE, length - i * PAGE)) for i, p in enumerate(run)]
        )
        base = max(48 + 16 * len(iovecs), 112)
        at = self._begin(base + (len(cdb) + 7) // 8 * 8, 1)
        if at is None:
            return None
        number = self._number()
        for page in run:
            self.used[page] = True
        struct.pack_into("=H", self.raw, at + 4, number)
        struct.pack_into("=IIIxxxxQ", self.raw, at + 8, len(iovecs), 0, 0, at + base)
        for index, (page, piece) in enumerate(iovecs):
            struct.pack_into("=QQ", self.raw, at + 48 + 16 * index, self.data + page * PAGE, piece)
        self.raw[at + base : at + base + len(cdb)] = cdb
        self.commands[number] = (run, length)
        if out is not None:
            for index, page in enumerate(run):
                piece_of = out[index * PAGE : (index + 1) * PAGE]
                start = self.data + page * PAGE
                self.raw[start : start + len(piece_of)] = piece_of
        return number

    def _free_run(self, count: int, step: int) -> list[int] | None:
        for first in range(self.pages):
            run = list(range(first, first + count * step, step))
            if all(page < self.pages and not self.used[page] for page in run):
                return run
        return None

    def put_management(self, function: int, numbers: tuple[int, ...] = ()) -> int | None:
        length = (32 + 2 * len(numbers) + 7) // 8 * 8
        at = self._begin(length, 2)
        if at is not None:
            struct.pack_into(f"=BxxxI16x{len(numbers)}H", self.raw, at + 8, function, len(numbers), *numbers)
        return at

    def put_unknown(self, kind: int = 5, length: int = 64) -> int | None:
        return self._begin(length, kind)

    def reap(self) -> list[int]:
        """What the kernel does when it is told: the numbers of the commands that were answered."""
        seen: list[int] = []
        while self.cleaned != self.tail:
            at = START + self.cleaned
            word, number, _, flags = struct.unpack_from("=IHBB", self.raw, at)
            kind, length = word & 7, word & ~7
            if kind == 1:
                self._answered(at, number, flags)
                seen.append(number)
            elif kind > 2:
                assert flags & 1, "an entry of a kind that nobody knows was not marked"
                self.unknown.append(kind)
            self.cleaned = (self.cleaned + length) % self.size
        return seen

    def _answered(self, at: int, number: int, flags: int) -> None:
        assert number in self.commands, f"command {number} is not under way: the ring would be broken"
        status, length = struct.unpack_from("=BxxxI", self.raw, at + 8)
        pages, asked = self.commands.pop(number)
        known = length if flags & 2 and length else None
        data = b"".join(bytes(self.raw[self.data + p * PAGE : self.data + (p + 1) * PAGE]) for p in pages)[:asked]
        sense = bytes(self.raw[at + 16 : at + 112])
        self.answers[number] = Answer(status, sense, known, bool(flags & 4), data if known is None else data[:known])
        if flags & 4:
            self.kept[number] = pages
        else:
            self._free(pages)

    def reset(self) -> None:
        """As action/reset_ring does it: commands end, the ring is empty. What lies in it stays."""
        for pages, _ in self.commands.values():
            self._free(pages)
        self.commands.clear()
        self.head = self.cleaned = 0
        struct.pack_into("=I", self.raw, 64, 0)

    def give_back(self, number: int) -> None:
        self._free(self.kept.pop(number))

    def _free(self, pages: list[int]) -> None:
        for page in pages:
            self.used[page] = False
            start = self.data + page * PAGE
            self.raw[start : start + PAGE] = b"\xa5" * PAGE
