"""Log parameters: one row per log page, and the commands that show, reset and change them (SPC-5 6.7, 6.8, 7.3).

Counters live as long as the process and have no thresholds that could be set; pages marked `saved` are durable at once
whatever SP says, so that there is never anything left to save.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tgtd.scsi.command import Command
from tgtd.scsi.sense import (
    GOOD,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    LOG_PARAMETERS_CHANGED,
    PARAMETER_LIST_LENGTH_ERROR,
    CheckCondition,
)
from tgtd.scsi.spc.keeping import keep
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.scsi.task import Task

THRESHOLD, CUMULATIVE, DEFAULT_THRESHOLD, DEFAULT_CUMULATIVE = range(4)
"""PC field (SPC-5 6.7.1)."""

# Parameter control bytes (SPC-5 7.3.2.2.2): TSD where nothing is saved, and FORMAT AND LINKING.
COUNTER = 0x22
ASCII_LIST, BINARY_LIST = 0x21, 0x23
SAVED_ASCII_LIST, SAVED_BINARY_LIST = 0x01, 0x03

ALL_SUBPAGES = 0xFF
_PCR, _SP = 0x02, 0x01
_DS, _SPF = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Parameter:
    """default: what a reset makes of it, None where none does. settable: LOG SELECT may give it a value."""

    code: int
    control: int
    value: bytes
    default: bytes | None = None
    settable: bool = False

    @property
    def counts(self) -> bool:
        return self.control & 0x03 == COUNTER & 0x03

    def encode(self, control: int = CUMULATIVE) -> bytes:
        """For a PC value, which means nothing to lists."""
        value = self.value
        if self.counts and control != CUMULATIVE:
            value = (b"\0" if control == DEFAULT_CUMULATIVE else b"\xff") * len(value)
        return struct.pack(">HBB", self.code, self.control, len(value)) + value


@dataclass(frozen=True, slots=True, eq=False)
class LogPage:
    """A log page. parameters: its parameters, ascending by code.

    store: takes new values, all of them checked, by parameter code, and returns what memory must keep of them before
    the command ends, by name. available: None, or asked with the unit.
    """

    code: int
    subpage: int
    name: str
    parameters: Callable[[Any], Iterable[Parameter]]
    store: Callable[[Any, Mapping[int, bytes]], Mapping[str, bytes | None]] | None = None
    saved: bool = False
    available: Callable[[Any], bool] | None = None

    @property
    def place(self) -> tuple[int, int]:
        return self.code, self.subpage

    def header(self, length: int) -> bytes:
        first = self.code | (0 if self.saved else _DS) | (_SPF if self.subpage else 0)
        return struct.pack(">BBH", first, self.subpage, length)


def _pages(unit: PrimaryUnit) -> list[LogPage]:
    return [page for page in unit.log_pages if page.available is None or page.available(unit)]


def log_sense(unit: PrimaryUnit, task: Task) -> int:
    """LOG SENSE. SP is no error: what can be saved is saved already."""
    cdb = task.cdb
    code, subpage = cdb[2] & 0x3F, cdb[3]
    pointer = int.from_bytes(cdb[5:7], "big")
    pages = _pages(unit)
    if code == 0 or subpage == ALL_SUBPAGES:
        answer = _list(pages, code, subpage)
        if pointer:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=7)
    else:
        page = _find(pages, code, subpage)
        parameters = list(page.parameters(unit))
        if pointer and (not parameters or pointer > parameters[-1].code):
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=5, bit=7)
        body = b"".join(p.encode(cdb[2] >> 6) for p in parameters if p.code >= pointer)
        answer = page.header(len(body)) + body
    task.data_in = answer[: int.from_bytes(cdb[7:9], "big")]
    return GOOD


def _list(pages: Sequence[LogPage], code: int, subpage: int) -> bytes:
    """Supported pages (00h/00h), all pages with their subpages (00h/FFh), one page's subpages (7.3.18 to 7.3.20)."""
    codes = sorted({page.code for page in pages})
    if subpage not in (0, ALL_SUBPAGES):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=3, bit=7)
    if not subpage:
        body = bytes([0, *sorted(page.code for page in pages if not page.subpage)])
        return struct.pack(">BBH", 0, 0, len(body)) + body
    if code and code not in codes:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=5)
    places = {(0, 0), (0, ALL_SUBPAGES), *(page.place for page in pages), *((each, ALL_SUBPAGES) for each in codes)}
    chosen = sorted(place for place in places if code in (0, place[0]))
    body = b"".join(bytes(place) for place in chosen)
    return struct.pack(">BBH", _SPF | code, ALL_SUBPAGES, len(body)) + body


def _find(pages: Sequence[LogPage], code: int, subpage: int) -> LogPage:
    for page in pages:
        if page.place == (code, subpage):
            return page
    known = any(page.code == code for page in pages)
    raise CheckCondition(INVALID_FIELD_IN_CDB, field=3 if known else 2, bit=7 if known else 5)


