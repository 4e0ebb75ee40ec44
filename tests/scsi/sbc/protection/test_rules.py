"""tgtd.scsi.sbc.protection.rules: the tables of SBC-4, field by field."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgtd.scsi.sbc.protection.guard import guard
from tgtd.scsi.sbc.protection.rules import (
    COMPARED,
    READ,
    SENT,
    Checks,
    Rules,
    check,
    compare,
    generate,
    pack,
    unpack,
)
from tgtd.scsi.sense import CheckCondition

BLOCK = bytes(range(256)) * 2
CRC = guard(BLOCK)
GUARD, APPLICATION, REFERENCE = (0xB, 0x10, 1), (0xB, 0x10, 2), (0xB, 0x10, 3)


def found(rules: Rules, checks: Checks, *fields: tuple[int, int, int], lba: int = 7) -> tuple[int, ...] | None:
    """What `check` says of blocks with these fields: sense and LBA."""
    try:
        check(rules, checks, lba, BLOCK * len(fields), pack(fields), 512)
    except CheckCondition as trouble:
        return (*trouble.sense[:3], trouble.information or -1)
    return None


@pytest.mark.parametrize(
    ("protect", "seen"),
    [(0, "gar"), (1, "gar"), (2, "ar"), (3, ""), (4, "g"), (5, "gar")],
)
def test_what_is_read(protect: int, seen: str) -> None:
    """SBC-4 table of RDPROTECT, with all three of GRD_CHK, APP_CHK and REF_CHK."""
    rules = Rules(1, True, 7, 0x1200, 0xFF00)
    good = (CRC, 0x1234, 7)
    assert found(rules, READ[protect], good) is None
    assert found(rules, READ[protect], (CRC ^ 1, *good[1:])) == ((*GUARD, 7) if "g" in seen else None)
    assert found(rules, READ[protect], (CRC, 0x1334, 7)) == ((*APPLICATION, 7) if "a" in seen else None)
    assert found(rules, READ[protect], (CRC, 0x1234, 8)) == ((*REFERENCE, 7) if "r" in seen else None)


def test_what_is_sent_is_checked_alike() -> None:
    assert {protect: SENT[protect] for protect in range(1, 6)} == {protect: READ[protect] for protect in range(1, 6)}
    assert not any(SENT[0])


def test_reference_tags_by_type() -> None:
    """Type 1 counts from the LBA, type 2 from what was expected, type 3 is nobody's business."""
    three = [(CRC, 0, number) for number in (0xFFFFFFFF, 0, 1)]
    assert found(Rules(1, False, 0xFFFFFFFF), READ[1], *three) is None
    assert found(Rules(2, False, 0xFFFFFFFF), READ[1], *three) is None
    assert found(Rules(2, False, 0xFFFFFFFE), READ[1], *three) == (*REFERENCE, 7)
    assert found(Rules(2, False, 0xFFFFFFFF), READ[1], *three[:2], (CRC, 0, 2)) == (*REFERENCE, 9)
    assert found(Rules(2, False), READ[1], *reversed(three)) is None
    assert found(Rules(3, False), READ[1], *reversed(three)) is None


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_escapes(kind: int) -> None:
    """Application tag FFFFh; with type 3 only together with the reference tag."""
    rules = Rules(kind, False, 7 if kind < 3 else None)
    assert found(rules, READ[1], (CRC ^ 1, 0xFFFF, 0xFFFFFFFF)) is None
    assert found(rules, READ[1], (CRC ^ 1, 0xFFFF, 99)) == ((*GUARD, 7) if kind == 3 else None)
    assert found(rules, READ[1], (CRC ^ 1, 0xFFFE, 0xFFFFFFFF)) == (*GUARD, 7)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("own", [False, True])
def test_what_is_made(kind: int, own: bool) -> None:
    """Footnotes f to h of the WRPROTECT table."""
    made = list(unpack(generate(Rules(kind, own), 0xFFFFFFFF, BLOCK * 2, 512)))
    tag = 0xFFFF if own or kind == 2 else 0
    references = (0xFFFFFFFF, 0) if kind == 1 else (0xFFFFFFFF, 0xFFFFFFFF)
    assert made == [(CRC, tag, references[0]), (CRC, tag, references[1])]


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)), max_size=5))
def test_the_layout(fields: list[tuple[int, int, int]]) -> None:
    """SBC-4 table 22, big-endian."""
    assert pack(fields) == b"".join(struct.pack(">HHI", *three) for three in fields)
    assert list(unpack(pack(fields))) == fields


def compared(
    rules: Rules, checks: Checks, one: tuple[int, int, int], other: tuple[int, int, int]
) -> tuple[int, ...] | None:
    try:
        compare(rules, checks, 5, pack([one]), pack([other]))
    except CheckCondition as trouble:
        return (*trouble.sense[:3], trouble.information or -1)
    return None


@pytest.mark.parametrize(("protect", "seen"), [(0, ""), (1, "gar"), (2, "ar"), (3, "gar"), (4, "gar"), (5, "ga")])
def test_what_is_compared(protect: int, seen: str) -> None:
    """SBC-4 table 128; application tags where they are known and the application client's."""
    held = (1, 0x12, 7)
    others = {"g": (2, 0x12, 7), "a": (1, 0x13, 7), "r": (1, 0x12, 8)}
    for field, number in (("g", 1), ("a", 2), ("r", 3)):
        for rules, differs in (
            (Rules(2, True, 7, 0x12, 0xFFFF), field in seen),
            (Rules(2, False, 7), field in seen and field != "a"),
            (Rules(3, False), field in seen and field == "g"),
        ):
            expected = (0xE, 0x10, number, 5) if differs else None
            assert compared(rules, COMPARED[protect], held, others[field]) == expected
    compare(Rules(2, True, 7), COMPARED[1], 5, pack([(9, 0xFFFF, 9)]), pack([held]))
