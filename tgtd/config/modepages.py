"""What an administrator may set in mode pages: `[[target.lun.mode_page]]`.

Of a page that the disk has, the defaults of the fields that initiators may change; what its other bits say is so, and
keys of their own decide some of it. A page that the disk does not have is shown as it is given, for initiators that
look for one. Data only; a test holds it to the rows of the pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.config.document import Document
from tgtd.config.model import ModePage
from tgtd.config.positions import Path
from tgtd.config.problem import Mistake

LONGEST_SHORT = 255
"""Bytes in a page without a subpage code: PAGE LENGTH has one byte (SPC-5 7.5.7)."""


@dataclass(frozen=True, slots=True)
class Field:
    """byte, bit: as the standard counts, bit being the lowest. values: the ones that mean something."""

    name: str
    byte: int
    bit: int
    width: int
    values: tuple[int, ...]

    def of(self, page: bytes) -> int:
        return page[self.byte] >> self.bit & (1 << self.width) - 1


@dataclass(frozen=True, slots=True)
class Known:
    """fixed: the whole page with its fields zero, and zero too where each disk fills in what it finds: those bytes are
    `own`."""

    name: str
    fixed: bytes
    fields: tuple[Field, ...]
    own: tuple[int, ...] = ()


SETTABLE: Mapping[tuple[int, int], Known] = {
    (0x0A, 0): Known(
        "control",
        bytes.fromhex("0A0A 00100000 0000 0000 0000"),
        (
            Field("TST", 2, 5, 3, (0, 1)),
            Field("D_SENSE", 2, 2, 1, (0, 1)),
            Field("NUAR", 3, 3, 1, (0, 1)),
            Field("QERR", 3, 1, 2, (0, 1, 3)),
            Field("UA_INTLCK_CTRL", 4, 4, 2, (0, 2, 3)),
            Field("SWP", 4, 3, 1, (0, 1)),
            Field("TAS", 5, 6, 1, (0, 1)),
        ),
        own=(10, 11),
    ),
}
"""By page and subpage code."""

_AS_IT_IS = "says what the disk does, and none of it can be set"
PERFORMED: Mapping[tuple[int, int], tuple[str, str]] = {
    (0x01, 0): (_AS_IT_IS, "remove it"),
    (0x02, 0): (_AS_IT_IS, "remove it; iSCSI negotiates its own, see [target.iscsi]"),
    (0x08, 0): ("is decided by write_cache (WCE)", "set write_cache of the lun instead"),
    (0x0A, 0x01): (_AS_IT_IS, "remove it"),
    (0x0A, 0x02): ("is for initiators to set, on disks with protection information", "remove it"),
    (0x1A, 0): (_AS_IT_IS, "remove it"),
    (0x1C, 0): (_AS_IT_IS, "remove it"),
    (0x1C, 0x02): ("is decided by pool_warning", "set pool_warning of the lun instead"),
}
"""Pages that the disk has and that are not for the administrator to write: why, and what to do instead."""


def mode_pages(document: Document, path: Path, tables: list[dict[str, Any] | None]) -> Iterator[ModePage]:
    """The pages of a LUN, in the order of their codes; complains about what cannot be."""
    found: dict[tuple[int, int], ModePage] = {}
    for index, table in enumerate(tables):
        if table is None or "page" not in table or "bytes" not in table:
            continue
        place = (*path, index)
        page = ModePage(table["page"], table.get("subpage", 0), bytes.fromhex(table["bytes"]))
        key = (page.page, page.subpage)
        if key in found:
            document.complain((*place, "page"), f"the lun has another mode_page {_name(page)}", "remove one of the two")
            continue
        if key in PERFORMED:
            why, fix = PERFORMED[key]
            document.complain((*place, "page"), f"page {_name(page)} {why}", fix)
            continue
        try:
            check(page)
        except Mistake as mistake:
            document.complain((*place, "bytes"), str(mistake), mistake.fix)
            continue
        found[key] = page
    yield from (found[key] for key in sorted(found))


def check(page: ModePage) -> None:
    """Raises Mistake."""
    known = SETTABLE.get((page.page, page.subpage))
    if known is None:
        if not page.subpage and len(page.parameters) > LONGEST_SHORT:
            raise Mistake(f"{len(page.parameters)} bytes are too many", f"write at most {LONGEST_SHORT} bytes")
        return
    header = 4 if page.subpage else 2
    whole = known.fixed[:header] + page.parameters
    if len(whole) != len(known.fixed):
        raise Mistake(
            f"the {known.name} page has {len(known.fixed) - header} bytes after its header of {header}, "
            f"not {len(page.parameters)}",
            f"write as many, such as {known.fixed[header:].hex(' ')}",
        )
    rest = bytearray(whole)
    for field in known.fields:
        if field.of(whole) not in field.values:
            able = ", ".join(map(str, field.values))
            raise Mistake(f"{field.name} in byte {field.byte} cannot be {field.of(whole)}", f"use one of {able}")
        rest[field.byte] &= ~((1 << field.width) - 1 << field.bit)
    for at, (now, must) in enumerate(zip(rest, known.fixed, strict=True)):
        if now != must:
            able = ", ".join(field.name for field in known.fields)
            raise Mistake(
                f"byte {at} of the {known.name} page says what the disk does: 0x{must:02x} but for the fields that can "
                f"be set, which are {able}",
                f"write 0x{must:02x} there, with the bits of those fields that you want",
            )


def _name(page: ModePage) -> str:
    return f"0x{page.page:02x}" + (f" with subpage 0x{page.subpage:02x}" if page.subpage else "")