def wanted(unit: PrimaryUnit, cdb: bytes) -> int:
    return int.from_bytes(cdb[7:9], "big")


def log_select(unit: PrimaryUnit, task: Task) -> int:
    """LOG SELECT: all of it, or nothing."""
    length = wanted(unit, task.cdb)
    changes = list(_changes(unit, task, length) if length else _resets(unit, task.cdb))
    if not changes:
        return GOOD

    def stored() -> int:
        unit.attend_all(LOG_PARAMETERS_CHANGED, but=task.itl.nexus)
        return GOOD

    return keep(unit, task, partial(_store, unit, changes), stored)


LogChange = tuple[LogPage, dict[int, bytes]]


def _store(unit: PrimaryUnit, changes: Iterable[LogChange]) -> Mapping[str, bytes | None]:
    kept: dict[str, bytes | None] = {}
    for page, values in changes:
        if page.store is not None:
            kept.update(page.store(unit, values))
    return kept


def _resets(unit: PrimaryUnit, cdb: bytes) -> Iterator[LogChange]:
    """No parameter list: what PCR, SP and PC ask for, of the pages that the CDB names (SPC-5 6.7.2)."""
    control = cdb[2] >> 6
    resets, saves = bool(cdb[1] & _PCR), bool(cdb[1] & _SP)
    chosen = _chosen(_pages(unit), cdb[2] & 0x3F, cdb[3])
    found = [(page, list(page.parameters(unit))) for page in chosen]
    if saves and control <= CUMULATIVE and (resets or any(p.counts for _, all_of in found for p in all_of)):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=0)
    for page, parameters in found:
        values = {
            p.code: p.default
            for p in parameters
            if p.default is not None and (resets or (control == DEFAULT_CUMULATIVE and p.counts))
        }
        if values:
            yield page, values


def _chosen(pages: Sequence[LogPage], code: int, subpage: int) -> Sequence[LogPage]:
    if not code and subpage in (0, ALL_SUBPAGES):
        return pages
    if subpage != ALL_SUBPAGES:
        return [_find(pages, code, subpage)]
    chosen = [page for page in pages if page.code == code]
    if not chosen:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=5)
    return chosen


def _changes(unit: PrimaryUnit, task: Task, length: int) -> Iterator[LogChange]:
    """A parameter list: log pages, ascending, each with parameters, ascending (SPC-5 7.3.2)."""
    cdb, data = task.cdb, bytes(task.data_out or b"")
    for at, mask in ((1, _PCR), (2, 0x3F), (3, 0xFF)):
        if cdb[at] & mask:
            raise CheckCondition(INVALID_FIELD_IN_CDB, field=at, bit=mask.bit_length() - 1)
    if cdb[2] >> 6 > CUMULATIVE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=2, bit=7)
    if len(data) < length:
        raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
    pages, at, last = _pages(unit), 0, (0, 0)
    while at < length:
        if at + 4 > length:
            raise CheckCondition(PARAMETER_LIST_LENGTH_ERROR)
        place = (data[at] & 0x3F, data[at + 1])
        page = next((page for page in pages if page.place == place), None)
        if page is None or place <= last or bool(data[at] & _SPF) != bool(place[1]):
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=5)
        if cdb[1] & _SP and not data[at] & _DS and not page.saved:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=7)
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end > length:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 2, bit=7)
        values = _values(list(page.parameters(unit)), data, at + 4, end, cdb[2] >> 6)
        if values:
            yield page, values
        at, last = end, place


def _values(known: Sequence[Parameter], data: bytes, at: int, end: int, control: int) -> dict[int, bytes]:
    """The values that a page's parameters are to have, of those that it changes."""
    by_code, values, last = {p.code: p for p in known}, {}, -1
    while at < end:
        if at + 4 > end:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at)
        code, given, size = struct.unpack_from(">HBB", data, at)
        old = by_code.get(code)
        if old is None or code <= last:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=7)
        _check_control(old, given, at + 2)
        if size != len(old.value) or at + 4 + size > end:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 3, bit=7)
        value = data[at + 4 : at + 4 + size]
        if value != old.encode(control)[4:]:
            if not old.settable:
                raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at + 4, bit=7)
            values[code] = value
        at, last = at + 4 + size, code
    return values


def _check_control(old: Parameter, given: int, at: int) -> None:
    """The control byte cannot be changed. DU, ETC and TMC mean nothing for lists, and are ignored there (7.3.2.2.2)."""
    wrong = (old.control ^ given) & (0x9F if old.counts else 0x03)
    if wrong:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at, bit=wrong.bit_length() - 1)


LOGS = (
    Command(
        0x4D,
        "LOG SENSE",
        log_sense,
        bytes.fromhex("4D 01 FF FF 00 FFFF FFFF 04"),
        reservation="allowed",
    ),
    Command(0x4C, "LOG SELECT", log_select, bytes.fromhex("4C 03 FF FF 000000 FFFF 04"), data_out=wanted),
)
