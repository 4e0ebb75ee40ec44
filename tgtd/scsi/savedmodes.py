"""The saved values of mode parameters, and what becomes of the current ones at a reset (SPC-5 5.10, 6.13).

A saved value is kept as what an initiator chose instead of the default. When the administrator changes that default
afterwards, his word is the later one, and the value counts no longer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tgtd.scsi.mode import ModeField, ModePage
    from tgtd.scsi.spc.unit import PrimaryUnit

MEMORY = "mode pages"
"""The name under which a unit's memory has them."""

Choice = tuple[int, int]
"""The value, and the default that it was chosen instead of."""


def load(text: bytes | None) -> dict[str, Choice]:
    """What `encode` has written; None: nothing was ever saved."""
    if text is None:
        return {}
    return {str(name): (int(value), int(default)) for name, (value, default) in json.loads(text).items()}


def encode(choices: Mapping[str, Choice]) -> bytes | None:
    return json.dumps(choices, sort_keys=True).encode() if choices else None


def name_of(page: ModePage, field: ModeField) -> str:
    return f"{page.code:02x}/{page.subpage:02x} {field.name}"


def saved_value(unit: PrimaryUnit, page: ModePage, field: ModeField) -> int:
    """The value that a field has after a reset."""
    default = page.default_of(unit, field)
    value, instead_of = unit.saved_modes.get(name_of(page, field), (default, default))
    return value if instead_of == default and field.changes(unit) else default


def _savable(unit: PrimaryUnit) -> Iterator[tuple[ModePage, ModeField]]:
    """What can be saved, of what initiators can change on this unit."""
    for page in unit.mode_pages:
        if page.savable:
            yield from ((page, field) for field in page.fields if field.changes(unit))


def choices_of(unit: PrimaryUnit, changes: Mapping[str, int]) -> dict[str, Choice]:
    """All that is to be saved when these fields get these values: what differs from its default (SPC-5 6.13: SP saves
    every page that can be saved). What this unit cannot change at present stays saved as it is."""
    kept = dict(unit.saved_modes)
    for page, field in _savable(unit):
        name, default = name_of(page, field), page.default_of(unit, field)
        value = changes.get(name, field.value(unit))
        kept.pop(name, None)
        if value != default:
            kept[name] = (value, default)
    return kept


def restore(unit: PrimaryUnit, defaults: bool = False) -> tuple[bool, bool]:
    """Make the saved values current, or the default ones. Returns whether any changed, and whether what was
    acknowledged before has to go to the medium now."""
    changed = flush = False
    for page, field in _savable(unit):
        value = page.default_of(unit, field) if defaults else saved_value(unit, page, field)
        if field.change is not None and value != field.value(unit):
            changed = True
            flush |= field.change(unit, value) is not None
    return changed, flush
