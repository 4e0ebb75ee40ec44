"""The recording formats of a tape drive of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tgtd.config.document import Document
from tgtd.config.model import TapeFormat
from tgtd.config.positions import Path

_KEYS = TapeFormat.__dataclass_fields__


def tape_formats(document: Document, place: Path, rows: Sequence[Mapping[str, Any]]) -> tuple[TapeFormat, ...]:
    """rows: the tables at `place`, with defaults. Two of one code are complained of."""
    found: dict[int, TapeFormat] = {}
    for index, row in enumerate(rows):
        if any(row.get(key) is None for key in _KEYS):
            continue  # what is missing has been complained of
        one = TapeFormat(**{key: row[key] for key in _KEYS})
        if one.code in found:
            document.complain(
                (*place, index, "code"),
                f"{one.name} and {found[one.code].name} have one code",
                "give each format a code of its own",
            )
        found.setdefault(one.code, one)
    return tuple(found.values())
