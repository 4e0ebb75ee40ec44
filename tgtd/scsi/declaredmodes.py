"""Mode pages that the administrator declares: defaults of what can be changed, and pages that the unit has not."""

from __future__ import annotations

from collections.abc import Iterable

from tgtd.scsi.mode import ModeField, ModePage
from tgtd.scsi.savedmodes import restore
from tgtd.scsi.spc.unit import PrimaryUnit

Declared = tuple[int, int, bytes]
"""Page code, subpage code, and what follows the header."""


def declare(unit: PrimaryUnit, pages: Iterable[Declared]) -> bool:
    """Make these the declared pages, and the saved or else default values current. Returns whether what was
    acknowledged before has to go to the medium now."""
    own = type(unit).mode_pages
    unit.declared_modes = {(code, subpage): parameters for code, subpage, parameters in pages}
    known = {(page.code, page.subpage) for page in own}
    more = [_page(*key, parameters) for key, parameters in unit.declared_modes.items() if key not in known]
    unit.mode_pages = tuple(sorted((*own, *more), key=lambda page: (page.code, page.subpage)))
    return restore(unit)[1]


def _page(code: int, subpage: int, parameters: bytes) -> ModePage:
    """A page that is shown as it is."""
    start = 4 if subpage else 2
    value = int.from_bytes(parameters, "big")
    whole = ModeField(start, 0, 8 * len(parameters), "declared", lambda _: value, lambda _: value)
    return ModePage(code, subpage, "declared", start + len(parameters), (whole,))
