"""ROD tokens: tickets for the data that blocks of a disk hold at one moment (SPC-5 5.18.5, SBC-4 4.28).

Of the type "point in time copy - change vulnerable": no copy is made, so a command that writes to the blocks cancels
the token before it writes. A token is known by all of its bytes, some of which cannot be guessed. Tokens are lost with
the process.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tgtd.scsi.sense import (
    INSUFFICIENT_TOKEN_RESOURCES,
    TOKEN_EXPIRED,
    TOKEN_UNKNOWN,
    CheckCondition,
    Sense,
)

if TYPE_CHECKING:
    from tgtd.scsi.copy.office import End
    from tgtd.scsi.sbc.disk import Disk

MOST = 1024
"""Tokens of one process, and as many that were and are not any more."""
SIZE = 512
MANAGED = 96
"""Bytes of a token by which it may be spoken of without handing it over (SPC-5 6.30)."""
CHANGE_VULNERABLE, BLOCK_ZERO = 0x0080_0001, 0xFFFF_0001
MOST_BYTES, OPTIMAL_BYTES = 16 << 30, 256 << 20
"""What one token stands for."""
DEFAULT_TIMEOUT, LONGEST_TIMEOUT = 60, 600
"""Seconds that a token lives without being used."""

_LENGTH = SIZE - 8
_SECRET = 64


class Token:
    """data: what is handed over. source: the disk, as its maker reaches it. runs: (first block, blocks).

    end: why it cannot be used any more. users: copies from it that run.
    """

    def __init__(self, source: End, runs: tuple[tuple[int, int], ...], timeout: int, number: int) -> None:
        self.source = source
        self.runs = runs
        self.timeout = timeout
        self.block_size = source.disk.block_size
        self.end: Sense | None = None
        self.users = 0
        self.used = 0.0
        self.data = _compose(source.disk, number, self.length)

    @property
    def length(self) -> int:
        """Bytes."""
        return sum(count for _, count in self.runs) * self.block_size

    def touches(self, lba: int, count: int) -> bool:
        return any(lba < first + length and first < lba + count for first, length in self.runs)

    def demand(self) -> None:
        """Raises why it cannot be used any more."""
        if self.end is not None:
            raise CheckCondition(self.end)


def _compose(disk: Disk, number: int, length: int) -> bytes:
    """SPC-5 5.18.5.4: type, length, number, the creator as a CSCD descriptor, bytes; then what cannot be guessed."""
    wwid = disk.identity.wwid
    creator = struct.pack(">BBHBBxB", 0xE4, 0, 0, 1, 3, len(wwid)) + wwid.ljust(20, b"\0")
    creator += struct.pack(">I", disk.block_size)
    head = struct.pack(">IxxHQ", CHANGE_VULNERABLE, _LENGTH, number) + creator + length.to_bytes(16, "big")
    return (head.ljust(128, b"\0") + os.urandom(_SECRET)).ljust(SIZE, b"\0")


class Tokens:
    """The tokens of one process. clock: seconds, never going back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._live: dict[bytes, Token] = {}
        self._ended: dict[bytes, Sense] = {}
        self._number = 0

    def issue(self, source: End, runs: tuple[tuple[int, int], ...], timeout: int) -> Token:
        """A new token, watched over by its disk. Raises INSUFFICIENT RESOURCES TO CREATE ROD TOKEN."""
        self.expire()
        if len(self._live) >= MOST:
            raise CheckCondition(INSUFFICIENT_TOKEN_RESOURCES)
        self._number += 1
        token = Token(source, runs, timeout or DEFAULT_TIMEOUT, self._number)
        token.used = self._clock()
        self._live[token.data] = token
        source.disk.copies.watch(token)
        return token

    def find(self, data: bytes) -> Token:
        """Raises TOKEN UNKNOWN, or what has become of it."""
        self.expire()
        token = self._live.get(data)
        if token is None:
            raise CheckCondition(self._ended.get(data, TOKEN_UNKNOWN))
        return token

    def of(self, disk: Disk) -> Iterator[Token]:
        self.expire()
        return (token for token in list(self._live.values()) if token.source.disk is disk)

    def begin(self, token: Token) -> None:
        """A copy from it begins: it does not expire meanwhile."""
        token.users += 1

    def finish(self, token: Token) -> None:
        token.users -= 1
        token.used = self._clock()

    def drop(self, token: Token, why: Sense) -> None:
        """It cannot be used any more, not even by a copy that runs."""
        if self._live.pop(token.data, None) is None:
            return
        token.end = why
        token.source.disk.copies.unwatch(token)
        self._ended[token.data] = why
        if len(self._ended) > MOST:
            del self._ended[next(iter(self._ended))]

    def expire(self) -> None:
        """Those that nobody has used for so long."""
        now = self._clock()
        for token in list(self._live.values()):
            if not token.users and now - token.used > token.timeout:
                self.drop(token, TOKEN_EXPIRED)
