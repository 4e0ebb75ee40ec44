"""What unruly initiators send, by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.scsi.reserving import (
    CLEAR,
    IGNORE,
    PREEMPT,
    PREEMPT_AND_ABORT,
    REGISTER,
    RELEASE,
    RESERVE,
    Sent,
    out,
)


def cdb_within(
    chance: random.Random, opcode: int, action: int | None, usage: bytes, values: Sequence[int]
) -> bytearray:
    """A CDB within a row's usage mask. values: of its bytes, often."""
    cdb = bytearray(chance.choice((*values, chance.randrange(256))) & mask for mask in usage)
    cdb[0] = opcode
    if opcode == 0x7F:
        cdb[7:10] = bytes((len(usage) - 8,)) + usage[8:10]
    elif action is not None:
        cdb[1] = cdb[1] & 0xE0 | action
    return cdb


def clear_control(cdb: bytearray) -> bytes:
    """Without the CONTROL byte: with an ACA hardly anything would be let through."""
    cdb[1 if cdb[0] == 0x7F else -1] = 0
    return bytes(cdb)


def reserving(chance: random.Random, key: int, victims: Sequence[int]) -> Sent:
    """A change of persistent reservations. victims: keys of those who may be preempted."""
    kind, victim = chance.choice((1, 3, 5, 6, 7, 8)), chance.choice(victims)
    return chance.choice(
        (
            out(REGISTER, 0, key),
            out(IGNORE, 0, key),
            out(RESERVE, key, 0, kind),
            out(RELEASE, key, 0, kind),
            out(PREEMPT, key, victim, kind),
            out(PREEMPT_AND_ABORT, key, victim, kind),
            out(CLEAR, key),
        )
    )
