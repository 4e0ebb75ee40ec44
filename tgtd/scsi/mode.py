"""Mode parameters: one row per page and field, and the commands that show and change them (SPC-5 6.13 to 6.16, 7.5).

A field knows where it lies, what it is worth now and by default, and how it is changed. A field without `change` is not
changeable; one with it can be saved, too (savedmodes.py), unless its page says otherwise. Does no I/O: a change that
needs some names the work, and the command ends when a worker has done it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tgtd.scsi.medium import Work
from tgtd.scsi.savedmodes import MEMORY, Choice, choices_of, encode, name_of, saved_value
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    MODE_PARAMETERS_CHANGED,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.keeping import keep
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.scsi.task import Task

CURRENT, CHANGEABLE, DEFAULT, SAVED = range(4)
"""PC field (SPC-5 6.14.1.2)."""

NO_PAGE = 0x00
ALL_PAGES = 0x3F
ALL_SUBPAGES = 0xFF

_PF, _RTD, _SP = 0x10, 0x02, 0x01


def _always(unit: Any) -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class ModeField:
    """A field of a mode page. byte: the first one that it lies in; bit: the lowest, in the last one.

    value, default: asked with the unit. change: called with the unit and the new value; may return blocking work that
    must be done before the command ends. changeable: whether this unit lets it be changed. values: the only ones
    that it can be changed to; None: any.
    """

    byte: int
    bit: int
    width: int
    name: str
    value: Callable[[Any], int]
    default: Callable[[Any], int]
    change: Callable[[Any, int], Work | None] | None = None
    changeable: Callable[[Any], bool] = _always
    values: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """How many bytes it lies in."""
        return (self.bit + self.width + 7) // 8

    @property
    def mask(self) -> int:
        return (1 << self.width) - 1

    def changes(self, unit: PrimaryUnit) -> bool:
        """Whether initiators may change it on this unit."""
        return self.change is not None and self.changeable(unit)

    @property
    def declarable(self) -> bool:
        """Whether the administrator may set its default in a mode page. What a unit can do only now and then has a key
        of its own."""
        return self.change is not None and self.changeable is _always

    def read(self, page: bytes) -> int:
        """Its value in a page."""
        return int.from_bytes(page[self.byte : self.byte + self.size], "big") >> self.bit & self.mask

    def write(self, page: bytearray, value: int) -> None:
        """Put it into a page in which its bits are zero."""
        place = slice(self.byte, self.byte + self.size)
        bits = int.from_bytes(page[place], "big") | (value & self.mask) << self.bit
        page[place] = bits.to_bytes(self.size, "big")


def constant(byte: int, bit: int, width: int, name: str, value: int) -> ModeField:
    """A field that is always worth the same."""
    return ModeField(byte, bit, width, name, value=lambda _: value, default=lambda _: value)


@dataclass(frozen=True, slots=True, eq=False)
class ModePage:
    """A mode page. length: of the whole page in bytes, header included. subpage 0: the page_0 format.

    common: MLUS of the mode page policy, its parameters are those of the target port and all its logical units
    (SPC-5 7.7.9). savable: what can be changed can be saved, and a reset makes the saved values current; false where
    it is about the medium that happens to be there. available: None, or asked with the unit: false
    hides the page. apart: it is not among all pages (3Fh), but there for who asks for it. wrong: asked with the unit
    and a page that somebody wants to be in force instead of the one that is, whose fields are right by themselves: byte
    and bit of what does not go together, if anything.
    """

    code: int
    subpage: int
    name: str
    length: int
    fields: tuple[ModeField, ...]
    common: bool = False
    savable: bool = True
    available: Callable[[Any], bool] | None = None
    apart: bool = False
    wrong: Callable[[Any, bytes], tuple[int, int] | None] | None = None

    def offered(self, unit: PrimaryUnit) -> bool:
        return self.available is None or self.available(unit)

    def header(self) -> bytes:
        """SPC-5 7.5.7, with PS zero."""
        if self.subpage:
            return struct.pack(">BBH", 0x40 | self.code, self.subpage, self.length - 4)
        return bytes((self.code, self.length - 2))

    def encode(self, unit: PrimaryUnit, control: int) -> bytes:
        """The page for a PC value."""
        page = bytearray(self.length)
        header = self.header()
        page[: len(header)] = header
        for field in self.fields:
            field.write(page, self._value(unit, field, control))
        if self.savable and any(field.changes(unit) for field in self.fields):
            page[0] |= 0x80  # PS
        return bytes(page)

    def _value(self, unit: PrimaryUnit, field: ModeField, control: int) -> int:
        if control == CHANGEABLE:
            return field.mask if field.changes(unit) else 0
        if control == CURRENT:
            return field.value(unit)
        return self.default_of(unit, field) if control == DEFAULT else saved_value(unit, self, field)

    def default_of(self, unit: PrimaryUnit, field: ModeField) -> int:
        """A field's default value: the administrator's, or our own."""
        declared = unit.declared_modes.get((self.code, self.subpage))
        if declared is None or not field.declarable:
            return field.default(unit)
        return field.read(self.header() + declared)


ModeChange = tuple[ModePage, ModeField, int]
"""A field that can be changed, and the value that it is to have."""


def mode_sense_6(unit: PrimaryUnit, task: Task) -> int:
    """MODE SENSE(6) (SPC-5 6.15)."""
    cdb = task.cdb
    pages = _pages(unit, cdb)
    descriptors = b"" if cdb[1] & 0x08 else _block_descriptor(unit, long=False)
    length = 3 + len(descriptors) + len(pages)
    if length > 0xFF:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=5)
    header = bytes((length, unit.medium_type(), unit.device_specific(), len(descriptors)))
    task.data_in = (header + descriptors + pages)[: cdb[4]]
    return GOOD


def mode_sense_10(unit: PrimaryUnit, task: Task) -> int:
    """MODE SENSE(10) (SPC-5 6.16); LLBAA allows the long LBA block descriptor."""
    cdb = task.cdb
    pages = _pages(unit, cdb)
    long = bool(cdb[1] & 0x10)
    descriptors = b"" if cdb[1] & 0x08 else _block_descriptor(unit, long)
    header = struct.pack(
        ">HBBBxH",
        6 + len(descriptors) + len(pages),
        unit.medium_type(),
        unit.device_specific(),
        int(long and bool(descriptors)),
        len(descriptors),
    )
    task.data_in = (header + descriptors + pages)[: int.from_bytes(cdb[7:9], "big")]
    return GOOD


def _pages(unit: PrimaryUnit, cdb: bytes) -> bytes:
    """The pages that byte 2 and the subpage code ask for."""
    control, code, subpage = cdb[2] >> 6, cdb[2] & 0x3F, cdb[3]
    if unit.bare_modes and code == NO_PAGE and subpage == 0:
        return b""
    offered = [page for page in unit.mode_pages if page.offered(unit)]
    asked = [page for page in offered if code == page.code or (code == ALL_PAGES and not page.apart)]
    found = [page for page in asked if subpage in (page.subpage, ALL_SUBPAGES)]
    if not found or (code == ALL_PAGES and subpage not in (0, ALL_SUBPAGES)):
        known = code == ALL_PAGES or any(page.code == code for page in offered)
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3 if known else 2, bit=7 if known else 5)
    return b"".join(page.encode(unit, control) for page in found)


def _block_descriptor(unit: PrimaryUnit, long: bool) -> bytes:
    """SBC-4 6.5.2: short or long LBA mode parameter block descriptor."""
    geometry = unit.block_geometry()
    if geometry is None:
        return b""
    blocks, size = geometry
    if long:
        return struct.pack(">Q4xI", blocks, size)
    return struct.pack(">II", min(blocks, 0xFFFFFFFF), size)


def select_length_6(unit: PrimaryUnit, cdb: bytes) -> int:
    return cdb[4]


def select_length_10(unit: PrimaryUnit, cdb: bytes) -> int:
    return int.from_bytes(cdb[7:9], "big")


def mode_select_6(unit: PrimaryUnit, task: Task) -> int:
    """MODE SELECT(6) (SPC-5 6.13)."""
    data = _parameters(task, task.cdb[4])
    if not data:
        return _select_nothing(unit, task)
    if len(data) < 4:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return _select(unit, task, data, 4, data[3], False)


def mode_select_10(unit: PrimaryUnit, task: Task) -> int:
    """MODE SELECT(10) (SPC-5 6.14)."""
    data = _parameters(task, int.from_bytes(task.cdb[7:9], "big"))
    if not data:
        return _select_nothing(unit, task)
    if len(data) < 8:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return _select(unit, task, data, 8, int.from_bytes(data[6:8], "big"), bool(data[4] & 0x01))


def _parameters(task: Task, length: int) -> bytes:
    """The parameter list. Raises PARAMETER LIST LENGTH ERROR when not all of it arrived."""
    if task.cdb[1] & _RTD:
        if length:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=1)
    elif not task.cdb[1] & _PF:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    data = bytes(task.data_out or b"")[:length]
    if len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    return data


def _select(unit: PrimaryUnit, task: Task, data: bytes, start: int, descriptors: int, long: bool) -> int:
    """Check the whole list, then change what differs; the others hear of it (SPC-5 6.13)."""
    if start + descriptors > len(data):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    length = _descriptor_length(unit, data, start, descriptors, long) if descriptors else None
    changes = list(_changes(unit, data, start + descriptors))
    if length is not None:
        unit.adopt_block_length(length)
        unit.attend_all(MODE_PARAMETERS_CHANGED, but=task.itl.nexus)
    if not task.cdb[1] & _SP:
        return _carry_out(unit, changes, task)
    wanted = {name_of(page, field): value for page, field, value in changes}
    return _save(unit, task, lambda: choices_of(unit, wanted), changes)


def _select_nothing(unit: PrimaryUnit, task: Task) -> int:
    """Without a list: RTD sets all that can be changed to its default, SP saves what there is then."""
    changes: list[ModeChange] = []
    if task.cdb[1] & _RTD:
        for page in unit.mode_pages:
            changeable = [field for field in page.fields if field.changes(unit)]
            changes += [(page, field, page.default_of(unit, field)) for field in changeable]
    if not task.cdb[1] & _SP:
        return _carry_out(unit, changes, task)
    forgets = bool(task.cdb[1] & _RTD)
    return _save(unit, task, lambda: {} if forgets else choices_of(unit, {}), changes)


def _save(unit: PrimaryUnit, task: Task, choose: Callable[[], dict[str, Choice]], changes: list[ModeChange]) -> int:
    """What cannot be saved is not changed either. choose: all that is to be saved, asked when its turn has come."""
    choices: dict[str, Choice] = {}

    def change() -> Mapping[str, bytes | None]:
        choices.update(choose())
        return {MEMORY: encode(choices)}

    def saved() -> int:
        unit.saved_modes = choices
        return _carry_out(unit, changes, task)

    return keep(unit, task, change, saved)


def _carry_out(unit: PrimaryUnit, changes: list[ModeChange], task: Task) -> int:
    """Change what has another value by now. What that calls for is done even if nobody waits for it any more."""
    due = [(field.change, value) for _, field, value in changes if field.change and value != field.value(unit)]
    work = [todo for change, value in due if (todo := change(unit, value)) is not None]
    if due:
        unit.attend_all(MODE_PARAMETERS_CHANGED, but=task.itl.nexus)
        unit.regate_all()
    if work and task.aborted:
        unit.flush_behind()
    if not work or task.aborted:
        return GOOD
    return unit.defer(task, lambda: [todo() for todo in work], writing=True)


def _descriptor_length(unit: PrimaryUnit, data: bytes, start: int, length: int, long: bool) -> int | None:
    """The block length that the one block descriptor asks for, if that is another one and the unit can take it.

    Nothing is reformatted for a MODE SELECT: any other geometry is refused.
    """
    geometry = unit.block_geometry()
    if geometry is None or length != (16 if long else 8):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=start - (2 if start == 8 else 1))
    blocks, size = geometry
    if long:
        asked, asked_size = struct.unpack_from(">Q4xI", data, start)
        size_at, everything = start + 12, 0xFFFFFFFFFFFFFFFF
    else:
        asked, asked_size = struct.unpack_from(">II", data, start)
        asked_size &= 0xFFFFFF
        size_at, everything = start + 5, 0xFFFFFFFF
    if asked not in (0, blocks, everything):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=start)
    if asked_size == size:
        return None
    if not unit.takes_block_length(asked_size):
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=size_at)
    return int(asked_size)


def _changes(unit: PrimaryUnit, data: bytes, at: int) -> Iterable[ModeChange]:
    """The fields of the pages from `at` on that can be changed, with the values that they are to have. PS is not looked
    at: it is reserved here, and initiators send back what MODE SENSE gave them."""
    while at < len(data):
        page = _page_at(unit, data, at)
        new = data[at : at + page.length]
        if len(new) < page.length:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        header = page.header()
        if new[1 : len(header)] != header[1:]:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + (2 if page.subpage else 1))
        old, changeable = page.encode(unit, CURRENT), page.encode(unit, CHANGEABLE)
        for i in range(len(header), page.length):
            wrong = (new[i] ^ old[i]) & ~changeable[i] & 0xFF
            if wrong:
                raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + i, bit=wrong.bit_length() - 1)
        for field in page.fields:
            value = field.read(new)
            if value != field.read(old) and field.values is not None and value not in field.values:
                bit = (field.bit + field.width - 1) % 8
                raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + field.byte, bit=bit)
            if field.changes(unit):
                yield page, field, value
        differs = any(field.read(new) != field.read(old) for field in page.fields)
        if differs and page.wrong is not None and (place := page.wrong(unit, new)) is not None:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + place[0], bit=place[1])
        at += page.length


def _page_at(unit: PrimaryUnit, data: bytes, at: int) -> ModePage:
    if at + 2 > len(data):
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    code = data[at] & 0x3F
    subpage = data[at + 1] if data[at] & 0x40 else 0
    for page in unit.mode_pages:
        if page.code == code and page.subpage == subpage and page.offered(unit):
            return page
    raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=5)
