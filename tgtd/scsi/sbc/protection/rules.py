"""What protection information says by type, and how it is checked and compared (SBC-4 4.21, tables 24 to 133)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

from tgtd.scsi.medium import Buffer
from tgtd.scsi.sbc.protection.guard import guards
from tgtd.scsi.sbc.protection.tags import TagRange, tags_from
from tgtd.scsi.sense import (
    ABORTED_COMMAND,
    MISCOMPARE,
    CheckCondition,
    Sense,
)

SIZE = 8
"""Bytes of protection information for each logical block: guard, application tag, reference tag."""
ESCAPE = 0xFFFF
"""Application tag of a block that is not checked (type 3: together with the reference tag FFFF_FFFFh)."""
NO_REFERENCE = 0xFFFFFFFF
_INFORMATION = struct.Struct(">HHI")

_TEXTS = ("", "guard", "application tag", "reference tag")
CHECK_FAILED = {n: Sense(ABORTED_COMMAND, 0x10, n, f"logical block {_TEXTS[n]} check failed") for n in (1, 2, 3)}
COMPARE_FAILED = {n: Sense(MISCOMPARE, 0x10, n, f"logical block {_TEXTS[n]} check failed") for n in (1, 2, 3)}
_GUARD, _APPLICATION, _REFERENCE = 1, 2, 3


class Checks(NamedTuple):
    """Which of the three fields are looked at."""

    guard: bool
    application: bool
    reference: bool


_ALL, _TAGS, _NONE, _GUARD_ONLY = (
    Checks(True, True, True),
    Checks(False, True, True),
    Checks(False, False, False),
    Checks(True, False, False),
)
READ = {0: _ALL, 1: _ALL, 2: _TAGS, 3: _NONE, 4: _GUARD_ONLY, 5: _ALL}
"""By RDPROTECT, or VRPROTECT and ORPROTECT: what is checked of what the medium holds (tables 67, 125)."""
SENT = {0: _NONE, 1: _ALL, 2: _TAGS, 3: _NONE, 4: _GUARD_ONLY, 5: _ALL}
"""By WRPROTECT, VRPROTECT or ORPROTECT: what is checked of what an initiator sends (tables 68, 127, 133)."""
COMPARED = {0: _NONE, 1: _ALL, 2: _TAGS, 3: _ALL, 4: _ALL, 5: Checks(True, True, False)}
"""By VRPROTECT: what is compared between the two (table 128)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What is known of the tags that one command meets.

    kind: the protection type. own: ATO, application tags are the application client's. reference: of the first block,
    None where nobody knows. tag, mask: of the application tag the bits that are known, if it is the same for all
    blocks; tags: else, by range.
    """

    kind: int
    own: bool
    reference: int | None = None
    tag: int = 0
    mask: int = 0
    tags: tuple[TagRange, ...] = ()

    def escaped(self, application: int, reference: int) -> bool:
        """A block that is not checked (SBC-4 4.21.3)."""
        return application == ESCAPE and (self.kind != 3 or reference == NO_REFERENCE)

    def references(self, first: int) -> Iterator[int]:
        """The tags that follow one another from the first block's on (table 25)."""
        if self.kind == 3:
            return repeat(first)
        return (number & NO_REFERENCE for number in _count(first))

    def applications(self, lba: int) -> Iterator[tuple[int, int]]:
        """What is known of the application tags of the blocks from `lba` on: tag and mask."""
        return tags_from(self.tags, lba) if self.tags else repeat((self.tag, self.mask))


def _count(first: int) -> Iterator[int]:
    while True:
        yield first
        first += 1


def unpack(information: Buffer) -> Iterator[tuple[int, int, int]]:
    """(guard, application tag, reference tag) of each block."""
    return _INFORMATION.iter_unpack(information)


def pack(fields: Sequence[tuple[int, int, int]]) -> bytes:
    """The other way."""
    return b"".join(_INFORMATION.pack(*three) for three in fields)


def generate(rules: Rules, lba: int, data: Buffer, size: int) -> bytes:
    """Protection information for data that came without (WRPROTECT 000b, SBC-4 table 133, footnotes f to h).

    Where application tags are ours they are zero, so that the block is checked; but not with type 2, whose readers
    expect a reference tag that nobody has given.
    """
    application = ESCAPE if rules.own or rules.kind == 2 else 0
    if rules.kind == 1:
        return pack([(crc, application, lba + n & NO_REFERENCE) for n, crc in enumerate(guards(data, size))])
    return pack([(crc, application, NO_REFERENCE) for crc in guards(data, size)])


def check(rules: Rules, checks: Checks, lba: int, data: Buffer, information: Buffer, size: int) -> None:
    """Raises ABORTED COMMAND, naming the first block whose protection information is not as it must be.

    lba: of the first block in `data`; rules.reference belongs to it.
    """
    if checks == _NONE:
        return
    view = memoryview(data)
    expected = None if rules.reference is None or not checks.reference else rules.references(rules.reference)
    tags = rules.applications(lba) if checks.application else repeat((0, 0))
    crcs = guards(view, size) if checks.guard else None
    for n, ((crc, application, reference), (tag, mask)) in enumerate(zip(unpack(information), tags, strict=False)):
        wanted = None if expected is None else next(expected)
        if rules.escaped(application, reference):
            continue
        if crcs is not None and crc != crcs[n]:
            raise CheckCondition(CHECK_FAILED[_GUARD], information=lba + n)
        if (application ^ tag) & mask:
            raise CheckCondition(CHECK_FAILED[_APPLICATION], information=lba + n)
        if wanted is not None and reference != wanted:
            raise CheckCondition(CHECK_FAILED[_REFERENCE], information=lba + n)


def compare(rules: Rules, checks: Checks, lba: int, found: Buffer, sent: Buffer) -> None:
    """Raises MISCOMPARE where the medium's protection information is not what was sent (table 128)."""
    references = checks.reference and (rules.kind != 3 or rules.own)
    tags = rules.applications(lba) if checks.application and rules.own else repeat((0, 0))
    both = zip(unpack(found), unpack(sent), strict=True)
    for n, ((one, other), (_, mask)) in enumerate(zip(both, tags, strict=False)):
        if rules.escaped(*one[1:]) or rules.escaped(*other[1:]):
            continue
        if checks.guard and one[0] != other[0]:
            raise CheckCondition(COMPARE_FAILED[_GUARD], information=lba + n)
        if (one[1] ^ other[1]) & mask:
            raise CheckCondition(COMPARE_FAILED[_APPLICATION], information=lba + n)
        if references and one[2] != other[2]:
            raise CheckCondition(COMPARE_FAILED[_REFERENCE], information=lba + n)
